#include "services/queue/core/testing/print.h"

#include <variant>

#include "absl/strings/str_cat.h"
#include "services/queue/core/instant.h"

namespace weir::queue::core::testing {
namespace {

std::string Print(absl::Time time) {
  const Instant instant = ToInstant(time);
  if (instant == kLongAgo) return "past";
  if (instant == kNever) return "never";
  return absl::StrCat(instant.micros);
}

std::string Print(const std::optional<TransferId>& transfer) {
  if (!transfer.has_value()) return "";
  return absl::StrCat(" transfer=", transfer->source_partition.value(), "/",
                      transfer->source_seq.value());
}

std::string Print(const MessageMeta& meta) {
  return absl::StrCat("seq=", meta.seq.value(), " segment=", meta.segment.value(),
                      " sent=", Print(meta.sent_at), " visible=", Print(meta.visible_at),
                      " receives=", meta.receive_count, meta.in_flight ? " in-flight" : "",
                      meta.first_received_at ? " first=" + Print(*meta.first_received_at) : "",
                      Print(meta.transfer));
}

std::string Print(const Mutation& mutation) {
  if (const auto* row = std::get_if<AppendMessage>(&mutation)) {
    return absl::StrCat("row ", row->log_no.value(), " partition=", row->partition.value(), " ",
                        Print(row->meta), row->keep_content ? " keep" : "",
                        row->consumer.empty() ? "" : " consumer=" + row->consumer, "\n");
  }
  const auto& event = std::get<AppendEvent>(mutation);
  return absl::StrCat("event ", event.log_no.value(), " kind=", static_cast<int>(event.kind),
                      " partition=", event.partition.value(), " seq=", event.seq.value(),
                      " receives=", event.receive_count, " at=", Print(event.at),
                      " visible=", Print(event.visible_at), Print(event.transfer),
                      event.consumer.empty() ? "" : " consumer=" + event.consumer, "\n");
}

struct ReplyPrinter {
  std::string operator()(const absl::Status& status) const { return status.ToString(); }
  std::string operator()(const SendReply& reply) const {
    std::string text = "sent";
    for (const MessageSeq seq : reply.seqs) absl::StrAppend(&text, " ", seq.value());
    for (const std::string& id : reply.duplicate_of) absl::StrAppend(&text, " (", id, ")");
    return text;
  }
  std::string operator()(const ReceiveReply& reply) const {
    std::string text = "received";
    for (const ReceivedMessage& message : reply.messages) {
      absl::StrAppend(&text, " [seq=", message.seq.value(), " receives=", message.receive_count,
                      " first=", Print(message.first_received_at),
                      " visible=", Print(message.visible_at),
                      message.content != nullptr ? " content" : "", "]");
    }
    return text;
  }
  std::string operator()(const DeleteReply& reply) const {
    std::string text = "deletes";
    for (const auto outcome : reply.outcomes)
      absl::StrAppend(&text, " ", static_cast<int>(outcome));
    return text;
  }
  std::string operator()(const ChangeVisibilityReply& reply) const {
    std::string text = "changes";
    for (const auto outcome : reply.outcomes)
      absl::StrAppend(&text, " ", static_cast<int>(outcome));
    return text;
  }
  std::string operator()(const PurgeReply& reply) const {
    return absl::StrCat("purged ", reply.removed);
  }
  std::string operator()(const TransferReply&) const { return "transferred"; }
  std::string operator()(const TakeReply& reply) const {
    return absl::StrCat("took ", reply.taken);
  }
};

std::string Print(const Effect& effect) {
  if (const auto* need = std::get_if<NeedRefill>(&effect)) {
    return absl::StrCat("need refill partition=", need->partition.value(),
                        " from=", need->from.value(), need->to_fill ? "" : " for expiry", "\n");
  }
  const auto& transfer = std::get<Transfer>(effect);
  return absl::StrCat("transfer from=", transfer.source.value(), " ", Print(transfer.meta),
                      transfer.destination
                          ? absl::StrCat(" to=", transfer.destination->partition.value())
                          : absl::StrCat(" redrive=", transfer.redrive.value()),
                      "\n");
}

struct CommandPrinter {
  std::string operator()(const Send& c) const {
    std::string text = absl::StrCat("send partition=", c.partition.value());
    for (const Send::Message& message : c.messages) {
      absl::StrAppend(&text, " group=", message.content->message_group_id,
                      " id=", message.content->deduplication_id);
    }
    return text;
  }
  std::string operator()(const Receive& c) const {
    return absl::StrCat(
        "receive partition=", c.partition.value(), " max=", c.max_messages, " visibility=",
        c.visibility_timeout ? absl::FormatDuration(*c.visibility_timeout) : "default",
        " until=", Print(c.wait_until), c.attempt_id.empty() ? "" : " attempt=" + c.attempt_id,
        c.only_repeat ? " only_repeat" : "");
  }
  std::string operator()(const CancelReceive& c) const {
    return absl::StrCat("cancel ", c.request.value());
  }
  std::string operator()(const Delete& c) const {
    std::string text = absl::StrCat("delete partition=", c.partition.value());
    for (const Receipt& r : c.receipts) {
      absl::StrAppend(&text, " ", r.seq.value(), "#", r.receive_count);
    }
    return text;
  }
  std::string operator()(const ChangeVisibility& c) const {
    std::string text = absl::StrCat("change partition=", c.partition.value());
    for (const auto& [r, timeout] : c.entries) {
      absl::StrAppend(&text, " ", r.seq.value(), "#", r.receive_count, "=",
                      absl::FormatDuration(timeout));
    }
    return text;
  }
  std::string operator()(const ReleaseLease& c) const {
    std::string text = absl::StrCat("release partition=", c.partition.value());
    for (const Receipt& r : c.receipts) {
      absl::StrAppend(&text, " ", r.seq.value(), "#", r.receive_count);
    }
    return text;
  }
  std::string operator()(const Purge& c) const {
    return absl::StrCat("purge partition=", c.partition.value());
  }
  std::string operator()(const DropPartition& c) const {
    return absl::StrCat("drop partition=", c.partition.value());
  }
  std::string operator()(const Configure& c) const {
    return absl::StrCat("configure partition=", c.partition.value(), " version=", c.config->version,
                        " retention=", absl::FormatDuration(c.config->retention),
                        " delay=", absl::FormatDuration(c.config->delay),
                        c.config->fifo ? " fifo" : "",
                        c.config->redrive
                            ? absl::StrCat(" max_receives=", c.config->redrive->max_receive_count)
                            : "");
  }
  std::string operator()(const Refill& c) const {
    std::string text = absl::StrCat("refill partition=", c.partition.value(),
                                    " from=", c.from.value(), " to=", c.scanned_to.value());
    for (const MessageMeta& meta : c.messages) absl::StrAppend(&text, " ", meta.seq.value());
    return text;
  }
  std::string operator()(const AcceptTransfer& c) const {
    return absl::StrCat("accept partition=", c.partition.value(), " receives=", c.receive_count,
                        " sent=", Print(c.sent_at), Print(std::optional(c.transfer)));
  }
  std::string operator()(const FinishTransfer& c) const {
    return absl::StrCat("finish partition=", c.partition.value(), " seq=", c.seq.value());
  }
  std::string operator()(const MoveWithinShard& c) const {
    return absl::StrCat("move from=", c.source.value(), "; ", (*this)(c.destination));
  }
  std::string operator()(const AbortTransfer& c) const {
    return absl::StrCat("abort partition=", c.partition.value(), " seq=", c.seq.value(),
                        c.retry_after ? " retry_after=" : "",
                        c.retry_after ? absl::FormatDuration(*c.retry_after) : "");
  }
  std::string operator()(const ForgetTransfer& c) const {
    return absl::StrCat("forget", Print(std::optional(c.transfer)));
  }
  std::string operator()(const TakeForRedrive& c) const {
    return absl::StrCat("take partition=", c.partition.value(), " limit=", c.limit);
  }
  std::string operator()(const CopyForward& c) const {
    return absl::StrCat("copy forward segment=", c.segment.value(), " rows=", c.rows.size());
  }
  std::string operator()(const Tick&) const { return "tick"; }
};

}  // namespace

std::string Print(const Command& command) { return std::visit(CommandPrinter(), command); }

std::string Print(const Decision& decision) {
  std::string text;
  for (const Mutation& mutation : decision.mutations) text += Print(mutation);
  for (const auto& [request, reply] : decision.replies) {
    absl::StrAppend(&text, "reply ", request.value(), ": ", std::visit(ReplyPrinter(), reply),
                    "\n");
  }
  for (const Effect& effect : decision.effects) text += Print(effect);
  return text;
}

}  // namespace weir::queue::core::testing
