// weir queue create|list|describe|update|delete|purge, and peek (inspect_commands.cc)
#include <map>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/units.h"
#include "libs/base/status_macros.h"

namespace weir::cli {
namespace {

using queue::v1::QueueService;

// The attributes as options; what was not given is not set in the request.
struct AttributeOptions {
  absl::Duration visibility_timeout = absl::Seconds(30);
  absl::Duration delay = absl::ZeroDuration();
  absl::Duration retention = absl::Hours(96);
  absl::Duration receive_wait_time = absl::ZeroDuration();
  int maximum_message_bytes = 1'048'576;
  std::string dead_letter_queue;
  int max_receive_count = 0;
  bool no_dead_letter_queue = false;
  std::string redrive_allow;
  CLI::App* command = nullptr;

  bool Given(const char* option) const { return command->count(option) > 0; }
};

struct QueueOptions {
  std::string name;
  std::string prefix;
  bool stats = false;
  AttributeOptions attributes;
};

void AddAttributeOptions(CLI::App& command, AttributeOptions& options, bool update) {
  options.command = &command;
  AddDuration(command, "--visibility-timeout", options.visibility_timeout,
              "How long a received message stays hidden, 0s to 12h");
  AddDuration(command, "--delay", options.delay, "How long a sent message waits, 0s to 15m");
  AddDuration(command, "--retention", options.retention, "How long a message is kept, 60s to 14d");
  AddDuration(command, "--receive-wait-time", options.receive_wait_time,
              "How long a receive waits for a message, 0s to 20s");
  command.add_option("--maximum-message-bytes", options.maximum_message_bytes,
                     "Largest message with its attributes, 1024 to 1048576")
      ->type_name("BYTES")->capture_default_str();
  CLI::Option* dead_letter_queue =
      command.add_option("--dead-letter-queue", options.dead_letter_queue,
                         "Where messages go that failed, a name or an ARN; needs --max-receive-count")
          ->type_name(kQueueType);
  CLI::Option* count = command.add_option("--max-receive-count", options.max_receive_count,
                                          "Receives after which a message has failed, 1 to 1000")
                           ->type_name("N");
  dead_letter_queue->needs(count);
  count->needs(dead_letter_queue);
  if (update) {
    command.add_flag("--no-dead-letter-queue", options.no_dead_letter_queue, "Remove the redrive policy")
        ->excludes(dead_letter_queue);
  }
  command.add_option("--redrive-allow", options.redrive_allow,
                     "Who may use this queue as dead-letter queue: all, none, or queues, separated by commas")
      ->type_name("WHO");
  if (!update) return;
  for (CLI::Option* option : command.get_options()) option->default_str("");
}

void FillRedriveAllow(const Session& session, const std::string& who,
                      queue::v1::RedriveAllowPolicy& policy) {
  if (who == "all") {
    policy.set_redrive_permission(queue::v1::REDRIVE_PERMISSION_ALLOW_ALL);
  } else if (who == "none") {
    policy.set_redrive_permission(queue::v1::REDRIVE_PERMISSION_DENY_ALL);
  } else {
    policy.set_redrive_permission(queue::v1::REDRIVE_PERMISSION_BY_QUEUE);
    for (const auto name : absl::StrSplit(who, ',')) policy.add_source_queue_arns(session.QueueArn(name));
  }
}

queue::v1::QueueAttributes AttributesOf(const Session& session, const AttributeOptions& options) {
  queue::v1::QueueAttributes attributes;
  if (options.Given("--visibility-timeout")) {
    *attributes.mutable_visibility_timeout() = ToProto(options.visibility_timeout);
  }
  if (options.Given("--delay")) *attributes.mutable_delay() = ToProto(options.delay);
  if (options.Given("--retention")) *attributes.mutable_retention() = ToProto(options.retention);
  if (options.Given("--receive-wait-time")) {
    *attributes.mutable_receive_wait_time() = ToProto(options.receive_wait_time);
  }
  if (options.Given("--maximum-message-bytes")) {
    attributes.set_maximum_message_bytes(options.maximum_message_bytes);
  }
  if (options.Given("--dead-letter-queue")) {
    attributes.mutable_redrive_policy()->set_dead_letter_queue_arn(
        session.QueueArn(options.dead_letter_queue));
    attributes.mutable_redrive_policy()->set_max_receive_count(options.max_receive_count);
  }
  if (options.no_dead_letter_queue) attributes.mutable_redrive_policy();  // empty: removes it
  if (options.Given("--redrive-allow")) {
    FillRedriveAllow(session, options.redrive_allow, *attributes.mutable_redrive_allow_policy());
  }
  return attributes;
}

std::string RedriveText(const queue::v1::QueueAttributes& attributes) {
  if (!attributes.has_redrive_policy()) return "";
  return absl::StrCat(attributes.redrive_policy().dead_letter_queue_arn(), " after ",
                      attributes.redrive_policy().max_receive_count(), " receives");
}

std::string RedriveAllowText(const queue::v1::QueueAttributes& attributes) {
  if (!attributes.has_redrive_allow_policy()) return "";
  const queue::v1::RedriveAllowPolicy& policy = attributes.redrive_allow_policy();
  switch (policy.redrive_permission()) {
    case queue::v1::REDRIVE_PERMISSION_DENY_ALL:
      return "none";
    case queue::v1::REDRIVE_PERMISSION_BY_QUEUE:
      return absl::StrJoin(policy.source_queue_arns(), ", ");
    default:
      return "all";
  }
}

std::string QueueText(const queue::v1::Queue& queue) {
  const queue::v1::QueueAttributes& attributes = queue.attributes();
  std::vector<std::pair<std::string, std::string>> fields = {
      {"Name", queue.name()},
      {"ARN", queue.arn()},
      {"Visibility timeout", DurationText(FromProto(attributes.visibility_timeout()))},
      {"Delay", DurationText(FromProto(attributes.delay()))},
      {"Retention", DurationText(FromProto(attributes.retention()))},
      {"Receive wait time", DurationText(FromProto(attributes.receive_wait_time()))},
      {"Maximum message", FormatBytes(attributes.maximum_message_bytes())},
      {"Dead-letter queue", RedriveText(attributes)},
      {"Redrive allowed for", RedriveAllowText(attributes)},
      {"Created", FormatTimestamp(queue.created_at())}};
  if (queue.has_stats()) {
    fields.push_back({"Ready", absl::StrCat(queue.stats().ready())});
    fields.push_back({"In flight", absl::StrCat(queue.stats().in_flight())});
    fields.push_back({"Delayed", absl::StrCat(queue.stats().delayed())});
    fields.push_back({"Oldest message", queue.stats().has_oldest_message_age()
                                            ? DurationText(FromProto(queue.stats().oldest_message_age()))
                                            : ""});
  }
  return FormatFields(fields);
}

absl::StatusOr<ExitCode> CreateQueue(Session& session, const QueueOptions& options) {
  queue::v1::CreateQueueRequest request;
  *request.mutable_queue() = session.Queue(options.name);
  *request.mutable_attributes() = AttributesOf(session, options.attributes);
  WEIR_ASSIGN_OR_RETURN(const queue::v1::CreateQueueResponse response,
                        session.Call(session.queue_stub(), &QueueService::Stub::CreateQueue, request));
  Json document = ToJson(response.queue());
  document["created"] = response.created();
  session.PrintResult(document,
                      absl::StrCat(response.created() ? "Created " : "Exists already: ",
                                   response.queue().arn(), "\n"));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> ListQueues(Session& session, const QueueOptions& options) {
  queue::v1::ListQueuesRequest request;
  *request.mutable_namespace_() = session.Namespace();
  request.set_name_prefix(options.prefix);
  request.set_include_stats(true);
  Json document = {{"queues", Json::array()}};
  Table table({"NAME", "READY", "IN FLIGHT", "DELAYED", "VISIBILITY", "DEAD-LETTER QUEUE"});
  do {
    WEIR_ASSIGN_OR_RETURN(const queue::v1::ListQueuesResponse response,
                          session.Call(session.queue_stub(), &QueueService::Stub::ListQueues, request));
    for (const queue::v1::Queue& queue : response.queues()) {
      document["queues"].push_back(ToJson(queue));
      const std::string& arn = queue.attributes().redrive_policy().dead_letter_queue_arn();
      table.AddRow({queue.name(), absl::StrCat(queue.stats().ready()),
                    absl::StrCat(queue.stats().in_flight()), absl::StrCat(queue.stats().delayed()),
                    DurationText(FromProto(queue.attributes().visibility_timeout())),
                    arn.substr(arn.rfind(':') + 1)});
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  if (document["queues"].empty() && !session.json) session.Remark("No queues.");
  session.PrintResult(document, document["queues"].empty() ? "" : table.ToString());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> DescribeQueue(Session& session, const QueueOptions& options) {
  queue::v1::GetQueueRequest request;
  *request.mutable_queue() = session.Queue(options.name);
  WEIR_ASSIGN_OR_RETURN(const queue::v1::GetQueueResponse response,
                        session.Call(session.queue_stub(), &QueueService::Stub::GetQueue, request));
  session.PrintResult(ToJson(response.queue()), QueueText(response.queue()));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> UpdateQueue(Session& session, const QueueOptions& options) {
  queue::v1::UpdateQueueRequest request;
  *request.mutable_queue() = session.Queue(options.name);
  *request.mutable_attributes() = AttributesOf(session, options.attributes);
  if (request.attributes().ByteSizeLong() == 0) {
    return UsageError("queue update changes nothing: give at least one attribute");
  }
  WEIR_ASSIGN_OR_RETURN(const queue::v1::UpdateQueueResponse response,
                        session.Call(session.queue_stub(), &QueueService::Stub::UpdateQueue, request));
  session.PrintResult(ToJson(response.queue()), absl::StrCat("Updated ", response.queue().arn(), "\n"));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> DeleteQueue(Session& session, const QueueOptions& options) {
  queue::v1::DeleteQueueRequest request;
  *request.mutable_queue() = session.Queue(options.name);
  WEIR_RETURN_IF_ERROR(
      session.Call(session.queue_stub(), &QueueService::Stub::DeleteQueue, request).status());
  session.PrintResult({{"name", options.name}, {"deleted", true}},
                      absl::StrCat("Deleted ", options.name, "\n"));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> PurgeQueue(Session& session, const QueueOptions& options) {
  queue::v1::PurgeQueueRequest request;
  *request.mutable_queue() = session.Queue(options.name);
  WEIR_ASSIGN_OR_RETURN(const queue::v1::PurgeQueueResponse response,
                        session.Call(session.queue_stub(), &QueueService::Stub::PurgeQueue, request));
  session.PrintResult({{"name", options.name}, {"removed_messages", response.removed_messages()}},
                      absl::StrCat("Removed ", response.removed_messages(), " messages from ",
                                   options.name, "\n"));
  return ExitCode::kOk;
}

}  // namespace

void AddQueueCommands(CLI::App& app, Session& session) {
  CLI::App* queue = app.add_subcommand("queue", "Create, look at, change and delete queues");
  queue->require_subcommand(1);
  SetExamples(*queue, {"weir queue create orders-dlq",
                       "weir queue create orders --visibility-timeout 60s --dead-letter-queue orders-dlq "
                       "--max-receive-count 3",
                       "weir queue list"});
  using Run = absl::StatusOr<ExitCode> (*)(Session&, const QueueOptions&);
  const auto add = [&](const char* name, const char* about, Run run) {
    auto options = std::make_shared<QueueOptions>();
    CLI::App* command = queue->add_subcommand(name, about);
    command->callback([&session, options, run] {
      session.action = [&session, options, run] { return run(session, *options); };
    });
    return std::pair(command, options);
  };
  const auto add_named = [&](const char* name, const char* about, Run run, const char* type) {
    auto result = add(name, about, run);
    result.first->add_option("queue", result.second->name, "Name of the queue")->required()->type_name(type);
    return result;
  };

  const auto [create, create_options] =
      add_named("create", "Create a queue; one with the same attributes may exist", CreateQueue, "NAME");
  AddAttributeOptions(*create, create_options->attributes, false);
  SetExamples(*create, {"weir queue create orders", "weir queue create orders --visibility-timeout 5m --retention 14d",
                        "weir queue create orders --dead-letter-queue orders-dlq --max-receive-count 3"});
  const auto [list, list_options] = add("list", "List queues with exact counts of their messages", ListQueues);
  list->add_option("--prefix", list_options->prefix, "Only names that start with it")->type_name("TEXT");
  SetExamples(*list, {"weir queue list", "weir queue list --prefix orders -o json"});
  const auto [describe, describe_options] =
      add_named("describe", "Show a queue's attributes and counts", DescribeQueue, kQueueType);
  SetExamples(*describe, {"weir queue describe orders", "weir queue describe orders -o json | jq .stats.ready"});
  const auto [update, update_options] =
      add_named("update", "Change attributes; what is not given stays", UpdateQueue, kQueueType);
  AddAttributeOptions(*update, update_options->attributes, true);
  SetExamples(*update, {"weir queue update orders --visibility-timeout 2m",
                        "weir queue update orders --no-dead-letter-queue"});
  const auto [remove, remove_options] =
      add_named("delete", "Delete a queue with everything in it", DeleteQueue, kQueueType);
  SetExamples(*remove, {"weir queue delete orders"});
  const auto [purge, purge_options] =
      add_named("purge", "Remove every message of a queue", PurgeQueue, kQueueType);
  SetExamples(*purge, {"weir queue purge orders"});
  AddPeekCommand(*queue, session);
}

}  // namespace weir::cli
