// weir queue peek, weir trace: looking without changing anything.
#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/units.h"
#include "libs/base/status_macros.h"

namespace weir::cli {
namespace {

using queue::v1::QueueService;

// Of a body in a table; all of it with -o json.
constexpr int kShownBodyBytes = 120;

struct PeekOptions {
  std::string queue;
  std::vector<std::string> states;
  std::string group;
  std::string id;
  std::string contains;
  int min_receives = 0;
  int max = 10;
};

struct TraceOptions {
  std::string message_id;
};

queue::v1::MessageState StateOf(const std::string& name) {
  if (name == "ready") return queue::v1::MESSAGE_STATE_READY;
  return name == "delayed" ? queue::v1::MESSAGE_STATE_DELAYED : queue::v1::MESSAGE_STATE_IN_FLIGHT;
}

// "in flight" of "TRACE_EVENT_KIND_IN_FLIGHT".
std::string Words(const std::string& enum_name, absl::string_view prefix) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(absl::StripPrefix(enum_name, prefix)), {{"_", " "}});
}

std::string QueueNameOf(const std::string& arn) { return arn.substr(arn.rfind(':') + 1); }

absl::Time ToTime(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

// Columns that no message has a value for are left out.
std::string PeekedText(const std::vector<queue::v1::PeekedMessage>& messages) {
  bool groups = false;
  bool sources = false;
  for (const queue::v1::PeekedMessage& message : messages) {
    groups |= !message.message_group_id().empty();
    sources |= !message.dead_letter_queue_source_arn().empty();
  }
  std::vector<std::string> header = {"BODY", "STATE", "RECEIVES", "SENT", "VISIBLE", "MESSAGE ID"};
  if (groups) header.push_back("GROUP");
  if (sources) header.push_back("FAILED IN");
  Table table(header);
  for (const queue::v1::PeekedMessage& message : messages) {
    const bool cut = static_cast<int64_t>(message.body().size()) < message.body_bytes();
    std::vector<std::string> row = {
        cut ? absl::StrCat(message.body(), "…") : message.body(),
        Words(queue::v1::MessageState_Name(message.state()), "MESSAGE_STATE_"),
        absl::StrCat(message.receive_count()), FormatTimestamp(message.sent_at()),
        message.has_visible_at() ? FormatTimestamp(message.visible_at()) : "now", message.message_id()};
    if (groups) row.push_back(message.message_group_id());
    if (sources) row.push_back(QueueNameOf(message.dead_letter_queue_source_arn()));
    table.AddRow(std::move(row));
  }
  return table.ToString();
}

absl::StatusOr<ExitCode> Peek(Session& session, const PeekOptions& options) {
  queue::v1::PeekMessagesRequest request;
  *request.mutable_queue() = session.Queue(options.queue);
  for (const std::string& state : options.states) request.add_states(StateOf(state));
  request.set_message_group_id(options.group);
  request.set_message_id(options.id);
  request.set_body_contains(options.contains);
  request.set_min_receive_count(options.min_receives);
  request.add_message_attribute_names("All");
  if (!session.json) request.set_max_body_bytes(kShownBodyBytes);
  std::vector<queue::v1::PeekedMessage> messages;
  bool more = false;
  // A page may be short, even empty, where filters leave little.
  do {
    request.set_page_size(std::min(options.max - static_cast<int>(messages.size()), 100));
    WEIR_ASSIGN_OR_RETURN(queue::v1::PeekMessagesResponse page,
                          session.Call(session.queue_stub(), &QueueService::Stub::PeekMessages, request));
    for (queue::v1::PeekedMessage& message : *page.mutable_messages()) {
      messages.push_back(std::move(message));
    }
    more = !page.next_page_token().empty();
    request.set_page_token(page.next_page_token());
  } while (more && static_cast<int>(messages.size()) < options.max);
  Json document = {{"messages", Json::array()}, {"more", more}};
  for (const queue::v1::PeekedMessage& message : messages) {
    document["messages"].push_back(ToJson(message));
  }
  if (!session.json && messages.empty()) session.Remark("No messages.");
  session.PrintResult(document, messages.empty() ? "" : PeekedText(messages));
  if (!session.json && more) session.Remark("There may be more; --max shows them.");
  return ExitCode::kOk;
}

// "+1.500s" after the first instant that is known.
std::string Elapsed(const std::optional<absl::Time>& first, const queue::v1::TraceEvent& event) {
  if (!first.has_value() || !event.has_at()) return "";
  return absl::StrCat("+", DurationText(absl::Trunc(ToTime(event.at()) - *first, absl::Milliseconds(1))));
}

std::string DetailsOf(const queue::v1::TraceEvent& event) {
  std::vector<std::string> parts;
  if (event.kind() == queue::v1::TRACE_EVENT_KIND_RECEIVED) {
    parts.push_back(absl::StrCat("receive ", event.receive_count()));
  }
  if (!event.consumer().empty()) parts.push_back(absl::StrCat("by ", event.consumer()));
  if (event.has_visible_at()) {
    const char* what = event.kind() == queue::v1::TRACE_EVENT_KIND_SENT ? "delayed until " : "hidden until ";
    parts.push_back(absl::StrCat(what, FormatTimestamp(event.visible_at())));
  }
  if (!event.peer_queue_arn().empty()) {
    const char* way = event.kind() == queue::v1::TRACE_EVENT_KIND_MOVED_IN ? "from " : "to ";
    parts.push_back(absl::StrCat(way, QueueNameOf(event.peer_queue_arn())));
  }
  return absl::StrJoin(parts, ", ");
}

absl::StatusOr<ExitCode> Trace(Session& session, const TraceOptions& options) {
  queue::v1::TraceMessageRequest request;
  *request.mutable_namespace_() = session.Namespace();
  request.set_message_id(options.message_id);
  // It reads all that there is.
  WEIR_ASSIGN_OR_RETURN(const queue::v1::TraceMessageResponse response,
                        session.Call(session.queue_stub(), &QueueService::Stub::TraceMessage, request,
                                     absl::Minutes(1)));
  Json document = {{"message_id", options.message_id}, {"events", Json::array()}};
  Table table({"TIME", "ELAPSED", "WHAT", "QUEUE", "DETAILS"});
  std::optional<absl::Time> first;
  for (const queue::v1::TraceEvent& event : response.events()) {
    document["events"].push_back(ToJson(event));
    if (!first.has_value() && event.has_at()) first = ToTime(event.at());
    table.AddRow({event.has_at() ? FormatTimestamp(event.at()) : "?", Elapsed(first, event),
                  Words(queue::v1::TraceEventKind_Name(event.kind()), "TRACE_EVENT_KIND_"),
                  QueueNameOf(event.queue_arn()), DetailsOf(event)});
  }
  session.PrintResult(document, table.ToString());
  return ExitCode::kOk;
}

}  // namespace

