#include "services/queue/core/testing/reference_model.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace weir::queue::core::testing {
namespace {

const AppendMessage* OnlyAppended(const Decision& decision) {
  for (const Mutation& row : decision.mutations) {
    if (const auto* message = std::get_if<AppendMessage>(&row)) return message;
  }
  return nullptr;
}

std::vector<const AppendEvent*> ExpiriesOf(const Decision& decision) {
  std::vector<const AppendEvent*> expiries;
  for (const Mutation& row : decision.mutations) {
    const auto* event = std::get_if<AppendEvent>(&row);
    if (event != nullptr && event->kind == EventKind::kExpired) expiries.push_back(event);
  }
  return expiries;
}

bool IsReceiveOrTake(const Command& command) {
  return std::holds_alternative<Receive>(command) ||
         std::holds_alternative<TakeForRedrive>(command);
}

ReferenceModel::Waiter WaiterOf(const Command& command) {
  if (const auto* receive = std::get_if<Receive>(&command)) {
    return {.partition = receive->partition,
            .limit = receive->max_messages,
            .visibility_timeout = receive->visibility_timeout,
            .until = receive->wait_until,
            .attempt_id = receive->attempt_id,
            .only_repeat = receive->only_repeat};
  }
  const auto& take = std::get<TakeForRedrive>(command);
  return {.partition = take.partition,
          .take = true,
          .limit = take.limit,
          .until = absl::InfinitePast()};
}

std::string KeyOf(const QueueConfig& config, const MessageContent& content) {
  if (config.deduplication_scope == DeduplicationScope::kQueue) return content.deduplication_id;
  return absl::StrCat(content.message_group_id, " ", content.deduplication_id);
}

}  // namespace

// ---- The frame ----------------------------------------------------------------------------------

void ReferenceModel::Check(RequestId request, const Command& command, const Decision& decision,
                           absl::Time now) {
  now_ = now;
  decision_ = &decision;
  dropping_ = std::holds_alternative<DropPartition>(command);
  taken_.clear();
  received_.clear();
  not_filled_.clear();
  MakeDue();
  Before(command, decision);
  std::vector<const AppendEvent*> expiries = ExpiriesOf(decision);
  ApplyExpiries(expiries);
  for (const auto& [id, reply] : decision.replies) {
    if (id == request && IsReceiveOrTake(command)) {
      AnswerWaiter(id, WaiterOf(command), reply);
    } else if (id == request) {
      Answer(id, command, reply);
    } else if (const auto it = waiters_.find(id); it != waiters_.end()) {
      const Waiter waiter = it->second;
      waiters_.erase(it);
      AnswerWaiter(id, waiter, reply);
    } else {
      Fail(absl::StrCat("request ", id.value(), " is answered but does not wait"));
    }
  }
  ApplyExpiries(expiries);
  for (const AppendEvent* event : expiries) {
    Fail(absl::StrCat("message ", event->seq.value(), " has expired before its time"));
  }
  if (std::holds_alternative<CopyForward>(command)) NoteSurvivors(decision);
  After(request, command, decision);
}

void ReferenceModel::Before(const Command& command, const Decision& decision) {
  if (const auto* send = std::get_if<Send>(&command)) Adopt(send->partition, send->config);
  if (const auto* receive = std::get_if<Receive>(&command)) {
    Adopt(receive->partition, receive->config);
  }
  if (const auto* take = std::get_if<TakeForRedrive>(&command))
    Adopt(take->partition, take->config);
  if (const auto* configure = std::get_if<Configure>(&command)) {
    Adopt(configure->partition, configure->config);
  }
  if (const auto* cancel = std::get_if<CancelReceive>(&command)) waiters_.erase(cancel->request);
  if (const auto* release = std::get_if<ReleaseLease>(&command)) {
    for (const Receipt& receipt : release->receipts) {
      Message* message = Find(release->partition, receipt.seq);
      if (message != nullptr && message->state == State::kInFlight &&
          message->receive_count == receipt.receive_count &&
          !IsExpired(PartitionOf(release->partition), *message)) {
        if (message->repeats > 0) {
          --message->repeats;
          continue;
        }
        message->state = State::kReady;
        message->visible_at = now_;
        message->paused = false;
      }
    }
  }
  if (const auto* refill = std::get_if<Refill>(&command)) NoteAnswered(*refill);
  if (const auto* forget = std::get_if<ForgetTransfer>(&command)) accepted_.erase(forget->transfer);
  if (const auto* accept = std::get_if<AcceptTransfer>(&command)) {
    AnswerAccept(*accept, decision, /*recognise=*/true);
  }
}

