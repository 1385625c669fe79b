// Moves of messages between partitions: the source's side (take, finish, abort) and the
// destination's (accept, forget).
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/queue/core/shard_impl.h"

namespace weir::queue::core {
namespace {

absl::Status NotMoving(MessageSeq seq) {
  return MakeError(ErrorReason::kConcurrentModification,
                   absl::StrCat("Message ", seq.value(), " is not being moved any more."));
}

}  // namespace

void ShardState::Impl::Run(RequestId request, const AcceptTransfer& command) {
  const auto it = acceptances.find(command.transfer);
  if (it == acceptances.end() && !ended_transfers.contains(command.transfer)) {
    if (IsDropped(command.partition)) return Reply(request, QueueWasDeleted());
    const MessageSeq seq = Accept(command, command.transfer);
    acceptances.emplace(command.transfer, Acceptance{.partition = command.partition,
                                                     .seq = seq,
                                                     .segment = active_segment,
                                                     .sent_at = ToInstant(command.sent_at)});
    AddLive(active_segment, 1);
  }
  Reply(request, TransferReply{});
}

MessageSeq ShardState::Impl::Accept(const AcceptTransfer& command,
                                    std::optional<TransferId> recognise) {
  Partition& partition = GetPartition(command.partition, command.config);
  // A FIFO queue has its messages in the order in which they came, so also their retention.
  const Message message{.sent_at = partition.fifo != nullptr ? now_ : ToInstant(command.sent_at),
                        .visible_at = now_,
                        .receive_count = command.receive_count};
  return AppendNew(partition, message, command.content, recognise);
}

void ShardState::Impl::Run(RequestId request, const FinishTransfer& command) {
  Partition* partition = FindPartition(command.partition);
  if (partition == nullptr) return Reply(request, TransferReply{});
  // After a restart it is untouched again (or gone: that cannot be told apart). It will be taken
  // again, and the destination recognises it.
  if (partition->backlog.Contains(command.seq)) return Reply(request, NotMoving(command.seq));
  // Else in whatever state a restart has put it: the destination has the message.
  const Message* message = partition->Find(command.seq);
  if (message != nullptr) FinishMove(*partition, command.seq, *message);
  Reply(request, TransferReply{});
}

void ShardState::Impl::Run(RequestId request, const MoveWithinShard& command) {
  const TransferId& transfer = command.destination.transfer;
  const MessageSeq seq = transfer.source_seq;
  Partition* source = FindPartition(command.source);
  const Message* message = source == nullptr ? nullptr : source->Find(seq);
  const bool untouched = source != nullptr && source->backlog.Contains(seq);
  if (untouched || (message != nullptr && message->state != MessageState::kMoving)) {
    return Reply(request, NotMoving(seq));
  }
  // Gone: purged or deleted meanwhile, so there is nothing left to move.
  if (message == nullptr) return Reply(request, TransferReply{});
  // One commit carries both halves, so it is never repeated and need not be recognised, unless an
  // attempt before it had two.
  if (!acceptances.contains(transfer)) {
    if (IsDropped(command.destination.partition)) return Reply(request, QueueWasDeleted());
    Accept(command.destination, std::nullopt);
  }
  FinishMove(*source, seq, *source->Find(seq));
  Reply(request, TransferReply{});
}

void ShardState::Impl::Run(RequestId request, const AbortTransfer& command) {
  Partition* partition = FindPartition(command.partition);
  Message* message = partition == nullptr ? nullptr : partition->Find(command.seq);
  if (message != nullptr && message->state == MessageState::kMoving) {
    if (message->dead_lettering && command.retry_after.has_value()) {
      message->dead_lettering = false;
      message->visible_at = now_ + *command.retry_after;
      Hide(*partition, command.seq, *message, MessageState::kInFlight);
      ArmSweep(*partition, message->sent_at);
      return Reply(request, TransferReply{});
    }
    message->refused = message->dead_lettering;
    message->dead_lettering = false;
    MakeReady(*partition, command.seq, *message);
    ArmSweep(*partition, message->sent_at);  // Messages that move are left out of sweeps.
  }
  Reply(request, TransferReply{});
}

void ShardState::Impl::Run(RequestId, const ForgetTransfer& command) {
  const auto it = acceptances.find(command.transfer);
  if (it == acceptances.end()) return;
  AppendEvent event{.log_no = TakeLogNo(),
                    .kind = EventKind::kTransferForgotten,
                    .partition = it->second.partition,
                    .seq = it->second.seq,
                    .at = ToTime(now_),
                    .visible_at = absl::InfinitePast(),
                    .transfer = command.transfer};
  out_.mutations.push_back(std::move(event));
  AddLive(it->second.segment, -1);
  acceptances.erase(it);
  NoteEnded(command.transfer, now_);
}

void ShardState::Impl::NoteEnded(const TransferId& transfer, Instant at) {
  if (ended_transfers.insert(transfer).second) ended_order.PushBack({at, transfer});
  while (ended_order.size() > 0 && ended_order.front().first + kEndedTransferKept < at) {
    ended_transfers.erase(ended_order.front().second);
    ended_order.PopFront();
  }
}

void ShardState::Impl::Run(RequestId request, const TakeForRedrive& command) {
  if (IsDropped(command.partition)) return Reply(request, QueueWasDeleted());
  Partition& partition = GetPartition(command.partition, command.config);
  partition.wants_fill = true;
  MarkDirty(partition);
  const int32_t taken = Take(partition, request, command.limit);
  if (taken > 0 || !AwaitsFill(partition)) return Reply(request, TakeReply{taken});
  Park(request, partition, {.take = true, .overdue = true, .limit = command.limit});
}

int32_t ShardState::Impl::Take(Partition& partition, RequestId request, int32_t limit) {
  if (partition.fifo != nullptr) return TakeFromGroups(partition, request, limit);
  int32_t taken = 0;
  while (taken < limit) {
    const auto [seq, message] = FrontLiveReady(partition);
    if (message == nullptr) break;
    partition.PopReady();
    BeginMove(partition, seq, *message, request);
    ++taken;
  }
  return taken;
}

void ShardState::Impl::BeginMove(Partition& partition, MessageSeq seq, Message& message,
                                 std::optional<RequestId> redrive) {
  message.dead_lettering = !redrive.has_value();
  partition.SetState(seq, message, MessageState::kMoving);
  Transfer transfer{.source = partition.id,
                    .meta = MetaOf(seq, message),
                    .redrive = redrive.value_or(RequestId())};
  if (message.dead_lettering) transfer.destination = partition.config->redrive->dead_letter;
  out_.effects.push_back(std::move(transfer));
}

void ShardState::Impl::FinishMove(Partition& partition, MessageSeq seq, const Message& message) {
  if (message.dead_lettering) ++partition.totals.dead_lettered;
  Append(EventKind::kMoved, partition, seq);
  Remove(partition, seq, message);
}

MessageMeta ShardState::Impl::MetaOf(MessageSeq seq, const Message& message) {
  MessageMeta meta{.seq = seq,
                   .segment = message.segment,
                   .sent_at = ToTime(message.sent_at),
                   .visible_at = ToTime(message.visible_at),
                   .receive_count = message.receive_count,
                   .in_flight = message.state == MessageState::kInFlight};
  if (message.first_received_at != kLongAgo) {
    meta.first_received_at = ToTime(message.first_received_at);
  }
  return meta;
}

}  // namespace weir::queue::core
