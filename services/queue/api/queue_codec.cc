#include "services/queue/api/queue_codec.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/policy/policy.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int32_t kReceiveCountMax = 1000;
constexpr int kAllowedSourcesMax = 10;
constexpr int32_t kPartitionsMax = 64;
constexpr int32_t kMessageBytesMin = 1'024;
constexpr int32_t kMessageBytesMax = 1'048'576;

absl::Status InvalidAttribute(absl::string_view attribute, absl::string_view value,
                              absl::string_view allowed) {
  return MakeError(ErrorReason::kInvalidAttributeValue,
                   absl::StrCat("Value \"", value, "\" for attribute ", attribute, " is invalid: ",
                                allowed, "."),
                   {{"attribute", std::string(attribute)}});
}

absl::Status SetDuration(const google::protobuf::Duration& value, absl::string_view attribute,
                         absl::Duration min, absl::Duration max, absl::Duration& out) {
  WEIR_ASSIGN_OR_RETURN(out, CheckDuration(value, absl::StrCat("attributes.", attribute), min, max,
                                           /*whole_seconds=*/true,
                                           ErrorReason::kInvalidAttributeValue));
  return absl::OkStatus();
}

absl::Status SetRedrivePolicy(const v1::RedrivePolicy& policy,
                              std::optional<store::QueueAttributes::RedrivePolicy>& out) {
  out.reset();
  if (policy.dead_letter_queue_arn().empty() && policy.max_receive_count() == 0) {
    return absl::OkStatus();
  }
  if (policy.max_receive_count() < 1 || policy.max_receive_count() > kReceiveCountMax) {
    return InvalidAttribute("redrive_policy.max_receive_count",
                            absl::StrCat(policy.max_receive_count()),
                            absl::StrCat("must be between 1 and ", kReceiveCountMax));
  }
  if (!engine::ParseQueueArn(policy.dead_letter_queue_arn()).has_value()) {
    return InvalidAttribute("redrive_policy.dead_letter_queue_arn", policy.dead_letter_queue_arn(),
                            "must be a queue's ARN, arn:aws:sqs:REGION:ACCOUNT:NAME");
  }
  out = {policy.dead_letter_queue_arn(), policy.max_receive_count()};
  return absl::OkStatus();
}

absl::Status SetRedriveAllowPolicy(const v1::RedriveAllowPolicy& policy,
                                   std::optional<store::QueueAttributes::RedriveAllowPolicy>& out) {
  out.reset();
  const int sources = policy.source_queue_arns_size();
  const bool by_queue = policy.redrive_permission() == v1::REDRIVE_PERMISSION_BY_QUEUE;
  if (policy.redrive_permission() == v1::REDRIVE_PERMISSION_UNSPECIFIED && sources == 0) {
    return absl::OkStatus();
  }
  if (policy.redrive_permission() < v1::REDRIVE_PERMISSION_ALLOW_ALL ||
      policy.redrive_permission() > v1::REDRIVE_PERMISSION_BY_QUEUE) {
    return InvalidAttribute("redrive_allow_policy.redrive_permission",
                            absl::StrCat(policy.redrive_permission()),
                            "must be ALLOW_ALL, DENY_ALL or BY_QUEUE");
  }
  if (by_queue ? (sources < 1 || sources > kAllowedSourcesMax) : sources != 0) {
    return InvalidAttribute("redrive_allow_policy.source_queue_arns", absl::StrCat(sources, " ARNs"),
                            "BY_QUEUE needs 1 to 10 queues, the other permissions none");
  }
  out.emplace();
  out->permission = static_cast<store::RedrivePermission>(policy.redrive_permission());
  for (const std::string& arn : policy.source_queue_arns()) {
    if (!engine::ParseQueueArn(arn).has_value()) {
      return InvalidAttribute("redrive_allow_policy.source_queue_arns", arn,
                              "must be queues' ARNs, arn:aws:sqs:REGION:ACCOUNT:NAME");
    }
    out->source_queue_arns.push_back(arn);
  }
  return absl::OkStatus();
}

absl::Status SetPolicy(const std::string& document, std::string& out) {
  if (!document.empty()) WEIR_RETURN_IF_ERROR(PolicyError(policy::CheckPolicy(document)));
  out = document;
  return absl::OkStatus();
}

absl::Status SetAnnotations(const google::protobuf::Map<std::string, std::string>& annotations,
                            std::map<std::string, std::string>& out) {
  for (const auto& [key, value] : annotations) {
    if (value.empty()) {
      out.erase(key);
    } else {
      out[key] = value;
    }
  }
  return CheckAnnotations(out);
}

