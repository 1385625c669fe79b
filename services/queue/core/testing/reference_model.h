// What a shard must do, written so that it is obviously right: a map of messages and linear scans,
// no windows, no heaps, no rows. It does not predict which ready message a receive gets (the order
// is only roughly first in, first out); it checks that what the core chose was allowed, and that
// nothing was withheld.
//
// Use: Check(request, command, decision, now) for every decision, in order.
// Violations are collected as sentences.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/queue/core/command.h"
#include "services/queue/core/decision.h"
#include "services/queue/core/shard_state.h"

namespace weir::queue::core::testing {

class ReferenceModel {
 public:
  enum class State { kReady, kDelayed, kInFlight, kMoving };

  struct Message {
    absl::Time sent_at;
    absl::Time visible_at;
    std::optional<absl::Time> first_received_at;
    std::optional<absl::Time> leased_at;
    int32_t receive_count = 0;
    State state = State::kReady;
    ContentPtr content;
    bool dead_lettering = false;
    bool refused = false;
    int repeats = 0;  // of the attempt that has it: so many releases do not count
    // Hidden until its dead-letter queue is back, which no row tells of: a restart forgets it.
    bool paused = false;
    // First received in the order of seq: not delayed, never on its way elsewhere.
    bool in_order = true;
  };

  struct Waiter {
    PartitionId partition;
    bool take = false;
    int32_t limit = 1;
    std::optional<absl::Duration> visibility_timeout;
    absl::Time until;
    std::string attempt_id;
    bool only_repeat = false;
  };

  // A deduplication id, and what an attempt to receive got.
  struct Remembered {
    MessageSeq seq;
    std::string message_id;
    absl::Time until;
  };
  struct Attempt {
    absl::Time until;
    std::vector<ReceivedMessage> got;
  };

  struct Partition {
    ConfigPtr config;
    std::map<MessageSeq, Message> messages;
    PartitionStats totals;
    bool has_groups = false;
    std::optional<MessageSeq> reading;  // `from` of the outstanding NeedRefill
  };

  explicit ReferenceModel(const ShardLimits& limits) : limits_(limits) {}

  // Applies `decision`, which answered `command` at `now`.
  void Check(RequestId request, const Command& command, const Decision& decision, absl::Time now);
  // Compares what can be asked of the state.
  void CheckStats(const ShardState& state);
  // The process died: what is not in rows is forgotten.
  void Crash(absl::Time now);
  // The live messages whose retention has ended: none, once every sweep had its time.
  std::vector<MessageSeq> Expired() const;

  const std::map<PartitionId, Partition>& partitions() const { return partitions_; }
  const std::map<RequestId, Waiter>& waiters() const { return waiters_; }
  // Transfers to be recognised when they are repeated, with the time when the message was sent.
  const std::map<TransferId, absl::Time>& accepted() const { return accepted_; }
  const std::map<std::pair<PartitionId, std::string>, Remembered>& ids() const { return ids_; }
  void ForgetAccepted(const TransferId& transfer) { accepted_.erase(transfer); }
  int64_t live() const;
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  Partition& PartitionOf(PartitionId id) { return partitions_[id]; }
  Message* Find(PartitionId partition, MessageSeq seq);
  void Adopt(PartitionId id, const ConfigPtr& config);
  void NoteAnswered(const Refill& refill);
  void MakeDue();
  bool IsExpired(const Partition& partition, const Message& message) const;
  bool MustDeadLetter(const Partition& partition, const Message& message) const;
  // Some ready message has to move before it can be received.
  bool AnyMustDeadLetter(const Partition& partition) const;
  int64_t Count(const Partition& partition, State state) const;
  PartitionStats PartitionStatsOf(PartitionId id) const;
  void Fail(const std::string& sentence);

  // What the command does before anything is answered, for commands without a reply and those whose
  // effect is all their own.
  void Before(const Command& command, const Decision& decision);
  // Turns the reply to the command itself into changes.
  void Answer(RequestId request, const Command& command, const Reply& reply);
  void AnswerSend(const Send& command, const SendReply& reply);
  bool AnswerDuplicate(const Send& command, const SendReply& reply, size_t i);
  void RememberId(PartitionId partition, const MessageContent& content, MessageSeq seq);
  void ForgetIds(PartitionId partition);
  void AnswerDelete(const Delete& command, const DeleteReply& reply);
  void AnswerChange(const ChangeVisibility& command, const ChangeVisibilityReply& reply);
  void AnswerAccept(const AcceptTransfer& command, const Decision& decision, bool recognise);
  void AnswerPurge(PartitionId partition, const Reply& reply);
  void AnswerFinish(const FinishTransfer& command, const Reply& reply);
  void AnswerAbort(const AbortTransfer& command);
  void NoteSurvivors(const Decision& decision);
  void AnswerMove(const MoveWithinShard& command, const Reply& reply);
  void FinishMove(PartitionId partition, MessageSeq seq);
  // The reply to a receive or a take, parked or not.
  void AnswerWaiter(RequestId request, const Waiter& waiter, const Reply& reply);
  void AnswerReceive(const Waiter& waiter, const ReceiveReply& reply);
  void CheckReceived(Partition& partition, const Waiter& waiter, const ReceivedMessage& message);
  // FIFO: nothing before it in its group is left out.
  void CheckGroup(const Partition& partition, MessageSeq seq, const std::set<MessageSeq>& before);
  const Attempt* FindAttempt(const Partition& partition, const Waiter& waiter) const;
  void CheckRepeated(Partition& partition, const Waiter& waiter, const ReceiveReply& reply);
  // A receive could get it, were it not for limits.
  bool IsDeliverable(const Partition& partition, MessageSeq seq, const Message& message) const;
  bool MayBeWithheld(const Partition& partition) const;
  static bool IsFifo(const Partition& partition) {
    return partition.config != nullptr && partition.config->fifo;
  }
  void CheckOrder(const Partition& partition, const ReceivedMessage& message);
  void CheckStatus(const Waiter& waiter, const absl::Status& status);
  void After(RequestId request, const Command& command, const Decision& decision);
  void Park(RequestId request, const Command& command, const Decision& decision);
  void CheckEffects(const Decision& decision);
  void CheckTransfer(const Transfer& transfer);
  void CheckNothingWithheld(const Partition& partition);
  // Takes out of the list what may expire by now. An expiry frees a place among the messages in
  // flight, so most come before the replies; that of a message that a reply tells of comes after.
  void ApplyExpiries(std::vector<const AppendEvent*>& expiries);
  void CheckNobodyIsForgotten();

  const ShardLimits limits_;
  absl::Time now_ = absl::InfinitePast();
  std::map<PartitionId, Partition> partitions_;
  std::map<RequestId, Waiter> waiters_;
  std::map<TransferId, absl::Time> accepted_;
  std::set<PartitionId> dropped_;
  std::map<std::pair<PartitionId, std::string>, Remembered> ids_;
  std::map<std::pair<PartitionId, std::string>, Attempt> attempts_;
  // Of the decision that is being checked:
  const Decision* decision_ = nullptr;
  bool dropping_ = false;
  std::map<RequestId, int32_t> taken_;
  std::set<MessageSeq> received_;
  std::vector<PartitionId> not_filled_;  // partitions of receives that got less than they asked for
  MessageSeq last_seq_;
  std::vector<std::string> violations_;
};

}  // namespace weir::queue::core::testing