void ReferenceModel::After(RequestId request, const Command& command, const Decision& decision) {
  if (IsReceiveOrTake(command)) Park(request, command, decision);
  CheckEffects(decision);
  // A read may bring fewer messages than the receives that wait for it could take.
  if (!std::holds_alternative<Refill>(command)) {
    for (const PartitionId id : not_filled_) CheckNothingWithheld(PartitionOf(id));
  }
  CheckNobodyIsForgotten();
  if (const auto* drop = std::get_if<DropPartition>(&command)) {
    partitions_.erase(drop->partition);
    ForgetIds(drop->partition);
    dropped_.insert(drop->partition);
  }
}

void ReferenceModel::MakeDue() {
  for (auto& [id, partition] : partitions_) {
    for (auto& [seq, message] : partition.messages) {
      const bool hidden = message.state == State::kDelayed || message.state == State::kInFlight;
      if (!hidden || message.visible_at > now_) continue;
      message.state = State::kReady;
      message.paused = false;
      message.repeats = 0;
    }
  }
}

void ReferenceModel::Crash(absl::Time now) {
  now_ = now;
  waiters_.clear();
  dropped_.clear();
  attempts_.clear();
  for (auto& [id, partition] : partitions_) {
    partition.config = nullptr;
    partition.reading.reset();
    partition.totals = {};
    for (auto& [seq, message] : partition.messages) {
      message.refused = false;
      message.repeats = 0;
      message.dead_lettering = false;
      if (std::exchange(message.paused, false)) message.state = State::kReady;
      // Never received here: its row cannot tell a pause from a delay.
      if (message.state == State::kInFlight && !message.leased_at.has_value()) {
        message.state = State::kDelayed;
      }
      if (message.state != State::kMoving) continue;
      message.state = State::kReady;
      message.in_order = false;
    }
  }
  MakeDue();
}

// ---- Helpers ------------------------------------------------------------------------------------

void ReferenceModel::Fail(const std::string& sentence) { violations_.push_back(sentence); }

ReferenceModel::Message* ReferenceModel::Find(PartitionId id, MessageSeq seq) {
  Partition& partition = PartitionOf(id);
  const auto it = partition.messages.find(seq);
  return it == partition.messages.end() ? nullptr : &it->second;
}

void ReferenceModel::Adopt(PartitionId id, const ConfigPtr& config) {
  if (dropped_.contains(id)) return;
  Partition& partition = PartitionOf(id);
  if (partition.config != nullptr && config->version <= partition.config->version) return;
  const bool retime = IsFifo(partition) && config->delay != partition.config->delay;
  partition.config = config;
  if (!retime) return;
  for (auto& [seq, message] : partition.messages) {
    if (message.state != State::kDelayed) continue;
    message.visible_at = std::max(now_, message.sent_at + config->delay);
    if (message.visible_at <= now_) message.state = State::kReady;
  }
}

bool ReferenceModel::IsExpired(const Partition& partition, const Message& message) const {
  return partition.config != nullptr && message.state != State::kMoving &&
         message.sent_at + partition.config->retention <= now_;
}

void ReferenceModel::NoteAnswered(const Refill& refill) {
  const auto it = partitions_.find(refill.partition);
  if (it != partitions_.end() && it->second.reading == refill.from) it->second.reading.reset();
}

std::vector<MessageSeq> ReferenceModel::Expired() const {
  std::vector<MessageSeq> expired;
  for (const auto& [id, partition] : partitions_) {
    for (const auto& [seq, message] : partition.messages) {
      if (IsExpired(partition, message)) expired.push_back(seq);
    }
  }
  return expired;
}

