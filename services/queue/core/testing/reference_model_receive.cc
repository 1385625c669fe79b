// The part of the reference model about receives, and what must follow every decision.
#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/queue/core/testing/reference_model.h"

namespace weir::queue::core::testing {

// ---- Receives -----------------------------------------------------------------------------------

void ReferenceModel::AnswerWaiter(RequestId request, const Waiter& waiter, const Reply& reply) {
  if (const auto* status = std::get_if<absl::Status>(&reply)) return CheckStatus(waiter, *status);
  if (waiter.take) {
    taken_[request] = std::get<TakeReply>(reply).taken;
    if (taken_[request] > waiter.limit) Fail("more was taken than asked for");
    return;
  }
  AnswerReceive(waiter, std::get<ReceiveReply>(reply));
}

void ReferenceModel::AnswerReceive(const Waiter& waiter, const ReceiveReply& reply) {
  Partition& partition = PartitionOf(waiter.partition);
  if (reply.partition != waiter.partition) Fail("a receive was answered for another partition");
  if (static_cast<int32_t>(reply.messages.size()) > waiter.limit) Fail("too many messages");
  if (waiter.only_repeat) {
    if (FindAttempt(partition, waiter) != nullptr) return CheckRepeated(partition, waiter, reply);
    if (!reply.messages.empty()) Fail("a receive that only repeats gets something new");
    return;
  }
  if (reply.messages.empty() && waiter.until > now_) Fail("a receive gave up before its time");
  if (FindAttempt(partition, waiter) != nullptr && !reply.messages.empty()) {
    return CheckRepeated(partition, waiter, reply);
  }
  std::set<MessageSeq> once;
  std::set<std::string> groups;
  std::string group;
  for (const ReceivedMessage& message : reply.messages) {
    if (IsFifo(partition) && partition.messages.contains(message.seq)) {
      CheckGroup(partition, message.seq, once);
      const std::string& next = partition.messages.at(message.seq).content->message_group_id;
      if (next != group && !groups.insert(next).second) Fail("a receive goes back to a group");
      group = next;
    }
    if (!once.insert(message.seq).second) Fail("one receive gives a message twice");
    received_.insert(message.seq);
    // Checked one after the other, but a message that stays visible must not count as withheld from
    // the same receive.
    CheckReceived(partition, waiter, message);
  }
  if (!waiter.attempt_id.empty() && IsFifo(partition) && !reply.messages.empty()) {
    attempts_[{waiter.partition, waiter.attempt_id}] = {now_ + kDeduplicationWindow,
                                                        reply.messages};
  }
  if (static_cast<int32_t>(reply.messages.size()) < waiter.limit) {
    not_filled_.push_back(waiter.partition);
  }
}

const ReferenceModel::Attempt* ReferenceModel::FindAttempt(const Partition& partition,
                                                           const Waiter& waiter) const {
  const auto it = attempts_.find({waiter.partition, waiter.attempt_id});
  if (it == attempts_.end() || waiter.attempt_id.empty() || it->second.until <= now_ ||
      static_cast<int32_t>(it->second.got.size()) > waiter.limit) {
    return nullptr;
  }
  for (const ReceivedMessage& got : it->second.got) {
    const auto found = partition.messages.find(got.seq);
    if (found == partition.messages.end()) return nullptr;
    const Message& message = found->second;
    if (message.state != State::kInFlight || message.receive_count != got.receive_count ||
        message.visible_at != got.visible_at || IsExpired(partition, message)) {
      return nullptr;
    }
  }
  return &it->second;
}

void ReferenceModel::CheckRepeated(Partition& partition, const Waiter& waiter,
                                   const ReceiveReply& reply) {
  Attempt& attempt = attempts_.at({waiter.partition, waiter.attempt_id});
  if (reply.messages.size() != attempt.got.size()) {
    return Fail("a repeated attempt gets another number of messages");
  }
  const absl::Duration timeout =
      waiter.visibility_timeout.value_or(partition.config->visibility_timeout);
  for (size_t i = 0; i < attempt.got.size(); ++i) {
    const ReceivedMessage& received = reply.messages[i];
    Message& message = partition.messages.at(attempt.got[i].seq);
    message.visible_at = std::min(now_ + timeout, *message.leased_at + kMaxVisibility);
    message.repeats = message.visible_at > now_ ? message.repeats + 1 : 0;
    if (message.visible_at <= now_) message.state = State::kReady;
    if (received.seq != attempt.got[i].seq || received.receive_count != message.receive_count ||
        received.visible_at != message.visible_at || received.sent_at != message.sent_at) {
      Fail("a repeated attempt gets something else");
    }
    received_.insert(received.seq);
  }
  attempt.got = reply.messages;
}

void ReferenceModel::CheckGroup(const Partition& partition, MessageSeq seq,
                                const std::set<MessageSeq>& before) {
  const std::string& group = partition.messages.at(seq).content->message_group_id;
  for (const auto& [other_seq, other] : partition.messages) {
    if (other_seq >= seq) return;
    if (other.content->message_group_id != group || before.contains(other_seq)) continue;
    if (!IsExpired(partition, other)) {
      Fail(absl::StrCat("message ", seq.value(), " passes ", other_seq.value(), " of its group"));
    }
  }
}

bool ReferenceModel::IsDeliverable(const Partition& partition, MessageSeq seq,
                                   const Message& message) const {
  if (message.state != State::kReady || IsExpired(partition, message)) return false;
  if (!IsFifo(partition)) return true;
  for (const auto& [other_seq, other] : partition.messages) {
    if (other_seq >= seq) break;
    if (other.content->message_group_id != message.content->message_group_id) continue;
    if (other.state != State::kReady || received_.contains(other_seq)) return false;
  }
  return true;
}

bool ReferenceModel::MayBeWithheld(const Partition& partition) const {
  if (Count(partition, State::kInFlight) >= limits_.max_in_flight) return true;
  // Only so many of blocked groups are searched for others.
  if (IsFifo(partition) &&
      Count(partition, State::kReady) >= static_cast<int64_t>(limits_.max_searched)) {
    return true;
  }
  return Count(partition, State::kMoving) >= limits_.max_moving && AnyMustDeadLetter(partition);
}

void ReferenceModel::CheckReceived(Partition& partition, const Waiter& waiter,
                                   const ReceivedMessage& received) {
  const auto it = partition.messages.find(received.seq);
  if (it == partition.messages.end()) return Fail("a message that is gone was received");
  Message& message = it->second;
  const std::string name = absl::StrCat("message ", received.seq.value());
  if (message.state != State::kReady) Fail(name + " was received while it was not visible");
  if (IsExpired(partition, message)) Fail(name + " was received after its retention");
  if (MustDeadLetter(partition, message)) Fail(name + " was received once too often");
  if (Count(partition, State::kInFlight) >= limits_.max_in_flight) Fail(name + " over the limit");
  CheckOrder(partition, received);
  if (!message.first_received_at.has_value()) message.first_received_at = now_;
  message.leased_at = now_;
  message.refused = false;
  const absl::Duration timeout =
      waiter.visibility_timeout.value_or(partition.config->visibility_timeout);
  message.visible_at = now_ + timeout;
  if (timeout > absl::ZeroDuration()) message.state = State::kInFlight;
  ++partition.totals.received;
  if (received.receive_count != ++message.receive_count) Fail(name + " has a wrong receive count");
  if (received.sent_at != message.sent_at) Fail(name + " has a wrong sent_at");
  if (received.first_received_at != *message.first_received_at) {
    Fail(name + " has a wrong first_received_at");
  }
  if (received.visible_at != message.visible_at) Fail(name + " has a wrong visible_at");
  if (received.content != nullptr && received.content != message.content) {
    Fail(name + " has another message's content");
  }
}

void ReferenceModel::CheckOrder(const Partition& partition, const ReceivedMessage& received) {
  const Message& message = partition.messages.at(received.seq);
  if (!message.in_order || message.first_received_at.has_value()) return;
  if (partition.has_groups || IsFifo(partition)) return;  // They take turns.
  // Effects are told after the replies, but a take may have come before this receive.
  std::set<MessageSeq> moved;
  for (const Effect& effect : decision_->effects) {
    if (const auto* transfer = std::get_if<Transfer>(&effect)) moved.insert(transfer->meta.seq);
  }
  for (const auto& [seq, other] : partition.messages) {
    if (seq >= received.seq) return;
    if (other.in_order && !other.first_received_at.has_value() && other.state == State::kReady &&
        !moved.contains(seq) && !IsExpired(partition, other) && !MustDeadLetter(partition, other)) {
      return Fail(absl::StrCat("message ", received.seq.value(), " came before ", seq.value()));
    }
  }
}

void ReferenceModel::CheckStatus(const Waiter& waiter, const absl::Status& status) {
  const Partition& partition = PartitionOf(waiter.partition);
  switch (ReasonOf(status)) {
    case ErrorReason::kOverLimit:
      if (IsFifo(partition)) Fail("a FIFO queue answers OVER_LIMIT");
      if (Count(partition, State::kInFlight) < limits_.max_in_flight) Fail("no limit is reached");
      return;
    case ErrorReason::kOverloaded:
      if (PartitionStatsOf(waiter.partition).waiting_receives <
          static_cast<int64_t>(limits_.max_waiters)) {
        Fail("there is room for a waiter");
      }
      return;
    case ErrorReason::kQueueDoesNotExist:
      if (!dropping_ && !dropped_.contains(waiter.partition)) Fail("the queue exists");
      return;
    default:
      Fail(absl::StrCat("unexpected status ", status.ToString()));
  }
}

// ---- What follows -------------------------------------------------------------------------------

void ReferenceModel::CheckEffects(const Decision& decision) {
  for (const Effect& effect : decision.effects) {
    if (const auto* need = std::get_if<NeedRefill>(&effect)) {
      Partition& partition = PartitionOf(need->partition);
      if (partition.reading) Fail("two reads of one partition are outstanding");
      partition.reading = need->from;
    } else {
      CheckTransfer(std::get<Transfer>(effect));
    }
  }
  for (const auto& [request, left] : taken_) {
    if (left != 0) Fail("a take does not say how many it took");
  }
}

void ReferenceModel::CheckTransfer(const Transfer& transfer) {
  Message* message = Find(transfer.source, transfer.meta.seq);
  const std::string name = absl::StrCat("message ", transfer.meta.seq.value());
  if (message == nullptr) return Fail(name + " is moved but gone");
  const Partition& partition = PartitionOf(transfer.source);
  if (message->state != State::kReady) Fail(name + " is moved while it is not visible");
  if (IsExpired(partition, *message)) Fail(name + " is moved after its retention");
  if (transfer.meta.receive_count != message->receive_count ||
      transfer.meta.sent_at != message->sent_at) {
    Fail(name + " is moved with wrong facts");
  }
  message->dead_lettering = transfer.destination.has_value();
  if (message->dead_lettering && Count(partition, State::kMoving) >= limits_.max_moving) {
    Fail(name + " is dead-lettered while too many are");
  }
  if (!message->dead_lettering) {
    --taken_[transfer.redrive];
  } else if (!MustDeadLetter(partition, *message)) {
    Fail(name + " is dead-lettered too early");
  }
  message->state = State::kMoving;
}

void ReferenceModel::ApplyExpiries(std::vector<const AppendEvent*>& expiries) {
  std::erase_if(expiries, [this](const AppendEvent* event) {
    Partition& partition = PartitionOf(event->partition);
    const Message* message = Find(event->partition, event->seq);
    if (message == nullptr || !IsExpired(partition, *message)) return false;
    partition.messages.erase(event->seq);
    ++partition.totals.expired;
    return true;
  });
}

void ReferenceModel::CheckNothingWithheld(const Partition& partition) {
  if (partition.reading || MayBeWithheld(partition)) return;
  for (const auto& [seq, message] : partition.messages) {
    if (IsDeliverable(partition, seq, message) && !received_.contains(seq)) {
      Fail(absl::StrCat("message ", seq.value(), " was withheld"));
    }
  }
}

void ReferenceModel::CheckNobodyIsForgotten() {
  for (const auto& [request, waiter] : waiters_) {
    const Partition& partition = PartitionOf(waiter.partition);
    if (partition.reading) continue;
    const std::string name = absl::StrCat("request ", request.value());
    if (waiter.take || waiter.until <= now_) Fail(name + " waits for nothing");
    if (MayBeWithheld(partition)) continue;
    for (const auto& [seq, message] : partition.messages) {
      if (IsDeliverable(partition, seq, message)) {
        Fail(absl::StrCat(name, " waits although ", seq.value(), " is ready"));
      }
    }
  }
}

PartitionStats ReferenceModel::PartitionStatsOf(PartitionId id) const {
  const auto it = partitions_.find(id);
  if (it == partitions_.end()) return {};
  const Partition& partition = it->second;
  PartitionStats stats = partition.totals;
  stats.ready = Count(partition, State::kReady);
  stats.delayed = Count(partition, State::kDelayed);
  stats.in_flight = Count(partition, State::kInFlight) + Count(partition, State::kMoving);
  for (const auto& [request, waiter] : waiters_) {
    if (waiter.partition == id) ++stats.waiting_receives;
  }
  if (IsFifo(partition)) {
    std::set<std::string> hidden;
    for (const auto& [seq, message] : partition.messages) {
      const std::string& group = message.content->message_group_id;
      if (message.state != State::kReady) hidden.insert(group);
      if (message.state == State::kReady && hidden.contains(group)) ++stats.blocked;
    }
  }
  for (const auto& [seq, message] : partition.messages) {
    stats.oldest_sent_at =
        std::min(stats.oldest_sent_at.value_or(message.sent_at), message.sent_at);
  }
  return stats;
}

void ReferenceModel::CheckStats(const ShardState& state) {
  for (const auto& [id, partition] : partitions_) {
    const PartitionStats actual = state.Stats(id);
    const PartitionStats expected = PartitionStatsOf(id);
    const auto compare = [&, id = id](absl::string_view name, int64_t got, int64_t want) {
      if (got != want) {
        Fail(absl::StrCat("partition ", id.value(), " ", name, ": ", got, " instead of ", want));
      }
    };
    compare("ready", actual.ready, expected.ready);
    compare("in flight", actual.in_flight, expected.in_flight);
    compare("delayed", actual.delayed, expected.delayed);
    compare("waiting", actual.waiting_receives, expected.waiting_receives);
    compare("sent", actual.sent, expected.sent);
    compare("received", actual.received, expected.received);
    compare("deleted", actual.deleted, expected.deleted);
    compare("dead-lettered", actual.dead_lettered, expected.dead_lettered);
    compare("expired", actual.expired, expected.expired);
    if (actual.blocked > expected.blocked) {
      Fail(absl::StrCat("partition ", id.value(), " has ", actual.blocked, " blocked messages"));
    }
    if (actual.oldest_sent_at.has_value() != expected.oldest_sent_at.has_value() ||
        actual.oldest_sent_at > expected.oldest_sent_at) {
      Fail(absl::StrCat("partition ", id.value(), " has a wrong oldest message"));
    }
  }
}

}  // namespace weir::queue::core::testing
