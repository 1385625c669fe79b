// Receive and redrive from a FIFO queue: whole groups at a time, each in its order.
#include <algorithm>
#include <utility>

#include "services/queue/core/limits.h"
#include "services/queue/core/shard_impl.h"

namespace weir::queue::core {

std::vector<ReceivedMessage> ShardState::Impl::LeaseGroups(Partition& partition,
                                                           const Waiter& waiter) {
  std::vector<ReceivedMessage> received = RepeatAttempt(partition, waiter);
  if (!received.empty()) return received;
  // Only those that stand in the order now: a group from which nothing is hidden (a visibility
  // timeout of 0) goes to the back, and one receive gives a message once.
  std::vector<GroupNo> served;
  while (static_cast<int32_t>(received.size()) < waiter.limit &&
         partition.in_flight() < limits.max_in_flight) {
    const std::optional<GroupNo> group = partition.fifo->groups.TakeTurn();
    if (!group.has_value()) break;
    served.push_back(*group);
    if (!LeaseGroup(partition, *group, waiter, received)) break;
  }
  for (const GroupNo group : served) partition.fifo->groups.EndTurn(group);
  RememberAttempt(partition, waiter, received);
  return received;
}

bool ShardState::Impl::LeaseGroup(Partition& partition, GroupNo group, const Waiter& waiter,
                                  std::vector<ReceivedMessage>& received) {
  const absl::Duration timeout =
      waiter.visibility_timeout.value_or(partition.config->visibility_timeout);
  MessageSeq after;
  while (static_cast<int32_t>(received.size()) < waiter.limit &&
         partition.in_flight() < limits.max_in_flight) {
    const MessageSeq seq = partition.fifo->groups.NextReady(group, after);
    if (seq == MessageSeq()) return true;
    Message& message = *partition.Find(seq);
    if (IsExpired(partition, message.sent_at)) {
      Expire(partition, seq, message);
      continue;
    }
    if (MustDeadLetter(partition, message)) {
      if (partition.moving() >= limits.max_moving) return false;
      BeginMove(partition, seq, message, std::nullopt);
      return true;  // Those behind it wait until it has moved: it may come back.
    }
    received.push_back(Lease(partition, seq, message, timeout, waiter.consumer));
    after = seq;
  }
  return true;
}

int32_t ShardState::Impl::TakeFromGroups(Partition& partition, RequestId request, int32_t limit) {
  FifoGroups& groups = partition.fifo->groups;
  int32_t taken = 0;
  while (taken < limit) {
    const std::optional<GroupNo> group = groups.TakeTurn();
    if (!group.has_value()) break;
    // One of each group: the next may go only when it has arrived, so that they arrive in order.
    while (true) {
      const MessageSeq seq = groups.NextReady(*group, MessageSeq());
      if (seq == MessageSeq()) break;
      Message& message = *partition.Find(seq);
      if (IsExpired(partition, message.sent_at)) {
        Expire(partition, seq, message);
        continue;
      }
      BeginMove(partition, seq, message, request);
      ++taken;
      break;
    }
    groups.EndTurn(*group);
  }
  return taken;
}

std::vector<ReceivedMessage> ShardState::Impl::RepeatAttempt(Partition& partition,
                                                             const Waiter& waiter) {
  if (waiter.attempt_id.empty() || partition.fifo->attempts == nullptr) return {};
  std::vector<Attempts::Got>* got = partition.fifo->attempts->Find(waiter.attempt_id, now_);
  if (got == nullptr || static_cast<int32_t>(got->size()) > waiter.limit) return {};
  for (const Attempts::Got& one : *got) {
    const Message* message = partition.Find(one.seq);
    if (message == nullptr || message->state != MessageState::kInFlight ||
        message->receive_count != one.receive_count || message->visible_at != one.visible_at ||
        IsExpired(partition, message->sent_at)) {
      return {};
    }
  }
  const absl::Duration timeout =
      waiter.visibility_timeout.value_or(partition.config->visibility_timeout);
  std::vector<ReceivedMessage> received;
  for (Attempts::Got& one : *got) {
    Message& message = *partition.Find(one.seq);
    one.visible_at = std::min(now_ + timeout, message.leased_at + kMaxVisibility);
    SetVisibleAt(partition, one.seq, message, one.visible_at);
    if (one.visible_at > now_) partition.fifo->groups.NoteRepeat(one.seq);
    received.push_back({.seq = one.seq,
                        .receive_count = message.receive_count,
                        .sent_at = ToTime(message.sent_at),
                        .first_received_at = ToTime(message.first_received_at),
                        .visible_at = ToTime(message.visible_at)});
  }
  return received;
}

void ShardState::Impl::RememberAttempt(Partition& partition, const Waiter& waiter,
                                       const std::vector<ReceivedMessage>& received) {
  if (waiter.attempt_id.empty() || received.empty()) return;
  std::vector<Attempts::Got> got;
  got.reserve(received.size());
  for (const ReceivedMessage& message : received) {
    got.push_back({message.seq, message.receive_count, ToInstant(message.visible_at)});
  }
  std::unique_ptr<Attempts>& attempts = partition.fifo->attempts;
  if (attempts == nullptr) attempts = std::make_unique<Attempts>();
  attempts->Remember(waiter.attempt_id, std::move(got), now_);
}

void ShardState::Impl::RetimeDelayed(Partition& partition) {
  std::vector<MessageSeq> delayed;
  for (const auto& [seq, message] : partition.messages()) {
    if (message.state == MessageState::kDelayed) delayed.push_back(seq);
  }
  std::sort(delayed.begin(), delayed.end());  // The table's order is not ours.
  for (const MessageSeq seq : delayed) {
    Message& message = *partition.Find(seq);
    message.visible_at = std::max(now_, message.sent_at + partition.config->delay);
    AppendEvent& event = Append(EventKind::kVisibilityChanged, partition, seq);
    event.receive_count = message.receive_count;
    event.visible_at = ToTime(message.visible_at);
    if (message.visible_at > now_) {
      Hide(partition, seq, message, MessageState::kDelayed);
    } else {
      MakeReady(partition, seq, message);
    }
  }
}

}  // namespace weir::queue::core
