#include "cli/json.h"

#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "cli/units.h"

namespace weir::cli {
namespace {

Json Seconds(const google::protobuf::Duration& duration) {
  const double seconds = absl::ToDoubleSeconds(FromProto(duration));
  if (duration.nanos() == 0) return duration.seconds();
  return seconds;
}

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

template <typename Proto>
Json Time(bool there, const Proto& timestamp) {
  return there ? Json(FormatTimestamp(timestamp)) : Json(nullptr);
}

std::string WithoutPrefix(absl::string_view name, absl::string_view prefix) {
  return std::string(absl::StripPrefix(name, prefix));
}

Json RedriveAllowPolicyJson(const queue::v1::RedriveAllowPolicy& policy) {
  return {{"redrive_permission", WithoutPrefix(queue::v1::RedrivePermission_Name(policy.redrive_permission()),
                                               "REDRIVE_PERMISSION_")},
          {"source_queue_arns", std::vector<std::string>(policy.source_queue_arns().begin(),
                                                         policy.source_queue_arns().end())}};
}

// A protobuf map has no order; the document has.
Json TextsJson(const google::protobuf::Map<std::string, std::string>& texts) {
  Json document = Json::object();
  for (const auto& [key, value] : std::map<std::string, std::string>(texts.begin(), texts.end())) document[key] = value;
  return document;
}

Json AttributesJson(const queue::v1::QueueAttributes& attributes) {
  Json document = {
      {"visibility_timeout_seconds", Seconds(attributes.visibility_timeout())},
      {"delay_seconds", Seconds(attributes.delay())},
      {"retention_seconds", Seconds(attributes.retention())},
      {"maximum_message_bytes", attributes.maximum_message_bytes()},
      {"receive_wait_time_seconds", Seconds(attributes.receive_wait_time())},
      {"fifo_queue", attributes.fifo_queue()},
      {"content_based_deduplication", nullptr},
      {"deduplication_scope", nullptr},
      {"fifo_throughput_limit", nullptr},
      {"partitions", attributes.partitions()},
      {"redrive_policy", nullptr},
      {"redrive_allow_policy", nullptr},
      {"policy", OrNull(attributes.policy())},
      {"annotations", TextsJson(attributes.annotations())}};
  if (attributes.fifo_queue()) {
    document["content_based_deduplication"] = attributes.content_based_deduplication();
    document["deduplication_scope"] = WithoutPrefix(
        queue::v1::DeduplicationScope_Name(attributes.deduplication_scope()), "DEDUPLICATION_SCOPE_");
    document["fifo_throughput_limit"] = WithoutPrefix(
        queue::v1::FifoThroughputLimit_Name(attributes.fifo_throughput_limit()), "FIFO_THROUGHPUT_LIMIT_");
  }
  if (attributes.has_redrive_policy()) {
    document["redrive_policy"] = {
        {"dead_letter_queue_arn", attributes.redrive_policy().dead_letter_queue_arn()},
        {"max_receive_count", attributes.redrive_policy().max_receive_count()}};
  }
  if (attributes.has_redrive_allow_policy()) {
    document["redrive_allow_policy"] = RedriveAllowPolicyJson(attributes.redrive_allow_policy());
  }
  return document;
}

Json AttributesJson(
    const google::protobuf::Map<std::string, queue::v1::MessageAttributeValue>& attributes) {
  Json document = Json::object();
  const std::map<std::string, queue::v1::MessageAttributeValue> sorted(attributes.begin(),
                                                                       attributes.end());
  for (const auto& [name, value] : sorted) {
    document[name] = {{"data_type", value.data_type()}, {"value", FormatAttributeValue(value)}};
  }
  return document;
}

}  // namespace

Json ToJson(const queue::v1::Queue& queue) {
  Json document = {{"name", queue.name()},
                   {"arn", queue.arn()},
                   {"account", queue.namespace_().account()},
                   {"region", queue.namespace_().region()},
                   {"attributes", AttributesJson(queue.attributes())},
                   {"tags", TextsJson(queue.tags())},
                   {"created_at", Time(queue.has_created_at(), queue.created_at())},
                   {"modified_at", Time(queue.has_modified_at(), queue.modified_at())},
                   {"stats", nullptr}};
  if (!queue.has_stats()) return document;
  const queue::v1::QueueStats& stats = queue.stats();
  document["stats"] = {{"ready", stats.ready()},
                       {"in_flight", stats.in_flight()},
                       {"delayed", stats.delayed()},
                       {"blocked", stats.blocked()},
                       {"oldest_message_age_seconds", stats.has_oldest_message_age()
                                                          ? Seconds(stats.oldest_message_age())
                                                          : Json(nullptr)}};
  return document;
}

Json ToJson(const queue::v1::MessageGroup& group) {
  Json document = {{"message_group_id", group.message_group_id()},
                   {"ready", group.ready()},
                   {"in_flight", group.in_flight()},
                   {"delayed", group.delayed()},
                   {"noisy", group.noisy()},
                   {"blocked_by", nullptr}};
  if (!group.has_blocked_by()) return document;
  const queue::v1::MessageGroupBlock& block = group.blocked_by();
  document["blocked_by"] = {{"message_id", block.message_id()},
                            {"since", Time(block.has_since(), block.since())},
                            {"until", Time(block.has_until(), block.until())},
                            {"receive_count", block.receive_count()},
                            {"consumer", OrNull(block.consumer())}};
  return document;
}

Json ToJson(const queue::v1::SentMessage& message) {
  return {{"message_id", message.message_id()},
          {"md5_of_body", message.md5_of_body()},
          {"md5_of_message_attributes", OrNull(message.md5_of_message_attributes())},
          {"sequence_number", OrNull(message.sequence_number())}};
}

Json ToJson(const queue::v1::ReceivedMessage& message) {
  return {{"message_id", message.message_id()},
          {"receipt_handle", message.receipt_handle()},
          {"body", message.body()},
          {"md5_of_body", message.md5_of_body()},
          {"message_attributes", AttributesJson(message.message_attributes())},
          {"receive_count", message.receive_count()},
          {"sent_at", Time(message.has_sent_at(), message.sent_at())},
          {"first_received_at", Time(message.has_first_received_at(), message.first_received_at())},
          {"visible_at", Time(message.has_visible_at(), message.visible_at())},
          {"sender_id", OrNull(message.sender_id())},
          {"dead_letter_queue_source_arn", OrNull(message.dead_letter_queue_source_arn())},
          {"message_group_id", OrNull(message.message_group_id())},
          {"message_deduplication_id", OrNull(message.message_deduplication_id())},
          {"sequence_number", OrNull(message.sequence_number())}};
}

Json ToJson(const queue::v1::PeekedMessage& message) {
  return {{"message_id", message.message_id()},
          {"state", WithoutPrefix(queue::v1::MessageState_Name(message.state()), "MESSAGE_STATE_")},
          {"body", message.body()},
          {"body_bytes", message.body_bytes()},
          {"message_attributes", AttributesJson(message.message_attributes())},
          {"receive_count", message.receive_count()},
          {"sent_at", Time(message.has_sent_at(), message.sent_at())},
          {"first_received_at", Time(message.has_first_received_at(), message.first_received_at())},
          {"visible_at", Time(message.has_visible_at(), message.visible_at())},
          {"dead_letter_queue_source_arn", OrNull(message.dead_letter_queue_source_arn())},
          {"message_group_id", OrNull(message.message_group_id())},
          {"message_deduplication_id", OrNull(message.message_deduplication_id())},
          {"sequence_number", OrNull(message.sequence_number())}};
}

Json ToJson(const queue::v1::TraceEvent& event) {
  return {{"at", Time(event.has_at(), event.at())},
          {"kind", WithoutPrefix(queue::v1::TraceEventKind_Name(event.kind()), "TRACE_EVENT_KIND_")},
          {"queue_arn", event.queue_arn()},
          {"receive_count", event.receive_count()},
          {"visible_at", Time(event.has_visible_at(), event.visible_at())},
          {"consumer", OrNull(event.consumer())},
          {"peer_queue_arn", OrNull(event.peer_queue_arn())}};
}

Json ToJson(const queue::v1::MessageMoveTask& task) {
  return {{"task_handle", task.task_handle()},
          {"status", StatusName(task.status())},
          {"source_arn", task.source_arn()},
          {"destination_arn", OrNull(task.destination_arn())},
          {"max_messages_per_second", task.has_max_messages_per_second()
                                          ? Json(task.max_messages_per_second())
                                          : Json(nullptr)},
          {"messages_moved", task.messages_moved()},
          {"messages_to_move", task.messages_to_move()},
          {"failure_message", OrNull(task.failure_message())},
          {"started_at", Time(task.has_started_at(), task.started_at())},
          {"ended_at", Time(task.has_ended_at(), task.ended_at())}};
}

Json ToJson(const runner::v1::Function& function) {
  const runner::v1::FunctionConfiguration& configuration = function.configuration();
  const std::map<std::string, std::string> environment(
      configuration.environment().variables().begin(), configuration.environment().variables().end());
  return {{"name", function.name()},
          {"arn", function.arn()},
          {"runtime", configuration.runtime()},
          {"handler", configuration.handler()},
          {"timeout_seconds", Seconds(configuration.timeout())},
          {"memory_mib", configuration.memory_mib()},
          {"concurrency_limit", configuration.concurrency_limit()},
          {"description", OrNull(configuration.description())},
          {"environment", Json(environment)},
          {"code_sha256", function.code_sha256()},
          {"code_bytes", function.code_bytes()},
          {"revision", function.revision()},
          {"created_at", Time(function.has_created_at(), function.created_at())},
          {"modified_at", Time(function.has_modified_at(), function.modified_at())}};
}

Json ToJson(const runner::v1::Runtime& runtime) {
  return {{"name", runtime.name()},
          {"available", runtime.available()},
          {"version", OrNull(runtime.version())},
          {"interpreter", OrNull(runtime.interpreter())},
          {"unavailable_reason", OrNull(runtime.unavailable_reason())}};
}

Json ToJson(const runner::v1::EventSourceMapping& mapping) {
  const runner::v1::EventSourceMappingConfiguration& configuration = mapping.configuration();
  return {{"uuid", mapping.uuid()},
          {"arn", mapping.arn()},
          {"function_arn", mapping.function_arn()},
          {"event_source_arn", mapping.event_source_arn()},
          {"batch_size", configuration.batch_size()},
          {"maximum_batching_window_seconds", Seconds(configuration.maximum_batching_window())},
          {"enabled", configuration.enabled()},
          {"maximum_concurrency", configuration.maximum_concurrency()},
          {"report_batch_item_failures", configuration.report_batch_item_failures()},
          {"state", StateName(mapping.state())},
          {"state_reason", OrNull(mapping.state_reason())},
          {"last_processing_result", OrNull(mapping.last_processing_result())},
          {"created_at", Time(mapping.has_created_at(), mapping.created_at())},
          {"modified_at", Time(mapping.has_modified_at(), mapping.modified_at())}};
}

Json ToJson(const runner::v1::LogLine& line) {
  return {{"position", line.position()},
          {"logged_at", FormatTimestamp(line.logged_at())},
          {"request_id", OrNull(line.request_id())},
          {"stream", absl::AsciiStrToLower(
                         WithoutPrefix(runner::v1::LogStream_Name(line.stream()), "LOG_STREAM_"))},
          {"text", line.text()}};
}

std::string StateName(runner::v1::EventSourceMappingState state) {
  return WithoutPrefix(runner::v1::EventSourceMappingState_Name(state), "EVENT_SOURCE_MAPPING_STATE_");
}

std::string StatusName(queue::v1::MessageMoveTaskStatus status) {
  return WithoutPrefix(queue::v1::MessageMoveTaskStatus_Name(status), "MESSAGE_MOVE_TASK_STATUS_");
}

std::string OutcomeName(runner::v1::InvocationOutcome outcome) {
  return WithoutPrefix(runner::v1::InvocationOutcome_Name(outcome), "INVOCATION_OUTCOME_");
}

}  // namespace weir::cli
