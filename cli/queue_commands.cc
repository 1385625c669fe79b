// weir queue create|list|describe|update|delete|purge|groups|tag|untag, and peek (inspect_commands.cc), add-permission and
// remove-permission (permission_commands.cc)
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
  int partitions = 1;
  std::string dead_letter_queue;
  int max_receive_count = 0;
  bool no_dead_letter_queue = false;
  std::string redrive_allow;
  std::string policy;
  std::string policy_file;
  bool no_policy = false;
  bool fifo = false;
  bool content_based_deduplication = false;
  std::string deduplication_scope;
  std::string throughput_limit;
  CLI::App* command = nullptr;

  bool Given(const char* option) const { return command->count(option) > 0; }
};

struct QueueOptions {
  std::string name;
  std::string prefix;
  bool stats = false;
  bool blocked_only = false;
  std::vector<std::string> tags;      // KEY=VALUE
  std::vector<std::string> tag_keys;  // for untag
  AttributeOptions attributes;
};

void AddFifoOptions(CLI::App& command, AttributeOptions& options, bool update) {
  if (!update) {
    command.add_flag("--fifo", options.fifo,
                     "A FIFO queue: order and deduplication by group; the name must end in .fifo");
  }
  command.add_flag("--content-based-deduplication,!--no-content-based-deduplication",
                   options.content_based_deduplication,
                   "FIFO: a message without a deduplication id gets the SHA-256 of its body");
  command.add_option("--deduplication-scope", options.deduplication_scope,
                     "FIFO: within what a deduplication id is unique")
      ->type_name("SCOPE")->check(CLI::IsMember({"queue", "group"}));
  command.add_option("--throughput-limit", options.throughput_limit,
                     "FIFO: what SQS counts its quota by; group needs --deduplication-scope group")
      ->type_name("LIMIT")->check(CLI::IsMember({"queue", "group"}));
}

void AddPolicyOptions(CLI::App& command, AttributeOptions& options, bool update) {
  CLI::Option* policy = command.add_option("--policy", options.policy,
                                           "What other accounts may do with the queue, a JSON document as of SQS")
                            ->type_name("JSON");
  CLI::Option* file = command.add_option("--policy-file", options.policy_file, "The same from a file; -: stdin")
                          ->type_name("FILE")->excludes(policy);
  if (!update) return;
  command.add_flag("--no-policy", options.no_policy, "Remove the policy")->excludes(policy)->excludes(file);
}

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
  command.add_option("--partitions", options.partitions,
                     update ? "Partitions to spread the queue over, more than it has now, up to 64"
                            : "Partitions to spread the queue over, 1 to 64; a FIFO queue needs --throughput-limit group")
      ->type_name("N")->capture_default_str();
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
  AddPolicyOptions(command, options, update);
  AddFifoOptions(command, options, update);
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

absl::StatusOr<queue::v1::QueueAttributes> AttributesOf(const Session& session, const AttributeOptions& options) {
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
  if (options.Given("--partitions")) attributes.set_partitions(options.partitions);
  if (options.Given("--dead-letter-queue")) {
    attributes.mutable_redrive_policy()->set_dead_letter_queue_arn(
        session.QueueArn(options.dead_letter_queue));
    attributes.mutable_redrive_policy()->set_max_receive_count(options.max_receive_count);
  }
  if (options.no_dead_letter_queue) attributes.mutable_redrive_policy();  // empty: removes it
  if (options.Given("--redrive-allow")) {
    FillRedriveAllow(session, options.redrive_allow, *attributes.mutable_redrive_allow_policy());
  }
  if (options.Given("--policy")) attributes.set_policy(options.policy);
  if (options.Given("--policy-file")) {
    WEIR_ASSIGN_OR_RETURN(*attributes.mutable_policy(), ReadFileOrStdin(options.policy_file));
  }
  if (options.no_policy) attributes.set_policy("");  // removes it
  if (options.fifo) attributes.set_fifo_queue(true);
  if (options.Given("--content-based-deduplication")) {
    attributes.set_content_based_deduplication(options.content_based_deduplication);
  }
  if (options.Given("--deduplication-scope")) {
    attributes.set_deduplication_scope(options.deduplication_scope == "group"
                                           ? queue::v1::DEDUPLICATION_SCOPE_MESSAGE_GROUP
                                           : queue::v1::DEDUPLICATION_SCOPE_QUEUE);
  }
  if (options.Given("--throughput-limit")) {
    attributes.set_fifo_throughput_limit(options.throughput_limit == "group"
                                             ? queue::v1::FIFO_THROUGHPUT_LIMIT_PER_MESSAGE_GROUP_ID
                                             : queue::v1::FIFO_THROUGHPUT_LIMIT_PER_QUEUE);
  }
  return attributes;
}

