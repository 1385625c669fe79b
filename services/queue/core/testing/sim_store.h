// A store for tests of the core: keeps every decided row in segments and reads them back, as a real
// one would.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "services/queue/core/command.h"
#include "services/queue/core/decision.h"
#include "services/queue/core/shard_state.h"

namespace weir::queue::core::testing {

class SimStore {
 public:
  explicit SimStore(SegmentNo first) { Start(first); }

  void Append(const Decision& decision);
  void Start(SegmentNo segment) { segments_.push_back({.number = segment}); }
  void Drop(SegmentNo segment);

  SegmentNo oldest() const { return segments_.front().number; }
  SegmentNo active() const { return segments_.back().number; }
  std::vector<SegmentNo> segments() const;

  // The answer of effect NeedRefill: at most `max_messages` of the newest rows, in seq order.
  // `next_log_no`: above every row.
  Refill Read(const NeedRefill& need, size_t max_messages, LogNo next_log_no) const;
  // All newest rows of the partition, in seq order, those of messages that are gone too.
  std::vector<MessageMeta> Metas(PartitionId partition) const;
  // The segment's next slice, in the order of (partition, seq). The last one has no rows.
  CopyForward ReadSegment(SegmentNo segment, size_t max_rows) const;
  // A slice was copied: no read shows its rows any more.
  void NoteCopied(const CopyForward& slice);
  // Where the message's newest row stands; segment 0: nowhere.
  SegmentNo NewestRow(MessageSeq seq) const;
  // Where the acceptance of a transfer is recorded; segment 0: nowhere.
  SegmentNo NewestRecord(const TransferId& transfer) const;

  // Segments in their order, or the other way round.
  ShardState Recover(LogNo next_log_no, absl::Time now, const ShardLimits& limits,
                     bool newest_segment_first) const;

 private:
  struct Segment {
    SegmentNo number;
    std::vector<Mutation> rows;
    std::pair<PartitionId, MessageSeq> copied_to = {};
    // The message that a row tells of; null: it is an event, or superseded.
    const AppendMessage* MessageOf(const Mutation& row) const;
  };

  std::vector<Segment> segments_;  // oldest first
};

}  // namespace weir::queue::core::testing
