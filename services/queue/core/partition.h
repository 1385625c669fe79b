// What a shard knows of one partition, and the bookkeeping that keeps its counters true.
//
// Every change of a message's state goes through this class, so counts cannot drift from the
// messages. It decides nothing and writes nothing: the commands (send.cc, receive.cc, ...) do.
//
// Memory: an explicit message takes 56 bytes in the table (about 90 with its load), 16 in
// `by_age_`, 16 in `ready_` while it is ready or 24 in the shard's timers while it is delayed or in
// flight. An idle partition takes about 450 bytes. A message of a group takes about 20 more in a
// FIFO queue, 8 in another, and a group about 300.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "services/queue/core/attempts.h"
#include "services/queue/core/backlog.h"
#include "services/queue/core/deduplication.h"
#include "services/queue/core/fair_groups.h"
#include "services/queue/core/fifo.h"
#include "services/queue/core/fifo_groups.h"
#include "services/queue/core/instant.h"
#include "services/queue/core/limits.h"
#include "services/queue/core/message.h"
#include "services/queue/core/types.h"

namespace weir::queue::core {

// What only a FIFO partition has.
struct FifoState {
  FifoGroups groups;
  Deduplication deduplication;
  Instant forgetting_at = kNever;  // the armed timer; one with another time is stale
  std::unique_ptr<Attempts> attempts;  // null until the first
};

struct Partition {
  Partition(PartitionId id, const ShardLimits& limits) : id(id), limits(limits) {}
  Partition(const Partition&) = delete;
  Partition& operator=(const Partition&) = delete;

  struct Totals {
    int64_t sent = 0;
    int64_t received = 0;
    int64_t deleted = 0;
    int64_t dead_lettered = 0;
    int64_t expired = 0;
  };

  const PartitionId id;
  const ShardLimits& limits;
  ConfigPtr config;  // null after recovery, until the first command that carries one
  Backlog backlog;
  Totals totals;

  // Null: a standard queue, or not known yet, until the first command that carries the config.
  std::unique_ptr<FifoState> fifo;
  // Null: no message of a standard queue has a group.
  std::unique_ptr<FairGroups> fair;

  // Parked requests in the order of their arrival. Entries that are no longer in the shard's table
  // of waiters are stale.
  Fifo<RequestId> waiters;
  int64_t waiting = 0;
  int64_t overdue =
      0;  // of them, those that are answered as soon as no read of the backlog can help them
  bool wants_fill = false;  // somebody receives, so the ready window must not run dry

  Instant sweep_at = kNever;  // the armed sweep; a sweep timer with another time is stale
  Instant last_sweep = kLongAgo;
  bool dirty = false;  // stands in the shard's list of partitions to settle

  // The explicit message with this seq, or null.
  Message* Find(MessageSeq seq) {
    const auto it = messages_.find(seq);
    return it == messages_.end() ? nullptr : &it->second;
  }
  const absl::flat_hash_map<MessageSeq, Message>& messages() const { return messages_; }

  // Makes a message explicit, in message.state. A pointer to another message is invalid afterwards.
  // `group` may be empty.
  Message& Add(MessageSeq seq, const Message& message, absl::string_view group);
  // The message is gone.
  void Remove(MessageSeq seq, Instant now);
  // To kReady: to the back of the window, or to its place in its FIFO group.
  void SetState(MessageSeq seq, Message& message, MessageState state);
  // Standard: the message whose turn it is to be received, which stays in its place. seq 0: none is
  // ready.
  std::pair<MessageSeq, Message*> FrontReady(Instant now);
  // Removes the one that FrontReady has just answered; its state is still kReady, so the caller must
  // change it (or put it back with SetState).
  void PopReady();
  // Groups that are noisy no more take turns with the others again.
  void ReleaseQuiet(Instant now);
  // The queue is a FIFO queue.
  void MakeFifo();
  // Call after the backlog has changed, before anybody receives.
  void SetHorizon() {
    if (fifo != nullptr) fifo->groups.SetHorizon(backlog.from());
  }

  int64_t ready() const { return counts_[Index(MessageState::kReady)]; }
  int64_t delayed() const { return counts_[Index(MessageState::kDelayed)]; }
  int64_t in_flight() const { return counts_[Index(MessageState::kInFlight)]; }
  int64_t moving() const { return counts_[Index(MessageState::kMoving)]; }
  bool empty() const { return messages_.empty() && backlog.empty(); }
  // A receive would get something.
  bool HasReceivable() const { return fifo != nullptr ? fifo->groups.HasDeliverable() : ready() > 0; }
  // How many messages receives may get before the backlog must be read: without those that others
  // are put before, or that stand behind one of their group.
  int64_t receivable() const;
  // As many explicit messages are noisy, or blocked, as a receive looks through.
  bool IsSearchedThrough() const {
    const int64_t passed_over = fifo != nullptr ? fifo->groups.blocked_groups_ready() : ready();
    return static_cast<size_t>(passed_over) >= limits.max_searched;
  }

  // The oldest explicit message that is not moving and its sent_at; seq 0: none. O(1) on average.
  std::pair<Instant, MessageSeq> Oldest();
  // Of all live messages, moving ones too; kNever: none.
  Instant OldestSentAt();

  // Every message is gone.
  void Clear();
  // Gives memory back that a burst has left behind, and drops stale entries when they are many.
  void Compact(Instant now);

 private:
  // A message without a group, or the turn of a group: then seq is 0 and the ticket its number.
  struct ReadyEntry {
    MessageSeq seq;
    uint32_t ticket;
  };
  struct AgeEntry {
    Instant sent_at;
    MessageSeq seq;
    // Turned around, so that std's max-heap has the oldest on top.
    friend bool operator<(const AgeEntry& a, const AgeEntry& b) {
      return a.sent_at != b.sent_at ? a.sent_at > b.sent_at : a.seq > b.seq;
    }
  };

  static size_t Index(MessageState state) { return static_cast<size_t>(state); }
  bool IsReady(const ReadyEntry& entry) const;
  void CompactFair(Instant now);
  void PushReady(MessageSeq seq, Message& message);
  void JoinGroup(MessageSeq seq, Message& message, absl::string_view group);
  void PushTurn(GroupNo group);
  // The first ready message of a fair group; null: it has none.
  std::pair<MessageSeq, Message*> FrontOf(GroupNo group);

  absl::flat_hash_map<MessageSeq, Message> messages_;
  int64_t counts_[4] = {};
  Fifo<ReadyEntry> ready_;        // with stale entries
  std::vector<AgeEntry> by_age_;  // heap, with stale entries
  uint32_t next_ticket_ = 1;
};

}  // namespace weir::queue::core
