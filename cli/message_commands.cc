// weir send, receive, ack, nack
#include <iostream>
#include <iterator>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/units.h"
#include "libs/base/status_macros.h"

namespace weir::cli {
namespace {

using queue::v1::QueueService;

constexpr int kBatchMax = 10;

struct SendOptions {
  std::string queue;
  std::string body;
  std::vector<std::string> attributes;
  absl::Duration delay = absl::ZeroDuration();
  std::string group;
  std::string deduplication_id;
  bool lines = false;
  CLI::Option* body_option = nullptr;
  CLI::Option* delay_option = nullptr;
};

struct ReceiveOptions {
  std::string queue;
  int max = 1;
  absl::Duration wait = absl::ZeroDuration();
  absl::Duration visibility_timeout = absl::Seconds(30);
  bool remove = false;
  CLI::Option* wait_option = nullptr;
  CLI::Option* visibility_option = nullptr;
};

struct AckOptions {
  std::string queue;
  std::vector<std::string> receipts;
  absl::Duration visibility_timeout = absl::ZeroDuration();
};

// An error of one entry of a batch, as if it had been the call's.
absl::Status BatchError(const google::protobuf::RepeatedPtrField<queue::v1::BatchFailure>& failures,
                        size_t entries) {
  const queue::v1::BatchFailure& first = failures[0];
  return absl::FailedPreconditionError(
      absl::StrCat(common::v1::ErrorReason_Name(first.reason()), ": ", first.message(), " (",
                   failures.size(), " of ", entries, " entries failed, this is entry ", first.id(), ")"));
}

absl::StatusOr<queue::v1::OutgoingMessage> MessageOf(const SendOptions& options, std::string body) {
  queue::v1::OutgoingMessage message;
  message.set_body(std::move(body));
  if (options.delay_option->count() > 0) *message.mutable_delay() = ToProto(options.delay);
  message.set_message_group_id(options.group);
  message.set_message_deduplication_id(options.deduplication_id);
  for (const std::string& text : options.attributes) {
    const auto attribute = ParseAttribute(text);
    if (!attribute.ok()) return UsageError(std::string(attribute.status().message()));
    (*message.mutable_message_attributes())[attribute->name] = attribute->value;
  }
  return message;
}

absl::StatusOr<ExitCode> SendOne(Session& session, const SendOptions& options) {
  std::string body = options.body;
  if (body == "-") body.assign(std::istreambuf_iterator<char>(std::cin), {});
  queue::v1::SendMessageRequest request;
  *request.mutable_queue() = session.Queue(options.queue);
  WEIR_ASSIGN_OR_RETURN(*request.mutable_message(), MessageOf(options, std::move(body)));
  WEIR_ASSIGN_OR_RETURN(const queue::v1::SendMessageResponse response,
                        session.Call(session.queue_stub(), &QueueService::Stub::SendMessage, request));
  session.PrintResult(ToJson(response.message()), response.message().message_id() + "\n");
  return ExitCode::kOk;
}

// Sends `request`'s entries and appends what was stored to `sent`.
absl::Status SendBatch(Session& session, queue::v1::SendMessageBatchRequest& request, Json& sent) {
  WEIR_ASSIGN_OR_RETURN(const queue::v1::SendMessageBatchResponse response,
                        session.Call(session.queue_stub(), &QueueService::Stub::SendMessageBatch, request));
  for (const auto& result : response.successful()) sent.push_back(ToJson(result.message()));
  if (!response.failed().empty()) {
    return BatchError(response.failed(), static_cast<size_t>(request.entries_size()));
  }
  request.clear_entries();
  return absl::OkStatus();
}

absl::Status SendStdin(Session& session, const SendOptions& options, Json& sent) {
  queue::v1::SendMessageBatchRequest request;
  *request.mutable_queue() = session.Queue(options.queue);
  std::string line;
  size_t bytes = 0;
  for (int64_t number = 1; std::getline(std::cin, line); ++number) {
    if (line.empty()) continue;
    WEIR_ASSIGN_OR_RETURN(queue::v1::OutgoingMessage message, MessageOf(options, line));
    // A batch is bounded by count and by size; attributes count as well.
    const size_t size = message.ByteSizeLong();
    if (request.entries_size() == kBatchMax ||
        (request.entries_size() > 0 && bytes + size > 1'000'000)) {
      WEIR_RETURN_IF_ERROR(SendBatch(session, request, sent));
      bytes = 0;
    }
    bytes += size;
    queue::v1::SendMessageBatchEntry& entry = *request.add_entries();
    entry.set_id(absl::StrCat("line-", number));
    *entry.mutable_message() = std::move(message);
  }
  if (request.entries_size() > 0) return SendBatch(session, request, sent);
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> Send(Session& session, const SendOptions& options) {
  if (!options.lines && options.body_option->count() == 0) {
    return UsageError("send needs a BODY (or - for stdin, or --lines for a message a line of stdin)");
  }
  if (!options.lines) return SendOne(session, options);
  if (options.body_option->count() > 0) return UsageError("send takes either a BODY or --lines");
  Json document = {{"messages", Json::array()}};
  const absl::Status status = SendStdin(session, options, document["messages"]);
  const auto count = document["messages"].size();
  // Also after an error: these are stored.
  session.PrintResult(document, absl::StrCat("Sent ", count, count == 1 ? " message\n" : " messages\n"));
  WEIR_RETURN_IF_ERROR(status);
  return ExitCode::kOk;
}

absl::Status DeleteReceived(Session& session, const std::string& queue,
                            const std::vector<std::string>& receipts) {
  for (size_t begin = 0; begin < receipts.size(); begin += kBatchMax) {
    queue::v1::DeleteMessageBatchRequest request;
    *request.mutable_queue() = session.Queue(queue);
    for (size_t i = begin; i < std::min(receipts.size(), begin + kBatchMax); ++i) {
      queue::v1::DeleteMessageBatchEntry& entry = *request.add_entries();
      entry.set_id(absl::StrCat(i + 1));
      entry.set_receipt_handle(receipts[i]);
    }
    WEIR_ASSIGN_OR_RETURN(
        const queue::v1::DeleteMessageBatchResponse response,
        session.Call(session.queue_stub(), &QueueService::Stub::DeleteMessageBatch, request));
    if (!response.failed().empty()) return BatchError(response.failed(), receipts.size());
  }
  return absl::OkStatus();
}

std::string AttributesText(const queue::v1::ReceivedMessage& message) {
  const std::map<std::string, queue::v1::MessageAttributeValue> sorted(
      message.message_attributes().begin(), message.message_attributes().end());
  std::vector<std::string> parts;
  for (const auto& [name, value] : sorted) {
    parts.push_back(absl::StrCat(name, ":", value.data_type(), "=", FormatAttributeValue(value)));
  }
  return absl::StrJoin(parts, " ");
}

// Columns that no message has a value for are left out; the receipt comes last because it is long.
std::string MessagesText(const queue::v1::ReceiveMessagesResponse& response, bool with_receipts) {
  bool attributes = false;
  bool sources = false;
  bool groups = false;
  bool sequence = false;
  for (const queue::v1::ReceivedMessage& message : response.messages()) {
    attributes |= !message.message_attributes().empty();
    sources |= !message.dead_letter_queue_source_arn().empty();
    groups |= !message.message_group_id().empty();
    sequence |= !message.sequence_number().empty();
  }
  std::vector<std::string> header = {"BODY", "RECEIVES", "SENT", "MESSAGE ID"};
  if (groups) header.push_back("GROUP");
  if (sequence) header.push_back("SEQUENCE NUMBER");
  if (attributes) header.push_back("ATTRIBUTES");
  if (sources) header.push_back("FAILED IN");
  if (with_receipts) header.push_back("RECEIPT");
  Table table(header);
  for (const queue::v1::ReceivedMessage& message : response.messages()) {
    std::vector<std::string> row = {message.body(), absl::StrCat(message.receive_count()),
                                    FormatTimestamp(message.sent_at()), message.message_id()};
    const std::string& arn = message.dead_letter_queue_source_arn();
    if (groups) row.push_back(message.message_group_id());
    if (sequence) row.push_back(message.sequence_number());
    if (attributes) row.push_back(AttributesText(message));
    if (sources) row.push_back(arn.substr(arn.rfind(':') + 1));
    if (with_receipts) row.push_back(message.receipt_handle());
    table.AddRow(std::move(row));
  }
  return table.ToString();
}

absl::StatusOr<ExitCode> Receive(Session& session, const ReceiveOptions& options) {
  queue::v1::ReceiveMessagesRequest request;
  *request.mutable_queue() = session.Queue(options.queue);
  request.set_max_messages(options.max);
  request.add_message_attribute_names("All");
  if (options.wait_option->count() > 0) *request.mutable_wait_time() = ToProto(options.wait);
  if (options.visibility_option->count() > 0) {
    *request.mutable_visibility_timeout() = ToProto(options.visibility_timeout);
  }
  // The queue's own wait time is 20 s at most.
  WEIR_ASSIGN_OR_RETURN(const queue::v1::ReceiveMessagesResponse response,
                        session.Call(session.queue_stub(), &QueueService::Stub::ReceiveMessages, request,
                                     std::max(options.wait, absl::Seconds(20))));
  Json document = {{"messages", Json::array()}};
  std::vector<std::string> receipts;
  for (const queue::v1::ReceivedMessage& message : response.messages()) {
    document["messages"].push_back(ToJson(message));
    receipts.push_back(message.receipt_handle());
  }
  if (receipts.empty() && !session.json) session.Remark("No messages.");
  // Printed before they are deleted: what could not be shown comes again.
  session.PrintResult(document, receipts.empty() ? "" : MessagesText(response, !options.remove));
  if (options.remove) WEIR_RETURN_IF_ERROR(DeleteReceived(session, options.queue, receipts));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Ack(Session& session, const AckOptions& options) {
  WEIR_RETURN_IF_ERROR(DeleteReceived(session, options.queue, options.receipts));
  session.PrintResult({{"deleted", options.receipts.size()}},
                      absl::StrCat("Deleted ", options.receipts.size(), " from ", options.queue, "\n"));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Nack(Session& session, const AckOptions& options) {
  for (const std::string& receipt : options.receipts) {
    queue::v1::ChangeMessageVisibilityRequest request;
    *request.mutable_queue() = session.Queue(options.queue);
    request.set_receipt_handle(receipt);
    *request.mutable_visibility_timeout() = ToProto(options.visibility_timeout);
    WEIR_RETURN_IF_ERROR(
        session.Call(session.queue_stub(), &QueueService::Stub::ChangeMessageVisibility, request).status());
  }
  session.PrintResult(
      {{"changed", options.receipts.size()},
       {"visibility_timeout_seconds", absl::ToInt64Seconds(options.visibility_timeout)}},
      options.visibility_timeout == absl::ZeroDuration()
          ? absl::StrCat("Visible again: ", options.receipts.size(), "\n")
          : absl::StrCat("Hidden for ", DurationText(options.visibility_timeout), ": ",
                         options.receipts.size(), "\n"));
  return ExitCode::kOk;
}

void AddSend(CLI::App& app, Session& session) {
  CLI::App* send = app.add_subcommand("send", "Send a message to a queue");
  auto options = std::make_shared<SendOptions>();
  send->add_option("queue", options->queue, "Name of the queue")->required()->type_name(kQueueType);
  options->body_option = send->add_option("body", options->body, "Text of the message; -: all of stdin")
                             ->type_name("BODY");
  send->add_option("-a,--attribute", options->attributes,
                   "NAME=VALUE, NAME:Number=5, NAME:Binary=BASE64; may be repeated")
      ->type_name("ATTRIBUTE")->expected(1)->take_all();
  options->delay_option = AddDuration(*send, "--delay", options->delay,
                                      "How long it waits before it can be received, 0s up to the queue's retention "
                                      "(default: as the queue says)")
                              ->default_str("");
  send->add_option("--group", options->group, "Message group: kept in order by FIFO queues, which need it")
      ->type_name("GROUP");
  send->add_option("--deduplication-id", options->deduplication_id,
                   "FIFO: a second send with the same id within 5 minutes is swallowed")
      ->type_name("ID");
  send->add_flag("--lines", options->lines, "Send each line of stdin as a message, by tens");
  SetExamples(*send, {"weir send orders 'Order123'", "weir send orders '{\"id\": 123}' -a kind=new -a amount:Number=9.50",
                      "weir send orders - < order.json", "seq 1000 | weir send orders --lines", "weir send orders.fifo 'Order123' --group customer-7",
                      "weir send orders -- '-starts with a dash'"});
  send->callback([&session, options] {
    session.action = [&session, options] { return Send(session, *options); };
  });
}

void AddReceive(CLI::App& app, Session& session) {
  CLI::App* receive = app.add_subcommand("receive", "Receive messages; they stay hidden until acked or their time is up");
  auto options = std::make_shared<ReceiveOptions>();
  receive->add_option("queue", options->queue, "Name of the queue")->required()->type_name(kQueueType);
  receive->add_option("--max", options->max, "Messages at most, 1 to 10")->type_name("N")->capture_default_str();
  options->wait_option = AddDuration(*receive, "--wait", options->wait,
                                     "How long to wait for the first, 0s to 20s (default: as the queue says)")
                             ->default_str("");
  options->visibility_option =
      AddDuration(*receive, "--visibility-timeout", options->visibility_timeout,
                  "How long they stay hidden, 0s to 12h (default: as the queue says); 0 only looks, but counts")
          ->default_str("");
  receive->add_flag("--delete", options->remove, "Delete them once they are printed");
  SetExamples(*receive, {"weir receive orders --wait 20s", "weir receive orders --max 10 --delete",
                         "weir receive orders -o json | jq -r '.messages[].receipt_handle'"});
  receive->callback([&session, options] {
    session.action = [&session, options] { return Receive(session, *options); };
  });
}

void AddAck(CLI::App& app, Session& session) {
  CLI::App* ack = app.add_subcommand("ack", "Delete received messages by their receipts");
  auto options = std::make_shared<AckOptions>();
  ack->add_option("queue", options->queue, "Name of the queue")->required()->type_name(kQueueType);
  ack->add_option("receipt", options->receipts, "Receipts, as receive showed them")->required()->type_name("RECEIPT");
  SetExamples(*ack, {"weir ack orders \"$(weir receive orders -o json | jq -r '.messages[0].receipt_handle')\""});
  ack->callback([&session, options] {
    session.action = [&session, options] { return Ack(session, *options); };
  });
}

void AddNack(CLI::App& app, Session& session) {
  CLI::App* nack = app.add_subcommand("nack", "Give received messages back, or keep them hidden for longer");
  auto options = std::make_shared<AckOptions>();
  nack->add_option("queue", options->queue, "Name of the queue")->required()->type_name(kQueueType);
  nack->add_option("receipt", options->receipts, "Receipts, as receive showed them")->required()->type_name("RECEIPT");
  AddDuration(*nack, "--visibility-timeout", options->visibility_timeout,
              "How long they stay hidden from now on, 0s to 12h; 0s: visible at once");
  SetExamples(*nack, {"weir nack orders RECEIPT", "weir nack orders RECEIPT --visibility-timeout 5m"});
  nack->callback([&session, options] {
    session.action = [&session, options] { return Nack(session, *options); };
  });
}

}  // namespace

void AddMessageCommands(CLI::App& app, Session& session) {
  AddSend(app, session);
  AddReceive(app, session);
  AddAck(app, session);
  AddNack(app, session);
}

}  // namespace weir::cli
