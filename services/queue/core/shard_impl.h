// The inside of ShardState: its data, and one method per command. Private to core/.
//
// How a command runs (shard_state.cc): ApplyDue moves what has come due; the command's method
// changes messages through Partition and writes rows with Append...; then Settle goes over the
// partitions that were touched: waiters get what is ready, reads of the backlog are asked for. All
// of them work on the decision under construction, `out_`, at the instant `now_`.
//
//   send.cc          Send and what every appended message has in common
//   receive.cc       Receive, CancelReceive, waiters, leases, dead-lettering at the receive
//   receive_fifo.cc  leases of groups, repeated attempts
//   deduplicate.cc   repeated sends
//   receipts.cc      Delete, ChangeVisibility, ReleaseLease
//   transfer.cc      AcceptTransfer, FinishTransfer, MoveWithinShard, AbortTransfer,
//                    ForgetTransfer, TakeForRedrive
//   refill.cc        Refill, retention
//   segments.cc      CopyForward, accounts of segments
//   shard_state.cc   dispatch, timers, Purge, DropPartition, Configure
//   stats.cc         what can be asked
//   recovery.cc      RecoveryBuilder
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "services/queue/core/command.h"
#include "services/queue/core/decision.h"
#include "services/queue/core/fifo.h"
#include "services/queue/core/instant.h"
#include "services/queue/core/partition.h"
#include "services/queue/core/shard_state.h"
#include "services/queue/core/timers.h"

namespace weir::queue::core {

// A parked receive, or a parked TakeForRedrive (take: it waits for the backlog only, so it is
// overdue from the start).
struct Waiter {
  Partition* partition = nullptr;
  bool take = false;
  bool overdue = false;
  int32_t limit = 1;
  std::optional<absl::Duration> visibility_timeout;
  Instant until = kLongAgo;
  std::string consumer;
  std::string attempt_id;
};

// A deduplication id that recovery has found. Its key depends on the config, which comes later.
struct RecoveredId {
  DeduplicationKey by_queue;
  DeduplicationKey by_group;
  Deduplication::Entry entry;
};

// A transfer that this shard has accepted and must recognise when it is repeated.
struct Acceptance {
  PartitionId partition;
  MessageSeq seq;
  SegmentNo segment;  // where it is recorded: by the message's row, or by an event
  Instant sent_at;    // the source's message expires at the latest kMaxRetention after it, and the
                      // repeats end with it
};

// A replica that has lost the source's shard may have sent a transfer, too, which comes after its successor's has ended. It is taken for a
// repeat for so long: longer than a command waits for its shard (engine/shard_router.h) and travels.
inline constexpr absl::Duration kEndedTransferKept = absl::Minutes(1);

// QUEUE_DOES_NOT_EXIST.
absl::Status QueueWasDeleted();

struct ShardState::Impl {
  Impl(LogNo next_log_no, SegmentNo active_segment, const ShardLimits& limits)
      : limits(limits), next_log_no(next_log_no), active_segment(active_segment) {}

  const ShardLimits limits;

  // ---- Kept between decisions ----
  LogNo next_log_no;
  SegmentNo active_segment;
  absl::flat_hash_map<PartitionId, std::unique_ptr<Partition>> partitions;
  absl::flat_hash_map<RequestId, Waiter> waiters;
  absl::flat_hash_map<TransferId, Acceptance> acceptances;
  // Those that the source has recorded as moved, lately; oldest first in `ended_order`.
  absl::flat_hash_set<TransferId> ended_transfers;
  Fifo<std::pair<Instant, TransferId>> ended_order;
  absl::flat_hash_map<PartitionId, std::vector<RecoveredId>> recovered_ids;
  // Deduplication ids by the segment that records them; live_in_segment counts them, too.
  absl::flat_hash_map<SegmentNo, int64_t> ids_in_segment;
  // Live messages, acceptances and deduplication ids by the segment of their newest row.
  absl::flat_hash_map<SegmentNo, int64_t> live_in_segment;
  // Partitions whose queues were deleted, the newest ones, oldest first in `dropped_order`. Ids are
  // never reused, but a command may have found its queue just before.
  absl::flat_hash_set<PartitionId> dropped;
  Fifo<PartitionId> dropped_order;
  TimerHeap timers;
  int64_t timed_messages = 0;  // delayed and in flight: the timers that are not stale