absl::Status UnknownAttribute(absl::string_view attribute, absl::string_view sentence) {
  return MakeError(ErrorReason::kInvalidAttributeName, sentence,
                   {{"attribute", std::string(attribute)}});
}

// The attributes that a standard queue does not have.
absl::Status CheckNoFifoAttributes(const v1::QueueAttributes& attributes) {
  if (attributes.has_fifo_queue()) {
    return attributes.fifo_queue()
               ? InvalidAttribute("fifo_queue", "true", "modifying the queue's type is not supported")
               : UnknownAttribute("fifo_queue",
                                  "Unknown attribute fifo_queue: a standard queue does not have it; "
                                  "leave it unset.");
  }
  if (attributes.has_content_based_deduplication()) {
    return UnknownAttribute("content_based_deduplication",
                            "Unknown attribute content_based_deduplication: only FIFO queues have it.");
  }
  if (attributes.deduplication_scope() != v1::DEDUPLICATION_SCOPE_UNSPECIFIED) {
    return UnknownAttribute("deduplication_scope",
                            "You can specify the deduplication_scope only when fifo_queue is set to true.");
  }
  if (attributes.fifo_throughput_limit() != v1::FIFO_THROUGHPUT_LIMIT_UNSPECIFIED) {
    return UnknownAttribute("fifo_throughput_limit",
                            "You can specify the fifo_throughput_limit only when fifo_queue is set to true.");
  }
  return absl::OkStatus();
}

absl::Status SetFifoAttributes(const v1::QueueAttributes& attributes, store::QueueAttributes& out) {
  if (attributes.has_fifo_queue() && !attributes.fifo_queue()) {
    return InvalidAttribute("fifo_queue", "false", "modifying the queue's type is not supported");
  }
  if (attributes.has_content_based_deduplication()) {
    out.content_based_deduplication = attributes.content_based_deduplication();
  }
  if (const auto scope = attributes.deduplication_scope();
      scope != v1::DEDUPLICATION_SCOPE_UNSPECIFIED) {
    if (!v1::DeduplicationScope_IsValid(scope)) {
      return InvalidAttribute("deduplication_scope", absl::StrCat(scope),
                              "must be QUEUE or MESSAGE_GROUP");
    }
    out.deduplication_scope = static_cast<core::DeduplicationScope>(scope);
  }
  if (const auto limit = attributes.fifo_throughput_limit();
      limit != v1::FIFO_THROUGHPUT_LIMIT_UNSPECIFIED) {
    if (!v1::FifoThroughputLimit_IsValid(limit)) {
      return InvalidAttribute("fifo_throughput_limit", absl::StrCat(limit),
                              "must be PER_QUEUE or PER_MESSAGE_GROUP_ID");
    }
    out.fifo_throughput_limit = static_cast<store::FifoThroughputLimit>(limit);
  }
  if (out.fifo_throughput_limit == store::FifoThroughputLimit::kPerMessageGroupId &&
      out.deduplication_scope != core::DeduplicationScope::kMessageGroup) {
    return InvalidAttribute("fifo_throughput_limit", "PER_MESSAGE_GROUP_ID",
                            "it needs the deduplication_scope MESSAGE_GROUP");
  }
  return absl::OkStatus();
}

absl::Status SetPartitions(const v1::QueueAttributes& attributes, int32_t& out) {
  if (!attributes.has_partitions()) return absl::OkStatus();
  const int32_t partitions = attributes.partitions();
  if (partitions < 1 || partitions > kPartitionsMax) {
    return InvalidAttribute("partitions", absl::StrCat(partitions),
                            absl::StrCat("must be between 1 and ", kPartitionsMax));
  }
  out = partitions;
  return absl::OkStatus();
}

// A queue as a whole has an order, and one memory of what was sent, only where it is whole.
absl::Status CheckMayBeSpread(const store::QueueAttributes& attributes) {
  if (!attributes.fifo || attributes.partitions == 1 ||
      attributes.fifo_throughput_limit == store::FifoThroughputLimit::kPerMessageGroupId) {
    return absl::OkStatus();
  }
  return InvalidAttribute("partitions", absl::StrCat(attributes.partitions),
                          "a FIFO queue with several partitions keeps order and recognises repeated sends "
                          "within each message group only, so it needs the deduplication_scope MESSAGE_GROUP "
                          "and the fifo_throughput_limit PER_MESSAGE_GROUP_ID");
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  return TimeUtil::MillisecondsToDuration(absl::ToInt64Milliseconds(duration));
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  return TimeUtil::MillisecondsToTimestamp(absl::ToUnixMillis(time));
}

