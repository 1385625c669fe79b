// The state machine of one shard: everything that is true of its partitions, and the decisions about commands.
//
// Deterministic: equal inputs give equal outputs. It never blocks, reads no clock, does no I/O and holds no message contents.
// Not thread-safe: one strand owns it.
//
// A message of a partition is, at any time, in exactly one of these states:
//
//      send ──► untouched ──refill──► ready ◄──────────────┐
//        │   (a range in the store)    │ ▲                 │ visibility timeout ends, or changed to 0
//        ├──► ready ───────────────────┘ │ delay ends      │
//        └──► delayed ───────────────────┘      receive ──►in flight ──delete──► gone
//                                                │
//                 received too often (dead-letter) or taken for redrive ──► moving ──finish──► gone
//                                                                             └──abort──► ready
//
// Invariants:
//  1. A message with seq < backlog_from is explicit (ready, delayed, in flight, moving) or gone. One with seq >= backlog_from
//     is untouched unless it stands in touched_ahead. So the memory of a deep backlog is a number.
//  2. live_in_segment counts, for every segment, the messages of all states but gone whose newest row stands there.
//  3. receive counts only rise; a receipt is the newest of its message if its receive_count equals the message's.
//  4. No message is in two states; counts() adds up to the live messages.
//  5. FIFO: a message is received only when no earlier live one of its group is in flight, delayed, moving or untouched, so the
//     receives of a group are in the order of seq, and one receiver at a time has the group (fifo_groups.h).
//  6. FIFO: for five minutes from the append of a message its segment has its row, so that recovery finds its deduplication id.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/queue/core/command.h"
#include "services/queue/core/decision.h"
#include "services/queue/core/limits.h"
#include "services/queue/core/types.h"

namespace weir::queue::core {

// Exact numbers at one instant, and totals since this process loaded the shard.
struct PartitionStats {
  int64_t ready = 0;      // receivable now, those in the store included
  int64_t in_flight = 0;  // received and not deleted, those on their way to another queue included
  int64_t delayed = 0;
  // No live message was sent before. Exact for the explicit ones; the backlog may have lost its oldest since.
  std::optional<absl::Time> oldest_sent_at;
  int64_t waiting_receives = 0;
  // FIFO: of `ready`, those that stand behind a message of their group that is in flight, delayed or moving. Those in the store
  // are not looked at.
  int64_t blocked = 0;
  // Message groups of the explicit messages.
  int64_t groups = 0;
  // Totals.
  int64_t sent = 0;
  int64_t received = 0;
  int64_t deleted = 0;
  int64_t dead_lettered = 0;
  int64_t expired = 0;

  // With those of another partition of the queue.
  PartitionStats& operator+=(const PartitionStats& other);
};

// A message group of a partition at one instant. Messages in the store are not counted.
struct GroupStatus {
  std::string group;
  int64_t ready = 0;
  int64_t in_flight = 0;  // those on their way to another queue included
  int64_t delayed = 0;
  // FIFO: the first message of the group that is hidden, while there is one: nothing behind it is received.
  struct Blocker {
    MessageSeq seq;
    std::optional<absl::Time> since;  // its newest receive; unset: it is delayed
    absl::Time until;                 // end of its visibility timeout or delay; InfiniteFuture: it is being moved elsewhere
    int32_t receive_count = 0;
    std::string consumer;  // who received it; empty: not known (any more)
  };
  std::optional<Blocker> blocker;
  bool noisy = false;  // a fair queue puts others first
};

// What Browse looks for.
struct BrowseFilter {
  bool ready = true;
  bool in_flight = true;
  bool delayed = true;
};
struct BrowsedMessage {
  enum class State { kReady, kDelayed, kInFlight };  // as counted in PartitionStats
  MessageMeta meta;
  State state = State::kReady;
};
struct BrowsePage {
  std::vector<BrowsedMessage> messages;  // explicit ones, in the order of seq
  bool complete = false;                 // there are no further explicit ones
  // Untouched messages that were asked for stand in the store from here on, and nowhere before. Unset: there are none.
  std::optional<MessageSeq> untouched_from;
};

class ShardState {
 public:
  // An empty shard whose next row gets `next_log_no` and goes to `active_segment`.
  ShardState(LogNo next_log_no, SegmentNo active_segment, const ShardLimits& limits = {});
  ~ShardState();
  ShardState(ShardState&&) noexcept;
  ShardState& operator=(ShardState&&) noexcept;

  // Decides `command` at time `now`, and updates the state as if the decision were durable. What has come due by `now` is
  // applied first. `request` names whom the reply is for.
  // REQUIRES: `now` is not earlier than any `now` given before.
  Decision Decide(RequestId request, const Command& command, absl::Time now);

  // Until this instant Tick does nothing; InfiniteFuture when nothing is due ever. (At the instant itself there may turn out to
  // be nothing to do: a retention sweep is not taken back when its message is deleted.)
  absl::Time NextTimer() const;

  // From now on rows go to `segment`. REQUIRES: nothing decided before is waiting to be appended.
  void StartSegment(SegmentNo segment);

  LogNo next_log_no() const;
  SegmentNo active_segment() const;
  // Live messages whose newest row stands in `segment`, and accepted transfers recorded there: 0 means it may be dropped, if
  // every older segment was: an event must not go before the row that it is about.
  int64_t LiveInSegment(SegmentNo segment) const;
  // Of them, deduplication ids that are remembered by the segment's rows; all are forgotten within five minutes. Until then the
  // segment must not be copied forward.
  int64_t DeduplicationsInSegment(SegmentNo segment) const;

  // Zeros for a partition that the shard has not seen. Applies nothing: what came due after the last Decide still stands in
  // its old state.
  PartitionStats Stats(PartitionId partition) const;
  std::vector<PartitionId> Partitions() const;
  // The partition's groups with explicit messages whose ids are above `after_group`, at most `limit`, in the order of ids.
  std::vector<GroupStatus> Groups(PartitionId partition, absl::string_view after_group,
                                  size_t limit) const;
  // The explicit messages above `after`, the lowest `limit` of those that `filter` lets through, and where the untouched ones
  // begin. Leaves out what has expired. O(explicit messages of the partition).
  BrowsePage Browse(PartitionId partition, MessageSeq after, size_t limit,
                    const BrowseFilter& filter) const;
  // A row that was read from the store is that of a message which is untouched, so ready, and has not expired.
  bool IsUntouched(PartitionId partition, const MessageMeta& meta) const;

 private:
  friend class RecoveryBuilder;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Rebuilds a shard's state from its rows: first every event, then every message, each in any order of segments.
//
// Events are told before messages so that one pass over the messages decides which are gone, explicit or untouched; the memory
// needed is that of the events of the live segments, never that of the backlog.
class RecoveryBuilder {
 public:
  // `now`: the store's clock, read at the take-over.
  RecoveryBuilder(LogNo next_log_no, SegmentNo active_segment, absl::Time now,
                  const ShardLimits& limits = {});
  ~RecoveryBuilder();

  void AddEvent(SegmentNo segment, const AppendEvent& event);
  // `log_no` of the row: an event with a lower one is already part of what the row says (copy-forward).
  void AddMessage(PartitionId partition, LogNo log_no, const MessageMeta& meta);

  // Partitions get their config with the first command that carries one; until then nothing expires.
  ShardState Build() &&;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weir::queue::core
