// What a shard knows of one partition, and the bookkeeping that keeps its counters true.
//
// Every change of a message's state goes through this class, so counts cannot drift from the
// messages. It decides nothing and writes nothing: the commands (send.cc, receive.cc, ...) do.
//
// Memory: an explicit message takes 56 bytes in the table (about 90 with its load), 16 in
// `by_age_`, 16 in `ready_` while it is ready or 24 in the shard's timers while it is delayed or in
// flight. An idle partition takes about 450 bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/queue/core/backlog.h"
#include "services/queue/core/fifo.h"
#include "services/queue/core/instant.h"
#include "services/queue/core/types.h"

namespace weir::queue::core {

enum class MessageState : uint8_t { kReady, kDelayed, kInFlight, kMoving };

// An explicit message.
struct Message {
  Instant sent_at;
  Instant visible_at;
  Instant first_received_at = kLongAgo;  // kLongAgo: never, in this partition
  Instant leased_at = kLongAgo;          // the newest receive
  int32_t receive_count = 0;
  SegmentNo segment;
  uint32_t ready_ticket =
      0;  // its place in the ready window; an entry with another ticket is stale
  MessageState state = MessageState::kReady;
  // While moving: by dead-lettering, not by redrive.
  bool dead_lettering = false;
  // Its dead-letter queue has refused it: the next receive delivers it, so that it does not go to
  // and fro without end.
  bool refused = false;
};

struct Partition {
  explicit Partition(PartitionId id) : id(id) {}
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
  ConfigPtr config;  // null after recovery, until the first command that carries one
  Backlog backlog;
  Totals totals;

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
  Message& Add(MessageSeq seq, const Message& message);
  // The message is gone.
  void Remove(MessageSeq seq);
  // To kReady: to the back of the window.
  void SetState(MessageSeq seq, Message& message, MessageState state);
  // The front of the ready window, which stays there. seq 0: the window is empty.
  std::pair<MessageSeq, Message*> FrontReady();
  // Removes the front of the ready window and returns it; its state is still kReady, so the caller
  // must change it (or put it back with SetState). seq 0: the window is empty.
  std::pair<MessageSeq, Message*> PopReady();

  int64_t ready() const { return counts_[Index(MessageState::kReady)]; }
  int64_t delayed() const { return counts_[Index(MessageState::kDelayed)]; }
  int64_t in_flight() const { return counts_[Index(MessageState::kInFlight)]; }
  int64_t moving() const { return counts_[Index(MessageState::kMoving)]; }
  bool empty() const { return messages_.empty() && backlog.empty(); }

  // The oldest explicit message that is not moving and its sent_at; seq 0: none. O(1) on average.
  std::pair<Instant, MessageSeq> Oldest();
  // Of all live messages, moving ones too; kNever: none.
  Instant OldestSentAt();

  // Every message is gone.
  void Clear();
  // Gives memory back that a burst has left behind, and drops stale entries when they are many.
  void Compact();

 private:
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
  void PushReady(MessageSeq seq, Message& message);

  absl::flat_hash_map<MessageSeq, Message> messages_;
  int64_t counts_[4] = {};
  Fifo<ReadyEntry> ready_;        // with stale entries
  std::vector<AgeEntry> by_age_;  // heap, with stale entries
  uint32_t next_ticket_ = 1;
};

}  // namespace weir::queue::core