bool ReferenceModel::MustDeadLetter(const Partition& partition, const Message& message) const {
  const auto& redrive = partition.config->redrive;
  return redrive.has_value() && message.receive_count >= redrive->max_receive_count &&
         !message.refused;
}

bool ReferenceModel::AnyMustDeadLetter(const Partition& partition) const {
  return std::any_of(partition.messages.begin(), partition.messages.end(), [&](const auto& entry) {
    return entry.second.state == State::kReady && MustDeadLetter(partition, entry.second);
  });
}

int64_t ReferenceModel::Count(const Partition& partition, State state) const {
  return std::count_if(partition.messages.begin(), partition.messages.end(),
                       [state](const auto& entry) { return entry.second.state == state; });
}

int64_t ReferenceModel::live() const {
  int64_t live = 0;
  for (const auto& [id, partition] : partitions_) {
    live += static_cast<int64_t>(partition.messages.size());
  }
  return live;
}

// ---- Replies to the command itself --------------------------------------------------------------

void ReferenceModel::Answer(RequestId, const Command& command, const Reply& reply) {
  const auto* status = std::get_if<absl::Status>(&reply);
  const auto* sent = std::get_if<Send>(&command);
  if (sent != nullptr && (status != nullptr) != dropped_.contains(sent->partition)) {
    return Fail("a send to a queue that was deleted is taken, or another one is refused");
  }
  if (sent != nullptr && status != nullptr) return;
  if (const auto* send = std::get_if<Send>(&command)) {
    AnswerSend(*send, std::get<SendReply>(reply));
  } else if (const auto* remove = std::get_if<Delete>(&command)) {
    AnswerDelete(*remove, std::get<DeleteReply>(reply));
  } else if (const auto* change = std::get_if<ChangeVisibility>(&command)) {
    AnswerChange(*change, std::get<ChangeVisibilityReply>(reply));
  } else if (const auto* purge = std::get_if<Purge>(&command)) {
    AnswerPurge(purge->partition, reply);
  } else if (const auto* drop = std::get_if<DropPartition>(&command)) {
    AnswerPurge(drop->partition, reply);
  } else if (const auto* finish = std::get_if<FinishTransfer>(&command)) {
    AnswerFinish(*finish, reply);
  } else if (const auto* abort = std::get_if<AbortTransfer>(&command)) {
    AnswerAbort(*abort);
  } else if (const auto* move = std::get_if<MoveWithinShard>(&command)) {
    AnswerMove(*move, reply);
  }
}

void ReferenceModel::AnswerSend(const Send& command, const SendReply& reply) {
  Partition& partition = PartitionOf(command.partition);
  if (reply.seqs.size() != command.messages.size()) return Fail("a send lost messages");
  for (size_t i = 0; i < reply.seqs.size(); ++i) {
    if (AnswerDuplicate(command, reply, i)) continue;
    const Send::Message& sent = command.messages[i];
    const absl::Duration delay = IsFifo(partition) ? partition.config->delay
                                                   : sent.delay.value_or(partition.config->delay);
    if (reply.seqs[i] <= last_seq_) Fail("seq does not rise");
    last_seq_ = reply.seqs[i];
    Message& message = partition.messages[reply.seqs[i]];
    message = {.sent_at = now_, .visible_at = now_ + delay, .content = sent.content};
    partition.has_groups = partition.has_groups || !sent.content->message_group_id.empty();
    if (delay > absl::ZeroDuration()) message.state = State::kDelayed;
    message.in_order = delay <= absl::ZeroDuration();
    ++partition.totals.sent;
    RememberId(command.partition, *sent.content, reply.seqs[i]);
  }
}

bool ReferenceModel::AnswerDuplicate(const Send& command, const SendReply& reply, size_t i) {
  const MessageContent& content = *command.messages[i].content;
  const QueueConfig& config = *PartitionOf(command.partition).config;
  const auto it = ids_.find({command.partition, KeyOf(config, content)});
  const bool duplicate =
      config.fifo && !content.deduplication_id.empty() && it != ids_.end() && it->second.until > now_;
  const std::string first = reply.duplicate_of.empty() ? "" : reply.duplicate_of.at(i);
  if (first != (duplicate ? it->second.message_id : "")) {
    Fail(absl::StrCat("message ", content.message_id, " is a duplicate of '", first, "', it is said"));
  }
  if (duplicate && reply.seqs[i] != it->second.seq) Fail("a duplicate has another seq than the first");
  return duplicate;
}