void EncodeAttributes(const store::QueueAttributes& attributes, v1::QueueAttributes& out) {
  *out.mutable_visibility_timeout() = ToProto(attributes.visibility_timeout);
  *out.mutable_delay() = ToProto(attributes.delay);
  *out.mutable_retention() = ToProto(attributes.retention);
  *out.mutable_receive_wait_time() = ToProto(attributes.receive_wait_time);
  out.set_maximum_message_bytes(attributes.maximum_message_bytes);
  out.set_partitions(attributes.partitions);
  if (attributes.fifo) {
    out.set_fifo_queue(true);
    out.set_content_based_deduplication(attributes.content_based_deduplication);
    out.set_deduplication_scope(static_cast<v1::DeduplicationScope>(attributes.deduplication_scope));
    out.set_fifo_throughput_limit(
        static_cast<v1::FifoThroughputLimit>(attributes.fifo_throughput_limit));
  }
  if (const auto& policy = attributes.redrive_policy; policy.has_value()) {
    out.mutable_redrive_policy()->set_dead_letter_queue_arn(policy->dead_letter_queue_arn);
    out.mutable_redrive_policy()->set_max_receive_count(policy->max_receive_count);
  }
  if (const auto& policy = attributes.redrive_allow_policy; policy.has_value()) {
    auto& encoded = *out.mutable_redrive_allow_policy();
    encoded.set_redrive_permission(
        static_cast<v1::RedrivePermission>(static_cast<int>(policy->permission)));
    for (const std::string& arn : policy->source_queue_arns) encoded.add_source_queue_arns(arn);
  }
  if (!attributes.policy.empty()) out.set_policy(attributes.policy);
  for (const auto& [key, value] : attributes.annotations) (*out.mutable_annotations())[key] = value;
}

// Nothing for one that is not there.
std::string AnnotationOf(const store::QueueAttributes& attributes, const std::string& key) {
  const auto found = attributes.annotations.find(key);
  return found == attributes.annotations.end() ? "" : found->second;
}

// The first key of `wanted` in order, so that the same request has the same answer.
std::optional<std::string> FirstDifferentAnnotation(const google::protobuf::Map<std::string, std::string>& wanted,
                                                    const store::QueueAttributes& current) {
  const std::map<std::string, std::string> sorted(wanted.begin(), wanted.end());
  for (const auto& [key, value] : sorted) {
    if (value != AnnotationOf(current, key)) return absl::StrCat("annotations.", key);
  }
  return std::nullopt;
}

}  // namespace

absl::Status CheckType(const store::QueueName& name, const v1::QueueAttributes& attributes) {
  const bool named = absl::EndsWith(name.name, ".fifo");
  const auto invalid = [&](absl::string_view why) {
    return MakeError(ErrorReason::kInvalidParameterValue,
                     absl::StrCat("Value \"", name.name, "\" for queue.name is invalid: ", why, "."),
                     {{"field", "queue.name"}});
  };
  if (named && !attributes.fifo_queue()) {
    return invalid("the name of a standard queue can only include A-Z, a-z, 0-9, '-' and '_'; names "
                   "that end in .fifo belong to FIFO queues, which have fifo_queue set to true");
  }
  if (!named && attributes.fifo_queue()) {
    return invalid("the name of a FIFO queue must end with the .fifo suffix and have 1 to 80 characters");
  }
  return absl::OkStatus();
}

absl::Status PolicyError(const absl::Status& status) {
  if (ReasonOf(status) != ErrorReason::kInvalidAttributeValue) return status;
  return MakeError(ErrorReason::kInvalidAttributeValue,
                   absl::StrCat("Value for attribute policy is invalid: ", status.message()), {{"attribute", "policy"}});
}