void AddPeekCommand(CLI::App& queue, Session& session) {
  CLI::App* peek = queue.add_subcommand("peek", "Show messages without receiving them");
  auto options = std::make_shared<PeekOptions>();
  peek->add_option("queue", options->queue, "Name of the queue")->required()->type_name(kQueueType);
  peek->add_option("--state", options->states, "Only messages in this state; may be repeated (default: all)")
      ->check(CLI::IsMember({"ready", "in-flight", "delayed"}))->expected(1)->take_all();
  peek->add_option("--group", options->group, "Only messages of this group")->type_name("GROUP");
  peek->add_option("--id", options->id, "Only the message with this id")->type_name("ID");
  peek->add_option("--contains", options->contains, "Only messages whose body contains this text")
      ->type_name("TEXT");
  peek->add_option("--min-receives", options->min_receives, "Only messages received at least so often")
      ->type_name("N")->check(CLI::NonNegativeNumber);
  peek->add_option("--max", options->max, "Messages at most")->type_name("N")->check(CLI::PositiveNumber)
      ->capture_default_str();
  SetExamples(*peek, {"weir queue peek orders", "weir queue peek orders --state in-flight --state delayed --max 100",
                      "weir queue peek orders-dlq --contains 4711 -o json | jq -r '.messages[].body'"});
  peek->callback([&session, options] {
    session.action = [&session, options] { return Peek(session, *options); };
  });
}

void AddTraceCommand(CLI::App& app, Session& session) {
  CLI::App* trace = app.add_subcommand("trace", "Tell where a message was and when");
  auto options = std::make_shared<TraceOptions>();
  trace->add_option("message-id", options->message_id, "Id of the message, as send showed it")
      ->required()->type_name("ID");
  SetExamples(*trace, {"weir trace \"$(weir send orders 'Hello')\"",
                       "weir trace 0f8fad5b-d9cb-469f-a165-70867728950e -o json | jq -r '.events[].kind'"});
  trace->callback([&session, options] {
    session.action = [&session, options] { return Trace(session, *options); };
  });
}

}  // namespace weir::cli