void ReferenceModel::RememberId(PartitionId id, const MessageContent& content, MessageSeq seq) {
  const QueueConfig& config = *PartitionOf(id).config;
  if (!config.fifo || content.deduplication_id.empty()) return;
  ids_[{id, KeyOf(config, content)}] = {seq, content.message_id, now_ + kDeduplicationWindow};
}

void ReferenceModel::ForgetIds(PartitionId id) {
  std::erase_if(ids_, [id](const auto& entry) { return entry.first.first == id; });
  std::erase_if(attempts_, [id](const auto& entry) { return entry.first.first == id; });
}

void ReferenceModel::AnswerDelete(const Delete& command, const DeleteReply& reply) {
  Partition& partition = PartitionOf(command.partition);
  for (size_t i = 0; i < command.receipts.size(); ++i) {
    const Receipt& receipt = command.receipts[i];
    const Message* message = Find(command.partition, receipt.seq);
    DeleteOutcome expected = DeleteOutcome::kDeleted;
    if (message == nullptr || IsExpired(partition, *message)) {
      expected = DeleteOutcome::kAlreadyGone;
    } else if (!message->first_received_at.has_value()) {
      continue;  // A receipt that nobody was given; any outcome that deletes nothing is fine.
    } else if (IsFifo(partition) && (message->receive_count != receipt.receive_count ||
                                     message->state != State::kInFlight)) {
      expected = DeleteOutcome::kReceiptExpired;
    } else if (message->receive_count != receipt.receive_count) {
      expected = DeleteOutcome::kStaleReceipt;
    }
    if (reply.outcomes.at(i) != expected) {
      Fail(absl::StrCat("delete of ", receipt.seq.value(), ": outcome ",
                        static_cast<int>(reply.outcomes[i])));
    }
    if (expected == DeleteOutcome::kDeleted) {
      partition.messages.erase(receipt.seq);
      ++partition.totals.deleted;
    }
  }
}

void ReferenceModel::AnswerChange(const ChangeVisibility& command,
                                  const ChangeVisibilityReply& reply) {
  Partition& partition = PartitionOf(command.partition);
  for (size_t i = 0; i < command.entries.size(); ++i) {
    const auto& [receipt, timeout] = command.entries[i];
    Message* message = Find(command.partition, receipt.seq);
    ChangeVisibilityOutcome expected = ChangeVisibilityOutcome::kChanged;
    if (message == nullptr || IsExpired(partition, *message) || message->state == State::kMoving ||
        !message->leased_at.has_value() || receipt.receive_count > message->receive_count) {
      expected = ChangeVisibilityOutcome::kMessageGone;
    } else if (IsFifo(partition) && receipt.receive_count < message->receive_count) {
      expected = ChangeVisibilityOutcome::kReceiptExpired;
    } else if (timeout > absl::ZeroDuration() &&
               now_ + timeout > *message->leased_at + kMaxVisibility) {
      expected = ChangeVisibilityOutcome::kBeyondLimit;
    }
    if (reply.outcomes.at(i) != expected) {
      Fail(absl::StrCat("change of ", receipt.seq.value(), ": outcome ",
                        static_cast<int>(reply.outcomes[i])));
    }
    if (expected != ChangeVisibilityOutcome::kChanged) continue;
    message->visible_at = now_ + timeout;
    message->paused = false;
    message->state = timeout > absl::ZeroDuration() ? State::kInFlight : State::kReady;
    if (message->state == State::kReady) message->repeats = 0;
  }
}

void ReferenceModel::AnswerPurge(PartitionId id, const Reply& reply) {
  Partition& partition = PartitionOf(id);
  if (std::get<PurgeReply>(reply).removed != static_cast<int64_t>(partition.messages.size())) {
    Fail(absl::StrCat("purge removed ", std::get<PurgeReply>(reply).removed, " of ",
                      partition.messages.size()));
  }
  partition.messages.clear();
  ForgetIds(id);
}