absl::StatusOr<store::QueueAttributes> ApplyAttributes(const v1::QueueAttributes& attributes,
                                                       store::QueueAttributes base) {
  WEIR_RETURN_IF_ERROR(base.fifo ? SetFifoAttributes(attributes, base)
                                 : CheckNoFifoAttributes(attributes));
  WEIR_RETURN_IF_ERROR(SetPartitions(attributes, base.partitions));
  WEIR_RETURN_IF_ERROR(CheckMayBeSpread(base));
  if (attributes.has_visibility_timeout()) {
    WEIR_RETURN_IF_ERROR(SetDuration(attributes.visibility_timeout(), "visibility_timeout",
                                     absl::ZeroDuration(), absl::Hours(12),
                                     base.visibility_timeout));
  }
  if (attributes.has_delay()) {
    WEIR_RETURN_IF_ERROR(SetDuration(attributes.delay(), "delay", absl::ZeroDuration(),
                                     absl::Minutes(15), base.delay));
  }
  if (attributes.has_retention()) {
    WEIR_RETURN_IF_ERROR(SetDuration(attributes.retention(), "retention", absl::Seconds(60),
                                     absl::Hours(14 * 24), base.retention));
  }
  if (attributes.has_receive_wait_time()) {
    WEIR_RETURN_IF_ERROR(SetDuration(attributes.receive_wait_time(), "receive_wait_time",
                                     absl::ZeroDuration(), absl::Seconds(20),
                                     base.receive_wait_time));
  }
  if (attributes.has_maximum_message_bytes()) {
    const int32_t bytes = attributes.maximum_message_bytes();
    if (bytes < kMessageBytesMin || bytes > kMessageBytesMax) {
      return InvalidAttribute(
          "maximum_message_bytes", absl::StrCat(bytes),
          absl::StrCat("must be between ", kMessageBytesMin, " and ", kMessageBytesMax));
    }
    base.maximum_message_bytes = bytes;
  }
  if (attributes.has_redrive_policy()) {
    WEIR_RETURN_IF_ERROR(SetRedrivePolicy(attributes.redrive_policy(), base.redrive_policy));
  }
  if (attributes.has_redrive_allow_policy()) {
    WEIR_RETURN_IF_ERROR(
        SetRedriveAllowPolicy(attributes.redrive_allow_policy(), base.redrive_allow_policy));
  }
  if (attributes.has_policy()) WEIR_RETURN_IF_ERROR(SetPolicy(attributes.policy(), base.policy));
  WEIR_RETURN_IF_ERROR(SetAnnotations(attributes.annotations(), base.annotations));
  return base;
}

absl::Status CheckPartitionsChange(const store::QueueAttributes& current,
                                   const store::QueueAttributes& wanted) {
  if (wanted.partitions == current.partitions) return absl::OkStatus();
  const std::string value = absl::StrCat(wanted.partitions);
  if (current.fifo) {
    return InvalidAttribute("partitions", value,
                            absl::StrCat("the partitions of a FIFO queue, ", current.partitions,
                                         ", are decided at its creation, because message groups are spread over "
                                         "them by their number and would lose their order"));
  }
  if (wanted.partitions < current.partitions) {
    return InvalidAttribute("partitions", value,
                            absl::StrCat("the queue has ", current.partitions,
                                         " and keeps them, because there may be messages in each of them"));
  }
  return absl::OkStatus();
}

