// Receive: leases of ready messages, parked receives, dead-lettering at the receive.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/queue/core/shard_impl.h"

namespace weir::queue::core {
namespace {

absl::Status OverLimit(int64_t limit) {
  return MakeError(ErrorReason::kOverLimit,
                   absl::StrCat("The queue has ", limit,
                                " messages in flight, which is the limit; delete some first."));
}

absl::Status TooManyWaiters(size_t limit) {
  return MakeError(ErrorReason::kOverloaded,
                   absl::StrCat("The queue has ", limit,
                                " waiting receives, which is the limit; try again later."));
}

}  // namespace

void ShardState::Impl::Run(RequestId request, const Receive& command) {
  if (IsDropped(command.partition)) return Reply(request, QueueWasDeleted());
  Partition& partition = GetPartition(command.partition, command.config);
  if (partition.in_flight() >= limits.max_in_flight && partition.fifo == nullptr) {
    return Reply(request, OverLimit(limits.max_in_flight));
  }
  partition.wants_fill = true;
  MarkDirty(partition);
  Waiter waiter{.limit = command.max_messages,
                .visibility_timeout = command.visibility_timeout,
                .until = ToInstant(command.wait_until),
                .consumer = command.consumer,
                .attempt_id = command.attempt_id};
  if (command.only_repeat) {
    ReceiveReply repeated{.partition = partition.id, .messages = {}};
    if (partition.fifo != nullptr) repeated.messages = RepeatAttempt(partition, waiter);
    return Reply(request, std::move(repeated));
  }
  waiter.overdue = waiter.until <= now_;
  std::vector<ReceivedMessage> messages = LeaseReady(partition, waiter);
  if (!messages.empty() || (waiter.overdue && !AwaitsFill(partition))) {
    return Reply(request, ReceiveReply{partition.id, std::move(messages)});
  }
  if (static_cast<size_t>(partition.waiting) >= limits.max_waiters) {
    return Reply(request, TooManyWaiters(limits.max_waiters));
  }
  Park(request, partition, std::move(waiter));
}

void ShardState::Impl::Run(RequestId, const CancelReceive& command) {
  const auto it = waiters.find(command.request);
  if (it != waiters.end()) Unpark(command.request, it->second);
}

std::vector<ReceivedMessage> ShardState::Impl::LeaseReady(Partition& partition,
                                                          const Waiter& waiter) {
  if (partition.fifo != nullptr) return LeaseGroups(partition, waiter);
  partition.ReleaseQuiet(now_);
  std::vector<ReceivedMessage> received;
  std::vector<std::pair<MessageSeq, Message*>>
      still_ready;  // received with a visibility timeout of 0
  const absl::Duration timeout =
      waiter.visibility_timeout.value_or(partition.config->visibility_timeout);
  const int64_t expected = std::min<int64_t>(waiter.limit, partition.ready());
  received.reserve(static_cast<size_t>(expected));
  ExpectRows(static_cast<size_t>(expected));
  while (static_cast<int32_t>(received.size()) < waiter.limit &&
         partition.in_flight() < limits.max_in_flight) {
    const auto [seq, message] = FrontLiveReady(partition);
    if (message == nullptr) break;
    if (MustDeadLetter(partition, *message)) {
      // Those behind it wait for their turn, too: the end of a move serves the parked receives.
      if (partition.moving() >= limits.max_moving) break;
      partition.PopReady();
      BeginMove(partition, seq, *message, std::nullopt);
      continue;
    }
    partition.PopReady();
    received.push_back(Lease(partition, seq, *message, timeout, waiter.consumer));
    if (message->state == MessageState::kReady) still_ready.emplace_back(seq, message);
  }
  // Only now, so that one receive gives a message once.
  for (const auto& [seq, message] : still_ready) MakeReady(partition, seq, *message);
  return received;
}

ReceivedMessage ShardState::Impl::Lease(Partition& partition, MessageSeq seq, Message& message,
                                        absl::Duration visibility_timeout,
                                        const std::string& consumer) {
  ++message.receive_count;
  ++partition.totals.received;
  message.leased_at = now_;
  message.refused = false;
  if (message.first_received_at == kLongAgo) message.first_received_at = now_;
  message.visible_at = now_ + visibility_timeout;
  const bool hidden = message.visible_at > now_;
  if (hidden) Hide(partition, seq, message, MessageState::kInFlight);
  ReceivedMessage received{.seq = seq,
                           .receive_count = message.receive_count,
                           .sent_at = ToTime(message.sent_at),
                           .first_received_at = ToTime(message.first_received_at),
                           .visible_at = ToTime(message.visible_at)};
  if (AppendMessage* row = FreshRow(seq)) {
    // Hand-off: the message's own row carries the lease, so it costs no event.
    row->meta.receive_count = message.receive_count;
    row->meta.first_received_at = received.first_received_at;
    row->meta.visible_at = received.visible_at;
    row->meta.in_flight = hidden;
    row->keep_content = true;
    row->consumer = consumer;
    received.content = row->content;
  } else {
    AppendEvent& event = Append(EventKind::kLeased, partition, seq);
    event.receive_count = message.receive_count;
    event.visible_at = received.visible_at;
    event.consumer = consumer;
  }
  if (partition.fifo != nullptr && hidden) partition.fifo->groups.NoteConsumer(seq, consumer);
  return received;
}

std::pair<MessageSeq, Message*> ShardState::Impl::FrontLiveReady(Partition& partition) {
  while (true) {
    const auto [seq, message] = partition.FrontReady(now_);
    if (message == nullptr || !IsExpired(partition, message->sent_at)) return {seq, message};
    Expire(partition, seq, *message);
  }
}

bool ShardState::Impl::MustDeadLetter(const Partition& partition, const Message& message) const {
  const auto& redrive = partition.config->redrive;
  return redrive.has_value() && message.receive_count >= redrive->max_receive_count &&
         !message.refused;
}

bool ShardState::Impl::AwaitsFill(const Partition& partition) const {
  if (partition.HasReceivable() || partition.backlog.empty()) return false;
  return partition.fifo == nullptr || !partition.IsSearchedThrough();
}

void ShardState::Impl::Park(RequestId request, Partition& partition, Waiter waiter) {
  waiter.partition = &partition;
  ++partition.waiting;
  if (waiter.overdue) {
    ++partition.overdue;
  } else {
    timers.Push({waiter.until, TimerKind::kWaiter, request.value(), &partition});
  }
  partition.waiters.PushBack(request);
  waiters.emplace(request, std::move(waiter));
}

void ShardState::Impl::Unpark(RequestId request, const Waiter& waiter) {
  Partition& partition = *waiter.partition;
  --partition.waiting;
  if (waiter.overdue) --partition.overdue;
  waiters.erase(request);
  if (partition.waiters.size() > 2 * static_cast<size_t>(partition.waiting) + 64) {
    partition.waiters.RemoveIf([this](RequestId id) { return !waiters.contains(id); });
  }
}

void ShardState::Impl::ServeWaiters(Partition& partition) {
  while (partition.waiting > 0 && partition.HasReceivable()) {
    const RequestId request = partition.waiters.front();
    const auto it = waiters.find(request);
    if (it == waiters.end()) {
      partition.waiters.PopFront();
      continue;
    }
    const Waiter waiter = it->second;
    partition.wants_fill = true;
    if (waiter.take) {
      const int32_t taken = Take(partition, request, waiter.limit);
      if (taken == 0) continue;  // All ready ones had expired.
      Reply(request, TakeReply{taken});
    } else {
      std::vector<ReceivedMessage> messages = LeaseReady(partition, waiter);
      if (messages.empty()) {
        if (partition.HasReceivable()) return;  // A limit is reached, of messages in flight or moving.
        continue;
      }
      Reply(request, ReceiveReply{partition.id, std::move(messages)});
    }
    partition.waiters.PopFront();
    Unpark(request, waiter);
  }
}

void ShardState::Impl::AnswerOverdue(Partition& partition) {
  std::vector<RequestId> overdue;
  for (const RequestId request : partition.waiters) {
    const auto it = waiters.find(request);
    if (it != waiters.end() && it->second.overdue) overdue.push_back(request);
  }
  for (const RequestId request : overdue) {
    const Waiter waiter = waiters.at(request);
    Unpark(request, waiter);
    if (waiter.take) {
      Reply(request, TakeReply{Take(partition, request, waiter.limit)});
    } else {
      Reply(request, ReceiveReply{partition.id, {}});
    }
  }
}

}  // namespace weir::queue::core