// Adds "KEY=VALUE" texts to a request's tags.
absl::Status FillTags(const std::vector<std::string>& texts,
                      google::protobuf::Map<std::string, std::string>& tags) {
  for (const std::string& text : texts) {
    absl::StatusOr<KeyValue> tag = ParseKeyValue("tag", text);
    if (!tag.ok()) return UsageError(std::string(tag.status().message()));
    tags[std::move(tag->key)] = std::move(tag->value);
  }
  return absl::OkStatus();
}

// In the order of their keys.
std::string TextsText(const google::protobuf::Map<std::string, std::string>& texts) {
  const std::map<std::string, std::string> sorted(texts.begin(), texts.end());
  return absl::StrJoin(sorted, " ", absl::PairFormatter("="));
}

// On one line.
std::string PolicyText(const std::string& policy) {
  const Json document = Json::parse(policy, nullptr, /*allow_exceptions=*/false);
  return document.is_discarded() ? policy : document.dump();
}

using Fields = std::vector<std::pair<std::string, std::string>>;

void AddFifoFields(const queue::v1::QueueAttributes& attributes, Fields& fields) {
  if (!attributes.fifo_queue()) return;
  fields.push_back({"Deduplication", absl::StrCat(attributes.deduplication_scope() ==
                                                          queue::v1::DEDUPLICATION_SCOPE_MESSAGE_GROUP
                                                      ? "by group"
                                                      : "by queue",
                                                  attributes.content_based_deduplication()
                                                      ? ", content-based"
                                                      : "")});
  fields.push_back({"Throughput limit", attributes.fifo_throughput_limit() ==
                                                queue::v1::FIFO_THROUGHPUT_LIMIT_PER_MESSAGE_GROUP_ID
                                            ? "by group"
                                            : "by queue"});
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
  Fields fields = {
      {"Name", queue.name()},
      {"ARN", queue.arn()},
      {"Type", attributes.fifo_queue() ? "FIFO" : "standard"},
      {"Visibility timeout", DurationText(FromProto(attributes.visibility_timeout()))},
      {"Delay", DurationText(FromProto(attributes.delay()))},
      {"Retention", DurationText(FromProto(attributes.retention()))},
      {"Receive wait time", DurationText(FromProto(attributes.receive_wait_time()))},
      {"Maximum message", FormatBytes(attributes.maximum_message_bytes())},
      {"Partitions", absl::StrCat(attributes.partitions())},
      {"Dead-letter queue", RedriveText(attributes)},
      {"Redrive allowed for", RedriveAllowText(attributes)},
      {"Policy", PolicyText(attributes.policy())},
      {"Annotations", TextsText(attributes.annotations())},
      {"Tags", TextsText(queue.tags())},
      {"Created", FormatTimestamp(queue.created_at())}};
  AddFifoFields(attributes, fields);
  if (queue.has_stats()) {
    fields.push_back({"Ready", absl::StrCat(queue.stats().ready())});
    if (attributes.fifo_queue()) {
      fields.push_back({"Blocked of them", absl::StrCat(queue.stats().blocked())});
    }
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
  WEIR_ASSIGN_OR_RETURN(*request.mutable_attributes(), AttributesOf(session, options.attributes));
  WEIR_RETURN_IF_ERROR(FillTags(options.tags, *request.mutable_tags()));
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

// Every group, or those that are blocked only, in the order of their ids.
absl::StatusOr<std::vector<queue::v1::MessageGroup>> GroupsOf(Session& session, const std::string& name,
                                                              bool blocked_only) {
  queue::v1::ListMessageGroupsRequest request;
  *request.mutable_queue() = session.Queue(name);
  request.set_blocked_only(blocked_only);
  request.set_page_size(1000);
  std::vector<queue::v1::MessageGroup> groups;
  do {
    WEIR_ASSIGN_OR_RETURN(
        const queue::v1::ListMessageGroupsResponse response,
        session.Call(session.queue_stub(), &QueueService::Stub::ListMessageGroups, request));
    groups.insert(groups.end(), response.groups().begin(), response.groups().end());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return groups;
}

// "message ID, received 2 times, last 12:00:00 by 10.0.0.1:45678, hidden until 12:00:30"
std::string BlockText(const queue::v1::MessageGroup& group) {
  if (!group.has_blocked_by()) return "";
  const queue::v1::MessageGroupBlock& block = group.blocked_by();
  std::string text = absl::StrCat("message ", block.message_id());
  if (block.has_since()) {
    absl::StrAppend(&text, ", received ", block.receive_count(), block.receive_count() == 1 ? " time" : " times",
                    ", last ", FormatTimestamp(block.since()));
    if (!block.consumer().empty()) absl::StrAppend(&text, " by ", block.consumer());
  }
  if (block.has_until()) absl::StrAppend(&text, ", hidden until ", FormatTimestamp(block.until()));
  return text;
}

std::string GroupsText(const std::vector<queue::v1::MessageGroup>& groups) {
  Table table({"GROUP", "READY", "IN FLIGHT", "DELAYED", "NOISY", "BLOCKED BY"});
  for (const queue::v1::MessageGroup& group : groups) {
    table.AddRow({group.message_group_id(), absl::StrCat(group.ready()), absl::StrCat(group.in_flight()),
                  absl::StrCat(group.delayed()), group.noisy() ? "yes" : "", BlockText(group)});
  }
  return table.ToString();
}

Json GroupsJson(const std::vector<queue::v1::MessageGroup>& groups) {
  Json array = Json::array();
  for (const queue::v1::MessageGroup& group : groups) array.push_back(ToJson(group));
  return array;
}

absl::StatusOr<ExitCode> ListGroups(Session& session, const QueueOptions& options) {
  WEIR_ASSIGN_OR_RETURN(const auto groups, GroupsOf(session, options.name, options.blocked_only));
  if (groups.empty() && !session.json) {
    session.Remark(options.blocked_only ? "No blocked groups." : "No message groups.");
  }
  session.PrintResult({{"groups", GroupsJson(groups)}}, groups.empty() ? "" : GroupsText(groups));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> TagQueue(Session& session, const QueueOptions& options) {
  queue::v1::TagQueueRequest request;
  *request.mutable_queue() = session.Queue(options.name);
  WEIR_RETURN_IF_ERROR(FillTags(options.tags, *request.mutable_tags()));
  WEIR_RETURN_IF_ERROR(session.Call(session.queue_stub(), &QueueService::Stub::TagQueue, request).status());
  session.PrintResult({{"name", options.name}, {"tagged", request.tags_size()}},
                      absl::StrCat("Tagged ", options.name, "\n"));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> UntagQueue(Session& session, const QueueOptions& options) {
  queue::v1::UntagQueueRequest request;
  *request.mutable_queue() = session.Queue(options.name);
  for (const std::string& key : options.tag_keys) request.add_tag_keys(key);
  WEIR_RETURN_IF_ERROR(session.Call(session.queue_stub(), &QueueService::Stub::UntagQueue, request).status());
  session.PrintResult({{"name", options.name}, {"untagged", request.tag_keys_size()}},
                      absl::StrCat("Removed tags of ", options.name, "\n"));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> DescribeQueue(Session& session, const QueueOptions& options) {
  queue::v1::GetQueueRequest request;
  *request.mutable_queue() = session.Queue(options.name);
  WEIR_ASSIGN_OR_RETURN(const queue::v1::GetQueueResponse response,
                        session.Call(session.queue_stub(), &QueueService::Stub::GetQueue, request));
  Json document = ToJson(response.queue());
  std::string text = QueueText(response.queue());
  if (response.queue().attributes().fifo_queue()) {
    WEIR_ASSIGN_OR_RETURN(const auto blocked, GroupsOf(session, options.name, /*blocked_only=*/true));
    document["blocked_groups"] = GroupsJson(blocked);
    if (!blocked.empty()) absl::StrAppend(&text, "\nBlocked groups:\n", GroupsText(blocked));
  }
  session.PrintResult(document, text);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> UpdateQueue(Session& session, const QueueOptions& options) {
  queue::v1::UpdateQueueRequest request;
  *request.mutable_queue() = session.Queue(options.name);
  WEIR_ASSIGN_OR_RETURN(*request.mutable_attributes(), AttributesOf(session, options.attributes));
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
  create->add_option("--tag", create_options->tags, "KEY=VALUE; may be repeated")
      ->type_name("TAG")->expected(1)->take_all();
  SetExamples(*create, {"weir queue create orders", "weir queue create orders --visibility-timeout 5m --retention 14d",
                        "weir queue create orders --dead-letter-queue orders-dlq --max-receive-count 3",
                        "weir queue create orders.fifo --fifo --content-based-deduplication --tag team=shop",
                        "weir queue create clicks --partitions 8", "weir queue create orders --policy-file policy.json"});
  const auto [list, list_options] = add("list", "List queues with exact counts of their messages", ListQueues);
  list->add_option("--prefix", list_options->prefix, "Only names that start with it")->type_name("TEXT");
  SetExamples(*list, {"weir queue list", "weir queue list --prefix orders -o json"});
  const auto [describe, describe_options] =
      add_named("describe", "Show a queue's attributes and counts", DescribeQueue, kQueueType);
  SetExamples(*describe, {"weir queue describe orders", "weir queue describe orders -o json | jq .stats.ready"});
  const auto [update, update_options] =
      add_named("update", "Change attributes; what is not given stays", UpdateQueue, kQueueType);
  AddAttributeOptions(*update, update_options->attributes, true);
  SetExamples(*update, {"weir queue update orders --visibility-timeout 2m", "weir queue update orders --partitions 4",
                        "weir queue update orders --no-dead-letter-queue"});
  const auto [remove, remove_options] =
      add_named("delete", "Delete a queue with everything in it", DeleteQueue, kQueueType);
  SetExamples(*remove, {"weir queue delete orders"});
  const auto [purge, purge_options] =
      add_named("purge", "Remove every message of a queue", PurgeQueue, kQueueType);
  SetExamples(*purge, {"weir queue purge orders"});
  const auto [groups, groups_options] =
      add_named("groups", "List the message groups of a queue, and what blocks them", ListGroups, kQueueType);
  groups->add_flag("--blocked", groups_options->blocked_only, "Only groups that are blocked (FIFO queues)");
  SetExamples(*groups, {"weir queue groups orders.fifo", "weir queue groups orders.fifo --blocked"});
  const auto [tag, tag_options] = add_named("tag", "Set tags of a queue; others stay", TagQueue, kQueueType);
  tag->add_option("tag", tag_options->tags, "KEY=VALUE, one or more")->required()->type_name("TAG");
  SetExamples(*tag, {"weir queue tag orders team=shop cost-centre=12"});
  const auto [untag, untag_options] = add_named("untag", "Remove tags of a queue", UntagQueue, kQueueType);
  untag->add_option("key", untag_options->tag_keys, "Keys of the tags, one or more")->required()->type_name("KEY");
  SetExamples(*untag, {"weir queue untag orders team"});
  AddPeekCommand(*queue, session);
  AddPermissionCommands(*queue, session);
}

}  // namespace weir::cli
