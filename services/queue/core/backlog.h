// The untouched messages of a partition: those that wait in the store and that memory knows only as
// a number.
//
// They are the messages with seq >= from() that do not stand in touched_ahead. The store is read
// from the front (fill: what is found becomes explicit) or looked through for expired messages
// (sweep: what is found expired is counted out, the rest stays). At most one read is outstanding.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "services/queue/core/instant.h"
#include "services/queue/core/types.h"

namespace weir::queue::core {

class Backlog {
 public:
  // Above every seq: where an empty backlog begins.
  static constexpr MessageSeq kNowhere{std::numeric_limits<int64_t>::max()};

  struct Read {
    enum class Purpose { kFill, kSweep };
    Purpose purpose;
    MessageSeq from;
    // What was read may be older than the state (a purge, a copy-forward): the answer is thrown
    // away.
    bool overtaken = false;
  };

  int64_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  MessageSeq from() const { return from_; }
  // No untouched message was sent before. kNever when empty.
  Instant oldest_sent_at() const { return oldest_sent_at_; }
  // sent_at rises with seq, so looking for expired messages may stop at the first that is not.
  bool in_order() const { return in_order_; }
  const std::vector<std::pair<SegmentNo, int64_t>>& by_segment() const { return by_segment_; }
  int64_t InSegment(SegmentNo segment) const;

  // REQUIRES: seq is above every seq of the partition so far.
  void Append(MessageSeq seq, Instant sent_at, SegmentNo segment);
  bool Contains(MessageSeq seq) const {
    return count_ > 0 && seq >= from_ && !touched_ahead_.contains(seq);
  }
  // A message behind the front is explicit, or gone while its row is still in the store.
  void NoteTouchedAhead(MessageSeq seq) {
    if (count_ > 0 && seq >= from_) touched_ahead_.insert(seq);
  }
  // One message is untouched no more. REQUIRES: Contains(seq).
  void TakeOut(MessageSeq seq, SegmentNo segment);
  // Its newest row stands in another segment now.
  void MoveRow(SegmentNo segment, SegmentNo to);
  // No untouched message has a lower seq.
  void AdvanceTo(MessageSeq seq);
  void RaiseOldest(Instant sent_at) { oldest_sent_at_ = sent_at; }
  void Clear();

  // What recovery found, in any order.
  void Restore(int64_t count, MessageSeq from, Instant oldest, Instant newest, bool in_order,
               std::vector<std::pair<SegmentNo, int64_t>> by_segment);

  // The outstanding read, if any.
  std::optional<Read> read;
  // While a sweep goes through the backlog in several reads.
  struct Sweep {
    MessageSeq next;                   // where the next read begins
    Instant oldest_survivor = kNever;  // of those seen so far
    Instant oldest_appended = kNever;  // of those that came since the sweep began
  };
  std::optional<Sweep> sweep;
  Instant last_deep_sweep = kLongAgo;

 private:
  int64_t count_ = 0;
  MessageSeq from_ = kNowhere;
  absl::btree_set<MessageSeq> touched_ahead_;
  std::vector<std::pair<SegmentNo, int64_t>> by_segment_;  // few
  Instant oldest_sent_at_ = kNever;
  Instant newest_sent_at_ = kLongAgo;
  bool in_order_ = true;
};

}  // namespace weir::queue::core
