// What a receipt can do: delete, change the visibility timeout, release. And the changes of state
// that they share.
#include <utility>

#include "services/queue/core/limits.h"
#include "services/queue/core/shard_impl.h"

namespace weir::queue::core {
namespace {

bool IsTimed(const Message& message) {
  return message.state == MessageState::kInFlight || message.state == MessageState::kDelayed;
}

}  // namespace

void ShardState::Impl::Run(RequestId request, const Delete& command) {
  Partition* partition = FindPartition(command.partition);
  DeleteReply reply;
  reply.outcomes.reserve(command.receipts.size());
  ExpectRows(command.receipts.size());
  for (const Receipt& receipt : command.receipts) {
    reply.outcomes.push_back(partition == nullptr ? DeleteOutcome::kAlreadyGone
                                                  : DeleteOne(*partition, receipt));
  }
  Reply(request, std::move(reply));
}

DeleteOutcome ShardState::Impl::DeleteOne(Partition& partition, const Receipt& receipt) {
  const Message* message = FindLive(partition, receipt.seq);
  if (message == nullptr) return DeleteOutcome::kAlreadyGone;
  const bool is_newest =
      message->receive_count == receipt.receive_count && message->leased_at != kLongAgo;
  if (partition.fifo != nullptr && (!is_newest || message->state != MessageState::kInFlight)) {
    return DeleteOutcome::kReceiptExpired;
  }
  if (!is_newest) return DeleteOutcome::kStaleReceipt;
  // A message that is being moved is deleted as well: should the move be aborted, it must not come
  // back.
  Append(EventKind::kAcked, partition, receipt.seq);
  Remove(partition, receipt.seq, *message);
  ++partition.totals.deleted;
  return DeleteOutcome::kDeleted;
}

void ShardState::Impl::Run(RequestId request, const ChangeVisibility& command) {
  Partition* partition = FindPartition(command.partition);
  ChangeVisibilityReply reply;
  reply.outcomes.reserve(command.entries.size());
  for (const ChangeVisibility::Entry& entry : command.entries) {
    reply.outcomes.push_back(partition == nullptr ? ChangeVisibilityOutcome::kMessageGone
                                                  : ChangeOne(*partition, entry));
  }
  Reply(request, std::move(reply));
}

ChangeVisibilityOutcome ShardState::Impl::ChangeOne(Partition& partition,
                                                    const ChangeVisibility::Entry& entry) {
  Message* message = FindLive(partition, entry.receipt.seq);
  // Any receipt of a real receive will do, also an older or an expired one: that is SQS's rule for
  // standard queues.
  if (message == nullptr || message->state == MessageState::kMoving ||
      message->leased_at == kLongAgo || entry.receipt.receive_count > message->receive_count) {
    return ChangeVisibilityOutcome::kMessageGone;
  }
  if (partition.fifo != nullptr && entry.receipt.receive_count < message->receive_count) {
    // Another receiver has the group now, and its lease keeps the order.
    return ChangeVisibilityOutcome::kReceiptExpired;
  }
  const Instant visible_at = now_ + entry.timeout;
  if (visible_at > now_ && visible_at > message->leased_at + kMaxVisibility) {
    return ChangeVisibilityOutcome::kBeyondLimit;
  }
  SetVisibleAt(partition, entry.receipt.seq, *message, visible_at);
  return ChangeVisibilityOutcome::kChanged;
}

void ShardState::Impl::Run(RequestId, const ReleaseLease& command) {
  Partition* partition = FindPartition(command.partition);
  if (partition == nullptr) return;
  for (const Receipt& receipt : command.receipts) {
    Message* message = FindLive(*partition, receipt.seq);
    if (message == nullptr || message->state != MessageState::kInFlight ||
        message->receive_count != receipt.receive_count) {
      continue;
    }
    if (partition->fifo != nullptr && partition->fifo->groups.TakeRepeat(receipt.seq)) continue;
    SetVisibleAt(*partition, receipt.seq, *message, now_);
  }
}

void ShardState::Impl::SetVisibleAt(Partition& partition, MessageSeq seq, Message& message,
                                    Instant visible_at) {
  const bool hide = visible_at > now_;
  if (!hide && message.state == MessageState::kReady) return;  // Nothing changes.
  message.visible_at = visible_at;
  AppendEvent& event = Append(EventKind::kVisibilityChanged, partition, seq);
  event.receive_count = message.receive_count;
  event.visible_at = ToTime(visible_at);
  if (hide) {
    Hide(partition, seq, message, MessageState::kInFlight);
  } else {
    MakeReady(partition, seq, message);
  }
}

void ShardState::Impl::MakeReady(Partition& partition, MessageSeq seq, Message& message) {
  if (IsTimed(message)) --timed_messages;
  if (message.state == MessageState::kInFlight) NoteConsumed(partition, message);
  partition.SetState(seq, message, MessageState::kReady);
  MarkDirty(partition);
}

void ShardState::Impl::NoteConsumed(Partition& partition, const Message& message) {
  if (partition.fair == nullptr || message.leased_at == kLongAgo) return;
  partition.fair->NoteConsumed(message.grouped ? &message.place : nullptr,
                               absl::Microseconds(now_.micros - message.leased_at.micros), now_);
}

void ShardState::Impl::Hide(Partition& partition, MessageSeq seq, Message& message,
                            MessageState state) {
  if (!IsTimed(message)) ++timed_messages;
  partition.SetState(seq, message, state);
  timers.Push({message.visible_at, TimerKind::kMessage, seq.value(), &partition});
  MarkDirty(partition);  // It may have stood before what a waiter waits for.
}

void ShardState::Impl::AddExplicit(Partition& partition, MessageSeq seq, const Message& message,
                                   absl::string_view group) {
  partition.Add(seq, message, group);
  if (IsTimed(message)) {
    ++timed_messages;
    timers.Push({message.visible_at, TimerKind::kMessage, seq.value(), &partition});
  } else {
    MarkDirty(partition);
  }
}

void ShardState::Impl::Remove(Partition& partition, MessageSeq seq, const Message& message) {
  if (IsTimed(message)) --timed_messages;
  if (message.state == MessageState::kInFlight) NoteConsumed(partition, message);
  AddLive(message.segment, -1);
  partition.Remove(seq, now_);
  MarkDirty(partition);  // A message less in flight may be what a waiter waits for.
}

}  // namespace weir::queue::core