  // ---- The decision under construction ----
  Instant now_ = kLongAgo;
  LogNo first_log_no_;
  Decision out_;
  std::vector<Partition*> dirty_;

  // ---- shard_state.cc ----
  Decision Decide(RequestId request, const Command& command, Instant now);
  void ApplyDue();
  void Apply(const Timer& timer);
  bool IsStale(const Timer& timer) const;
  void PruneTimers();
  void Settle();
  void Settle(Partition& partition);
  void MarkDirty(Partition& partition);
  Partition* FindPartition(PartitionId id);
  // Brings it into being where it is new. REQUIRES: not IsDropped.
  Partition& GetPartition(PartitionId id, const ConfigPtr& config);
  bool IsDropped(PartitionId id) const { return dropped.contains(id); }
  void NoteDropped(PartitionId id);
  void Adopt(Partition& partition, const ConfigPtr& config);
  void Reply(RequestId request, core::Reply reply);
  LogNo TakeLogNo();
  // The decision will have about so many rows. Only the first guess counts: many small ones would cost more than they save.
  void ExpectRows(size_t rows) {
    if (out_.mutations.empty()) out_.mutations.reserve(rows);
  }
  AppendEvent& Append(EventKind kind, Partition& partition, MessageSeq seq);
  PartitionStats StatsOf(Partition& partition) const;

  void Run(RequestId request, const Purge& command);
  void Run(RequestId request, const DropPartition& command);
  void Run(RequestId request, const Configure& command);
  void Run(RequestId request, const Tick& command);
  int64_t RemoveAll(Partition& partition);
  void DropWaiters(Partition& partition);

  // ---- send.cc ----
  void Run(RequestId request, const Send& command);
  // Appends a new message; it becomes explicit or joins the backlog. Its state and segment are set
  // here.
  MessageSeq AppendNew(Partition& partition, Message message, ContentPtr content,
                       std::optional<TransferId> transfer);
  // A new message that is not delayed becomes explicit at once.
  bool JoinsWindow(const Partition& partition, const MessageContent& content) const;
  // The row of a message that was appended by this very decision, or null: it can still be changed.
  AppendMessage* FreshRow(MessageSeq seq);

  // ---- receive.cc ----
  void Run(RequestId request, const Receive& command);
  void Run(RequestId request, const CancelReceive& command);
  std::vector<ReceivedMessage> LeaseReady(Partition& partition, const Waiter& waiter);
  ReceivedMessage Lease(Partition& partition, MessageSeq seq, Message& message,
                        absl::Duration visibility_timeout, const std::string& consumer);
  // Standard: the next ready message that is not expired; it stays in its place.
  std::pair<MessageSeq, Message*> FrontLiveReady(Partition& partition);
  bool MustDeadLetter(const Partition& partition, const Message& message) const;
  void Park(RequestId request, Partition& partition, Waiter waiter);
  void Unpark(RequestId request, const Waiter& waiter);
  void ServeWaiters(Partition& partition);
  void AnswerOverdue(Partition& partition);
  // Somebody waits for messages that only a read of the backlog can bring.
  bool AwaitsFill(const Partition& partition) const;

  // ---- receive_fifo.cc ----
  // As LeaseReady and Take, of a FIFO partition.
  std::vector<ReceivedMessage> LeaseGroups(Partition& partition, const Waiter& waiter);
  // Leases of one group. False: no group can give more now.
  bool LeaseGroup(Partition& partition, GroupNo group, const Waiter& waiter,
                  std::vector<ReceivedMessage>& received);
  int32_t TakeFromGroups(Partition& partition, RequestId request, int32_t limit);
  // What the same attempt got before, hidden anew; empty: there is nothing to repeat.
  std::vector<ReceivedMessage> RepeatAttempt(Partition& partition, const Waiter& waiter);
  void RememberAttempt(Partition& partition, const Waiter& waiter,
                       const std::vector<ReceivedMessage>& received);
  // The queue's delay has changed: delayed messages obey the new one.
  void RetimeDelayed(Partition& partition);

  // ---- deduplicate.cc ----
  // The message that came first with this id, if it is remembered.
  const Deduplication::Entry* FindDuplicate(const Partition& partition,
                                            const MessageContent& content) const;
  void RememberId(Partition& partition, const MessageContent& content, MessageSeq seq,
                  SegmentNo segment);
  void Remember(Partition& partition, const DeduplicationKey& key,
                const Deduplication::Entry& entry);
  void ForgetDueIds(Partition& partition);
  void ForgetAllIds(Partition& partition);
  void ArmForgetting(Partition& partition);
  void NoteForgotten(const Deduplication::Entry& entry);
  // Of a partition whose config has come after a restart.
  void RestoreIds(Partition& partition);