namespace {

// Messages that nobody can handle would go round for ever.
absl::Status CheckNoCycle(const engine::Registry& registry, const std::string& source_arn,
                          const engine::QueueInfoPtr& target) {
  // Where older policies lead round already, the walk ends at what it has seen.
  std::set<std::string> seen;
  std::string path = source_arn;
  for (engine::QueueInfoPtr queue = target; queue != nullptr && seen.insert(queue->arn).second;) {
    absl::StrAppend(&path, " -> ", queue->arn);
    const auto& policy = queue->record.attributes.redrive_policy;
    if (!policy.has_value()) break;
    if (policy->dead_letter_queue_arn == source_arn) {
      return MakeError(
          ErrorReason::kInvalidParameterValue,
          absl::StrCat("Value \"", target->arn,
                       "\" for attribute redrive_policy.dead_letter_queue_arn is invalid: "
                       "dead-letter queues must not form a cycle, and this one leads back: ",
                       path, " -> ", source_arn, "."),
          {{"attribute", "redrive_policy"}});
    }
    queue = registry.FindByArn(policy->dead_letter_queue_arn);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckRedriveTarget(const engine::Registry& registry, const store::QueueName& source,
                                const store::QueueAttributes& attributes) {
  if (!attributes.redrive_policy.has_value()) return absl::OkStatus();
  const std::string& arn = attributes.redrive_policy->dead_letter_queue_arn;
  const std::string source_arn = engine::QueueArn(source);
  const auto invalid = [&](absl::string_view why) {
    return MakeError(ErrorReason::kDeadLetterTargetInvalid,
                     absl::StrCat("Value \"", arn,
                                  "\" for attribute redrive_policy.dead_letter_queue_arn is "
                                  "invalid: ",
                                  why, "."),
                     {{"attribute", "redrive_policy"}});
  };
  if (arn == source_arn) return invalid("a queue cannot be its own dead-letter queue");
  const auto name = engine::ParseQueueArn(arn);
  if (!name.has_value() || name->account != source.account || name->region != source.region) {
    return invalid("the dead-letter queue must be in the same account and region");
  }
  const engine::QueueInfoPtr target = registry.Find(*name);
  if (target == nullptr) return invalid("dead letter target does not exist; create it first");
  if (target->record.attributes.fifo != attributes.fifo) {
    return invalid(attributes.fifo
                       ? "the dead-letter queue must be of the queue's type, and this one is no FIFO queue"
                       : "the dead-letter queue must be of the queue's type, and this one is a FIFO queue");
  }
  WEIR_RETURN_IF_ERROR(CheckNoCycle(registry, source_arn, target));
  const auto& allow = target->record.attributes.redrive_allow_policy;
  if (!allow.has_value() || allow->permission == store::RedrivePermission::kAllowAll) {
    return absl::OkStatus();
  }
  const auto& sources = allow->source_queue_arns;
  if (allow->permission == store::RedrivePermission::kByQueue &&
      std::find(sources.begin(), sources.end(), source_arn) != sources.end()) {
    return absl::OkStatus();
  }
  return MakeError(ErrorReason::kRedriveNotAllowed,
                   absl::StrCat("Queue ", arn, " does not allow ", source_arn,
                                " to use it as its dead-letter queue (redrive_allow_policy)."),
                   {{"attribute", "redrive_policy"}});
}

std::optional<std::string> FirstDifference(const v1::QueueAttributes& wanted,
                                           const store::QueueAttributes& wanted_values,
                                           const store::QueueAttributes& current) {
  if (wanted.has_content_based_deduplication() &&
      wanted_values.content_based_deduplication != current.content_based_deduplication) {
    return "content_based_deduplication";
  }
  if (wanted.deduplication_scope() != v1::DEDUPLICATION_SCOPE_UNSPECIFIED &&
      wanted_values.deduplication_scope != current.deduplication_scope) {
    return "deduplication_scope";
  }
  if (wanted.fifo_throughput_limit() != v1::FIFO_THROUGHPUT_LIMIT_UNSPECIFIED &&
      wanted_values.fifo_throughput_limit != current.fifo_throughput_limit) {
    return "fifo_throughput_limit";
  }
  if (wanted.has_partitions() && wanted_values.partitions != current.partitions) return "partitions";
  if (wanted.has_visibility_timeout() &&
      wanted_values.visibility_timeout != current.visibility_timeout) {
    return "visibility_timeout";
  }
  if (wanted.has_delay() && wanted_values.delay != current.delay) return "delay";
  if (wanted.has_retention() && wanted_values.retention != current.retention) return "retention";
  if (wanted.has_receive_wait_time() &&
      wanted_values.receive_wait_time != current.receive_wait_time) {
    return "receive_wait_time";
  }
  if (wanted.has_maximum_message_bytes() &&
      wanted_values.maximum_message_bytes != current.maximum_message_bytes) {
    return "maximum_message_bytes";
  }
  if (wanted.has_redrive_policy() && wanted_values.redrive_policy != current.redrive_policy) {
    return "redrive_policy";
  }
  if (wanted.has_redrive_allow_policy() &&
      wanted_values.redrive_allow_policy != current.redrive_allow_policy) {
    return "redrive_allow_policy";
  }
  if (wanted.has_policy() && wanted_values.policy != current.policy) return "policy";
  return FirstDifferentAnnotation(wanted.annotations(), current);
}

void EncodeQueue(const engine::QueueInfo& queue, v1::Queue& out) {
  const store::QueueRecord& record = queue.record;
  out.mutable_namespace_()->set_account(record.name.account);
  out.mutable_namespace_()->set_region(record.name.region);
  out.set_name(record.name.name);
  out.set_arn(queue.arn);
  EncodeAttributes(record.attributes, *out.mutable_attributes());
  *out.mutable_created_at() = ToProto(record.created_at);
  *out.mutable_modified_at() = ToProto(record.updated_at);
  for (const auto& [key, value] : record.tags) (*out.mutable_tags())[key] = value;
}

void EncodeStats(const core::PartitionStats& stats, absl::Time now, v1::QueueStats& out) {
  out.set_ready(stats.ready);
  out.set_in_flight(stats.in_flight);
  out.set_delayed(stats.delayed);
  out.set_blocked(stats.blocked);
  if (stats.oldest_sent_at.has_value()) {
    *out.mutable_oldest_message_age() =
        ToProto(std::max(now - *stats.oldest_sent_at, absl::ZeroDuration()));
  }
}

}  // namespace weir::queue::api