void ReferenceModel::AnswerAccept(const AcceptTransfer& command, const Decision& decision,
                                  bool recognise) {
  const AppendMessage* row = OnlyAppended(decision);
  if (accepted_.contains(command.transfer)) {
    if (row != nullptr) Fail("a repeated transfer was accepted again");
    return;
  }
  if (dropped_.contains(command.partition)) {
    if (row != nullptr) Fail("a transfer to a queue that was deleted was accepted");
    return;
  }
  if (row == nullptr) return Fail("a transfer was lost");
  Adopt(command.partition, command.config);
  if (row->meta.seq <= last_seq_) Fail("seq does not rise");
  last_seq_ = row->meta.seq;
  Partition& partition = PartitionOf(command.partition);
  partition.messages[row->meta.seq] = {
      .sent_at = IsFifo(partition) ? now_ : command.sent_at,
      .visible_at = now_,
      .receive_count = command.receive_count,
      .content = command.content};
  partition.has_groups = partition.has_groups || !command.content->message_group_id.empty();
  RememberId(command.partition, *command.content, row->meta.seq);
  if (recognise) accepted_.emplace(command.transfer, command.sent_at);
}

void ReferenceModel::AnswerFinish(const FinishTransfer& command, const Reply& reply) {
  const Message* message = Find(command.partition, command.seq);
  if (std::holds_alternative<TransferReply>(reply))
    return FinishMove(command.partition, command.seq);
  // After a restart the core cannot tell a message that is gone from an untouched one.
  if (message != nullptr &&
      (message->first_received_at.has_value() || message->state != State::kReady)) {
    Fail("a transfer was not finished although its message is not untouched");
  }
}

void ReferenceModel::AnswerAbort(const AbortTransfer& command) {
  Message* message = Find(command.partition, command.seq);
  if (message == nullptr || message->state != State::kMoving) return;
  message->in_order = false;
  const bool dead_lettering = std::exchange(message->dead_lettering, false);
  if (dead_lettering && command.retry_after.has_value()) {
    message->state = State::kInFlight;
    message->visible_at = now_ + *command.retry_after;
    message->paused = true;
    return;
  }
  message->state = State::kReady;
  message->refused = dead_lettering;
}

// A row that is copied forward says how its message stands now.
void ReferenceModel::NoteSurvivors(const Decision& decision) {
  for (const Mutation& row : decision.mutations) {
    const auto* survivor = std::get_if<AppendMessage>(&row);
    if (survivor == nullptr) continue;
    Message* message = Find(survivor->partition, survivor->meta.seq);
    if (message != nullptr) message->paused = false;
  }
}

void ReferenceModel::AnswerMove(const MoveWithinShard& command, const Reply& reply) {
  const MessageSeq seq = command.destination.transfer.source_seq;
  const Message* message = Find(command.source, seq);
  const bool refused = std::holds_alternative<absl::Status>(reply);
  if (refused != (message != nullptr && message->state != State::kMoving)) {
    Fail(absl::StrCat("move of ", seq.value(), refused ? " refused" : " not refused"));
  }
  if (message == nullptr || refused) return;
  AnswerAccept(command.destination, *decision_, /*recognise=*/false);
  FinishMove(command.source, seq);
}

void ReferenceModel::FinishMove(PartitionId id, MessageSeq seq) {
  const Message* message = Find(id, seq);
  if (message == nullptr) return;
  Partition& partition = PartitionOf(id);
  if (message->dead_lettering) ++partition.totals.dead_lettered;
  partition.messages.erase(seq);
}

void ReferenceModel::Park(RequestId request, const Command& command, const Decision& decision) {
  const bool answered =
      std::any_of(decision.replies.begin(), decision.replies.end(),
                  [request](const auto& entry) { return entry.first == request; });
  if (answered) return;
  const Waiter waiter = WaiterOf(command);
  if (PartitionStatsOf(waiter.partition).waiting_receives >=
          static_cast<int64_t>(limits_.max_waiters) &&
      !waiter.take) {
    Fail("one waiter too many");
  }
  waiters_.emplace(request, waiter);
}

}  // namespace weir::queue::core::testing