  // ---- receipts.cc ----
  void Run(RequestId request, const Delete& command);
  void Run(RequestId request, const ChangeVisibility& command);
  void Run(RequestId request, const ReleaseLease& command);
  DeleteOutcome DeleteOne(Partition& partition, const Receipt& receipt);
  ChangeVisibilityOutcome ChangeOne(Partition& partition, const ChangeVisibility::Entry& entry);
  // Writes the event, and makes the message ready or in flight.
  void SetVisibleAt(Partition& partition, MessageSeq seq, Message& message, Instant visible_at);
  void MakeReady(Partition& partition, MessageSeq seq, Message& message);
  // kDelayed or kInFlight until message.visible_at.
  void Hide(Partition& partition, MessageSeq seq, Message& message, MessageState state);
  // Makes a message explicit, with its timer.
  void AddExplicit(Partition& partition, MessageSeq seq, const Message& message,
                   absl::string_view group);
  // Its lease has ended: a fair queue counts the time.
  void NoteConsumed(Partition& partition, const Message& message);
  // Forgets an explicit message; the caller has written the event that says why.
  void Remove(Partition& partition, MessageSeq seq, const Message& message);

  // ---- transfer.cc ----
  void Run(RequestId request, const AcceptTransfer& command);
  void Run(RequestId request, const FinishTransfer& command);
  void Run(RequestId request, const MoveWithinShard& command);
  void Run(RequestId request, const AbortTransfer& command);
  void Run(RequestId request, const ForgetTransfer& command);
  void Run(RequestId request, const TakeForRedrive& command);
  int32_t Take(Partition& partition, RequestId request, int32_t limit);
  // `redrive`: the TakeForRedrive that asks for it; unset: dead-lettering.
  void BeginMove(Partition& partition, MessageSeq seq, Message& message,
                 std::optional<RequestId> redrive);
  void FinishMove(Partition& partition, MessageSeq seq, const Message& message);
  MessageSeq Accept(const AcceptTransfer& command, std::optional<TransferId> recognise);
  void NoteEnded(const TransferId& transfer, Instant at);
  static MessageMeta MetaOf(MessageSeq seq, const Message& message);

  // ---- refill.cc ----
  void Run(RequestId request, const Refill& command);
  void Fill(Partition& partition, const Refill& command);
  void FillOne(Partition& partition, const MessageMeta& meta);
  void ContinueSweep(Partition& partition, const Refill& command);
  void EndSweep(Partition& partition, Instant oldest);
  void RequestReads(Partition& partition);
  void RequestRead(Partition& partition, Backlog::Read::Purpose purpose, MessageSeq from);
  bool IsExpired(const Partition& partition, Instant sent_at) const;
  // Null also for one that has just been found expired.
  Message* FindLive(Partition& partition, MessageSeq seq);
  void Expire(Partition& partition, MessageSeq seq, const Message& message);
  void ExpireUntouched(Partition& partition, const MessageMeta& meta);
  void Sweep(Partition& partition);
  void SweepBacklog(Partition& partition);
  // A message that was sent then has joined: sees to it that a sweep is armed early enough.
  void ArmSweep(Partition& partition, Instant sent_at);
  void ArmSweepAt(Partition& partition, Instant due);

  // ---- browse.cc ----
  BrowsePage BrowseIn(Partition& partition, MessageSeq after, size_t limit,
                      const BrowseFilter& filter) const;

  // ---- segments.cc ----
  void Run(RequestId request, const CopyForward& command);
  void CopyRow(const CopyForward& command, const CopyForward::Row& row);
  void CopyIfLive(const CopyForward& command, const CopyForward::Row& row);
  void CopyExplicit(Partition& partition, Message& message, const CopyForward::Row& row);
  void CopyUntouched(Partition& partition, const CopyForward::Row& row);
  void AppendSurvivor(Partition& partition, MessageMeta meta, const CopyForward::Row& row);
  void RecordAcceptancesAnew(SegmentNo segment);
  void RecordAcceptanceAnew(const TransferId& transfer);
  void AddLive(SegmentNo segment, int64_t change);
};

}  // namespace weir::queue::core
