#include "services/gateway/sqs/queue_attributes.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/error.h"

namespace weir::gateway::sqs {
namespace {

using google::protobuf::Duration;
using queue::v1::Queue;
using queue::v1::QueueAttributes;
using wire::AwsError;
using wire::SenderError;
using Json = nlohmann::ordered_json;

AwsError UnknownAttribute(absl::string_view name) {
  return SenderError("InvalidAttributeName", absl::StrCat("Unknown Attribute ", name, "."));
}

AwsError InvalidValue(absl::string_view name) {
  return SenderError("InvalidAttributeValue", absl::StrCat("Invalid value for the parameter ", name, "."));
}

struct Attribute {
  absl::string_view name;   // SQS's
  absl::string_view field;  // the queue service's; empty: it has no such attribute
  // Null: it cannot be set.
  MaybeError (*set)(absl::string_view name, const std::string& text, QueueAttributes& out);
  // Empty: the queue has none.
  std::string (*get)(const Queue& queue);
  // Asks for what Weir does not do, so it is refused unless the gateway is relaxed.
  bool relaxed_only = false;
};

// ---- Seconds, numbers and flags ----

template <Duration* (QueueAttributes::*kMutable)()>
MaybeError SetSeconds(absl::string_view name, const std::string& text, QueueAttributes& out) {
  int64_t seconds = 0;
  if (!absl::SimpleAtoi(text, &seconds)) return InvalidValue(name);
  (out.*kMutable)()->set_seconds(seconds);
  return std::nullopt;
}

template <const Duration& (QueueAttributes::*kGet)() const>
std::string GetSeconds(const Queue& queue) {
  return absl::StrCat((queue.attributes().*kGet)().seconds());
}

MaybeError SetMaximumMessageSize(absl::string_view name, const std::string& text, QueueAttributes& out) {
  int32_t bytes = 0;
  if (!absl::SimpleAtoi(text, &bytes)) return InvalidValue(name);
  out.set_maximum_message_bytes(bytes);
  return std::nullopt;
}

template <void (QueueAttributes::*kSet)(bool)>
MaybeError SetFlag(absl::string_view name, const std::string& text, QueueAttributes& out) {
  if (text != "true" && text != "false") return InvalidValue(name);
  (out.*kSet)(text == "true");
  return std::nullopt;
}

MaybeError SetScope(absl::string_view name, const std::string& text, QueueAttributes& out) {
  if (text != "queue" && text != "messageGroup") return InvalidValue(name);
  out.set_deduplication_scope(text == "queue" ? queue::v1::DEDUPLICATION_SCOPE_QUEUE
                                              : queue::v1::DEDUPLICATION_SCOPE_MESSAGE_GROUP);
  return std::nullopt;
}

MaybeError SetLimit(absl::string_view name, const std::string& text, QueueAttributes& out) {
  if (text != "perQueue" && text != "perMessageGroupId") return InvalidValue(name);
  out.set_fifo_throughput_limit(text == "perQueue" ? queue::v1::FIFO_THROUGHPUT_LIMIT_PER_QUEUE
                                                   : queue::v1::FIFO_THROUGHPUT_LIMIT_PER_MESSAGE_GROUP_ID);
  return std::nullopt;
}

// ---- Policies, which are JSON ----

// A number, or its text. Less than any that is allowed: it is neither.
int32_t ReceiveCount(const Json& json) {
  int64_t number = 0;
  if (json.is_number_integer()) number = json.get<int64_t>();
  if (json.is_string() && !absl::SimpleAtoi(json.get_ref<const std::string&>(), &number)) number = 0;
  return static_cast<int32_t>(std::clamp<int64_t>(number, -1, std::numeric_limits<int32_t>::max()));
}

std::string TextIn(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

MaybeError SetRedrivePolicy(absl::string_view name, const std::string& text, QueueAttributes& out) {
  auto& policy = *out.mutable_redrive_policy();
  if (text.empty()) return std::nullopt;
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return InvalidParameter(text, name, "Redrive policy is not a valid JSON map.");
  for (const char* key : {"deadLetterTargetArn", "maxReceiveCount"}) {
    if (!json.contains(key)) {
      return InvalidParameter(text, name, absl::StrCat("Redrive policy does not contain mandatory attribute: ", key, "."));
    }
  }
  policy.set_dead_letter_queue_arn(TextIn(json, "deadLetterTargetArn"));
  policy.set_max_receive_count(ReceiveCount(json["maxReceiveCount"]));
  if (policy.max_receive_count() < 1 || policy.max_receive_count() > 1000) {
    return InvalidParameter(text, name,
                            absl::StrCat("Invalid value for maxReceiveCount: ", json["maxReceiveCount"].dump(),
                                         ", valid values are from 1 to 1000 both inclusive."));
  }
  return std::nullopt;
}

constexpr std::pair<absl::string_view, queue::v1::RedrivePermission> kPermissions[] = {
    {"allowAll", queue::v1::REDRIVE_PERMISSION_ALLOW_ALL},
    {"denyAll", queue::v1::REDRIVE_PERMISSION_DENY_ALL},
    {"byQueue", queue::v1::REDRIVE_PERMISSION_BY_QUEUE}};

MaybeError SetRedriveAllowPolicy(absl::string_view name, const std::string& text, QueueAttributes& out) {
  auto& policy = *out.mutable_redrive_allow_policy();
  if (text.empty()) return std::nullopt;
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return InvalidParameter(text, name, "Amazon SQS can't create the redrive allow policy, as it's not a valid JSON map.");
  const std::string wanted = TextIn(json, "redrivePermission");
  for (const auto& [permission, value] : kPermissions) {
    if (wanted == permission) policy.set_redrive_permission(value);
  }
  if (policy.redrive_permission() == queue::v1::REDRIVE_PERMISSION_UNSPECIFIED) {
    return InvalidParameter(text, name, "redrivePermission must be allowAll, denyAll or byQueue.");
  }
  for (const Json& arn : json.value("sourceQueueArns", Json::array())) {
    policy.add_source_queue_arns(arn.is_string() ? arn.get<std::string>() : arn.dump());
  }
  return std::nullopt;
}

std::string GetRedrivePolicy(const Queue& queue) {
  if (!queue.attributes().has_redrive_policy()) return "";
  const auto& policy = queue.attributes().redrive_policy();
  return Json{{"deadLetterTargetArn", policy.dead_letter_queue_arn()}, {"maxReceiveCount", policy.max_receive_count()}}
      .dump();
}

std::string GetRedriveAllowPolicy(const Queue& queue) {
  if (!queue.attributes().has_redrive_allow_policy()) return "";
  const auto& policy = queue.attributes().redrive_allow_policy();
  Json json;
  for (const auto& [permission, value] : kPermissions) {
    if (policy.redrive_permission() == value) json["redrivePermission"] = std::string(permission);
  }
  for (const std::string& arn : policy.source_queue_arns()) json["sourceQueueArns"].push_back(arn);
  return json.dump();
}

// ---- What FIFO queues have ----

std::string FlagOfFifo(const Queue& queue, bool flag) {
  return queue.attributes().fifo_queue() ? (flag ? "true" : "false") : "";
}

std::string GetScope(const Queue& queue) {
  if (!queue.attributes().fifo_queue()) return "";
  return queue.attributes().deduplication_scope() == queue::v1::DEDUPLICATION_SCOPE_MESSAGE_GROUP ? "messageGroup" : "queue";
}

std::string GetLimit(const Queue& queue) {
  if (!queue.attributes().fifo_queue()) return "";
  return queue.attributes().fifo_throughput_limit() == queue::v1::FIFO_THROUGHPUT_LIMIT_PER_MESSAGE_GROUP_ID
             ? "perMessageGroupId"
             : "perQueue";
}

// ---- Access ----

MaybeError SetPolicy(absl::string_view, const std::string& text, QueueAttributes& out) {
  out.set_policy(text);
  return std::nullopt;
}

// ---- Encryption, which is kept and returned but not done: annotations of SQS's names ----

constexpr char kManagedSse[] = "SqsManagedSseEnabled";
constexpr char kKmsKey[] = "KmsMasterKeyId";
constexpr char kKmsReuse[] = "KmsDataKeyReusePeriodSeconds";
constexpr int kKmsReuseMin = 60;
constexpr int kKmsReuseMax = 86'400;

template <const char* kName>
std::string GetAnnotation(const Queue& queue) {
  const auto& annotations = queue.attributes().annotations();
  const auto found = annotations.find(std::string(kName));
  return found == annotations.end() ? "" : found->second;
}

// Only one kind of encryption is on, and SQS's own is unless it is switched off: "true" is what a queue has without an annotation.
MaybeError SetManagedSse(absl::string_view name, const std::string& text, QueueAttributes& out) {
  if (text != "true" && text != "false") return InvalidValue(name);
  (*out.mutable_annotations())[kManagedSse] = text == "true" ? "" : text;
  if (text == "true") (*out.mutable_annotations())[kKmsKey] = "";
  return std::nullopt;
}
std::string GetManagedSse(const Queue& queue) {
  const bool off = !GetAnnotation<kKmsKey>(queue).empty() || GetAnnotation<kManagedSse>(queue) == "false";
  return off ? "false" : "true";
}

MaybeError SetKmsKey(absl::string_view, const std::string& text, QueueAttributes& out) {
  (*out.mutable_annotations())[kKmsKey] = text;
  return std::nullopt;
}

MaybeError SetKmsReuse(absl::string_view name, const std::string& text, QueueAttributes& out) {
  int seconds = 0;
  const bool valid = absl::SimpleAtoi(text, &seconds) && seconds >= kKmsReuseMin && seconds <= kKmsReuseMax;
  if (!valid && !text.empty()) return InvalidValue(name);
  (*out.mutable_annotations())[kKmsReuse] = text;
  return std::nullopt;
}
// A key has a period, whether or not somebody has set it.
std::string GetKmsReuse(const Queue& queue) {
  const std::string seconds = GetAnnotation<kKmsReuse>(queue);
  return seconds.empty() && !GetAnnotation<kKmsKey>(queue).empty() ? "300" : seconds;
}

// To take a key and not encrypt with it would be worse than to refuse it, unless that is what was asked for.
AwsError NotEncrypted(absl::string_view name) {
  return wire::FromStatus(MakeError(
      ErrorReason::kUnsupportedOperation,
      absl::StrCat("The attribute ", name, " is not supported, because Weir does not encrypt with KMS; leave it out, or "
                   "let the gateway keep it without effect (weir-gateway --relaxed, weir up --sqs-relaxed).")));
}

MaybeError CheckOneEncryption(const wire::Value& attributes) {
  if (attributes[kManagedSse].text() != "true" || attributes[kKmsKey].text().empty()) return std::nullopt;
  return SenderError("InvalidAttributeName",
                     "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or "
                     "SQS SSE.");
}

constexpr Attribute kAttributes[] = {
    {"QueueArn", "", nullptr, [](const Queue& queue) { return queue.arn(); }},
    {"ApproximateNumberOfMessages", "", nullptr, [](const Queue& queue) { return absl::StrCat(queue.stats().ready()); }},
    {"ApproximateNumberOfMessagesNotVisible", "", nullptr,
     [](const Queue& queue) { return absl::StrCat(queue.stats().in_flight()); }},
    {"ApproximateNumberOfMessagesDelayed", "", nullptr,
     [](const Queue& queue) { return absl::StrCat(queue.stats().delayed()); }},
    {"CreatedTimestamp", "", nullptr, [](const Queue& queue) { return absl::StrCat(queue.created_at().seconds()); }},
    {"LastModifiedTimestamp", "", nullptr, [](const Queue& queue) { return absl::StrCat(queue.modified_at().seconds()); }},
    {"VisibilityTimeout", "visibility_timeout", SetSeconds<&QueueAttributes::mutable_visibility_timeout>,
     GetSeconds<&QueueAttributes::visibility_timeout>},
    {"MaximumMessageSize", "maximum_message_bytes", SetMaximumMessageSize,
     [](const Queue& queue) { return absl::StrCat(queue.attributes().maximum_message_bytes()); }},
    {"MessageRetentionPeriod", "retention", SetSeconds<&QueueAttributes::mutable_retention>,
     GetSeconds<&QueueAttributes::retention>},
    {"DelaySeconds", "delay", SetSeconds<&QueueAttributes::mutable_delay>, GetSeconds<&QueueAttributes::delay>},
    {"ReceiveMessageWaitTimeSeconds", "receive_wait_time", SetSeconds<&QueueAttributes::mutable_receive_wait_time>,
     GetSeconds<&QueueAttributes::receive_wait_time>},
    {"RedrivePolicy", "redrive_policy", SetRedrivePolicy, GetRedrivePolicy},
    {"RedriveAllowPolicy", "redrive_allow_policy", SetRedriveAllowPolicy, GetRedriveAllowPolicy},
    {"FifoQueue", "fifo_queue", SetFlag<&QueueAttributes::set_fifo_queue>,
     [](const Queue& queue) { return FlagOfFifo(queue, true); }},
    {"ContentBasedDeduplication", "content_based_deduplication",
     SetFlag<&QueueAttributes::set_content_based_deduplication>,
     [](const Queue& queue) { return FlagOfFifo(queue, queue.attributes().content_based_deduplication()); }},
    {"DeduplicationScope", "deduplication_scope", SetScope, GetScope},
    {"FifoThroughputLimit", "fifo_throughput_limit", SetLimit, GetLimit},
    {"Policy", "policy", SetPolicy, [](const Queue& queue) { return queue.attributes().policy(); }},
    {kManagedSse, "annotations.SqsManagedSseEnabled", SetManagedSse, GetManagedSse},
    {kKmsKey, "annotations.KmsMasterKeyId", SetKmsKey, GetAnnotation<kKmsKey>, /*relaxed_only=*/true},
    {kKmsReuse, "annotations.KmsDataKeyReusePeriodSeconds", SetKmsReuse, GetKmsReuse, /*relaxed_only=*/true},
};

constexpr absl::string_view kAll = "All";

const Attribute* FindAttribute(absl::string_view name) {
  for (const Attribute& attribute : kAttributes) {
    if (attribute.name == name) return &attribute;
  }
  return nullptr;
}

}  // namespace

MaybeError EncodeAttributes(const Call& call, const wire::Value& attributes, QueueAttributes& out) {
  for (const auto& [name, value] : attributes.fields()) {
    const Attribute* attribute = FindAttribute(name);
    const bool known = attribute != nullptr && attribute->set != nullptr;
    if (!known && call.options.relaxed) continue;
    if (!known) return UnknownAttribute(name);
    if (attribute->relaxed_only && !call.options.relaxed && !value.text().empty()) return NotEncrypted(name);
    if (MaybeError error = attribute->set(name, value.text(), out)) return error;
  }
  return CheckOneEncryption(attributes);
}

MaybeError CheckAttributeNames(const Call& call, const wire::Value& names) {
  for (const wire::Value& name : names.list()) {
    if (!IsAttributeName(name.text()) && !call.options.relaxed) return UnknownAttribute(name.text());
  }
  return std::nullopt;
}

wire::Value DecodeAttributes(const Queue& queue, const wire::Value& names) {
  std::set<absl::string_view> wanted;
  for (const wire::Value& name : names.list()) wanted.insert(name.text());
  wire::Value attributes;
  for (const Attribute& attribute : kAttributes) {
    if (wanted.count(kAll) == 0 && wanted.count(attribute.name) == 0) continue;
    attributes.SetText(attribute.name, attribute.get(queue));
  }
  return attributes;
}

bool IsAttributeName(absl::string_view name) { return name == kAll || FindAttribute(name) != nullptr; }

std::vector<absl::string_view> SettableAttributes() {
  std::vector<absl::string_view> names;
  for (const Attribute& attribute : kAttributes) {
    if (attribute.set != nullptr) names.push_back(attribute.name);
  }
  return names;
}

absl::string_view AttributeOfField(absl::string_view field) {
  absl::ConsumePrefix(&field, "attributes.");
  for (const Attribute& attribute : kAttributes) {
    if (attribute.field.empty()) continue;
    // Of a redrive policy also a field within it.
    if (field == attribute.field || absl::StartsWith(field, absl::StrCat(attribute.field, "."))) return attribute.name;
  }
  return {};
}

}  // namespace weir::gateway::sqs
