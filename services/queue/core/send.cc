// Send, and what every appended message has in common.
#include <utility>

#include "services/queue/core/shard_impl.h"

namespace weir::queue::core {

void ShardState::Impl::Run(RequestId request, const Send& command) {
  if (IsDropped(command.partition)) return Reply(request, QueueWasDeleted());
  Partition& partition = GetPartition(command.partition, command.config);
  SendReply reply;
  reply.seqs.reserve(command.messages.size());
  ExpectRows(command.messages.size());
  for (const Send::Message& sent : command.messages) {
    if (const Deduplication::Entry* first = FindDuplicate(partition, *sent.content)) {
      reply.duplicate_of.resize(command.messages.size());
      reply.duplicate_of[reply.seqs.size()] = UnpackMessageId(first->message_id);
      reply.seqs.push_back(first->seq);
      continue;
    }
    // In a FIFO queue only the queue has a delay: it must not change the order.
    const absl::Duration delay = partition.fifo != nullptr
                                     ? partition.config->delay
                                     : sent.delay.value_or(partition.config->delay);
    Message message{.sent_at = now_, .visible_at = now_ + delay};
    reply.seqs.push_back(AppendNew(partition, message, sent.content, std::nullopt));
    ++partition.totals.sent;
  }
  Reply(request, std::move(reply));
}

MessageSeq ShardState::Impl::AppendNew(Partition& partition, Message message, ContentPtr content,
                                       std::optional<TransferId> transfer) {
  const LogNo log_no = TakeLogNo();
  const MessageSeq seq(log_no.value());
  message.segment = active_segment;
  const bool delayed = message.visible_at > now_;
  const bool is_explicit = delayed || JoinsWindow(partition, *content);
  if (is_explicit) {
    message.state = delayed ? MessageState::kDelayed : MessageState::kReady;
    AddExplicit(partition, seq, message, content->message_group_id);
    partition.backlog.NoteTouchedAhead(seq);
  } else {
    partition.backlog.Append(seq, message.sent_at, active_segment);
    partition.SetHorizon();
    // Those that wait can have none of the explicit ones, but perhaps this one.
    if (partition.waiting > 0) MarkDirty(partition);
  }
  if (partition.fifo != nullptr) RememberId(partition, *content, seq, active_segment);
  AddLive(active_segment, 1);
  ArmSweep(partition, message.sent_at);
  out_.mutations.push_back(AppendMessage{.log_no = log_no,
                                         .partition = partition.id,
                                         .meta = {.seq = seq,
                                                  .segment = active_segment,
                                                  .sent_at = ToTime(message.sent_at),
                                                  .visible_at = ToTime(message.visible_at),
                                                  .receive_count = message.receive_count,
                                                  .transfer = transfer},
                                         .content = std::move(content),
                                         .keep_content = is_explicit && !delayed});
  return seq;
}

bool ShardState::Impl::JoinsWindow(const Partition& partition,
                                   const MessageContent& content) const {
  const bool has_room = static_cast<size_t>(partition.receivable()) < limits.ready_window;
  if (partition.backlog.empty()) {
    return has_room && (partition.fifo == nullptr || !partition.IsSearchedThrough());
  }
  // In a fair queue a quiet group's message does not wait behind the backlog of a noisy one.
  return has_room && partition.fair != nullptr && partition.fair->HasNoisyTurn() &&
         !partition.fair->IsNoisy(content.message_group_id, partition.in_flight(), now_);
}

AppendMessage* ShardState::Impl::FreshRow(MessageSeq seq) {
  // Every row of a decision takes one log number, so a new message's row stands where its seq says.
  if (seq.value() < first_log_no_.value()) return nullptr;
  const auto index = static_cast<size_t>(seq.value() - first_log_no_.value());
  return &std::get<AppendMessage>(out_.mutations[index]);
}

}  // namespace weir::queue::core
