#include "services/gateway/sqs/messages.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "services/gateway/sqs/errors.h"
#include "services/gateway/sqs/queue_attributes.h"

namespace weir::gateway::sqs {
namespace {

using google::protobuf::util::TimeUtil;
using queue::v1::MessageAttributeValue;
using queue::v1::ReceivedMessage;
using wire::Value;

constexpr absl::string_view kTraceHeader = "AWSTraceHeader";
constexpr int64_t kDelayMaxSeconds = 900;
// SQS delays a message for 15 minutes at most, Weir as long as its queue keeps it. What is beyond SQS's limit is sent as more than any
// queue's, so that it is refused there, in its place among the entries of a batch.
constexpr int64_t kBeyondAnyRetentionSeconds = int64_t{10} * 365 * 24 * 3600;

MessageAttributeValue EncodeAttribute(const Value& value) {
  MessageAttributeValue attribute;
  attribute.set_data_type(value["DataType"].text());
  if (!value["BinaryValue"].absent()) attribute.set_binary_value(value["BinaryValue"].text());
  // A value of the wrong kind beside the right one is ignored.
  const bool binary = absl::StartsWith(attribute.data_type(), "Binary");
  if (!value["StringValue"].absent() && !(binary && attribute.has_binary_value())) {
    attribute.set_string_value(value["StringValue"].text());
  }
  return attribute;
}

Value DecodeAttribute(const MessageAttributeValue& attribute) {
  Value value;
  if (attribute.has_string_value()) value.Set("StringValue", Value(attribute.string_value()));
  if (attribute.has_binary_value()) value.Set("BinaryValue", Value(attribute.binary_value()));
  value.Set("DataType", Value(attribute.data_type()));
  return value;
}

struct SystemAttribute {
  absl::string_view name;
  std::string (*get)(const ReceivedMessage& message);
};

constexpr SystemAttribute kSystemAttributes[] = {
    {"SenderId", [](const ReceivedMessage& message) { return message.sender_id(); }},
    {"SentTimestamp",
     [](const ReceivedMessage& message) { return absl::StrCat(TimeUtil::TimestampToMilliseconds(message.sent_at())); }},
    {"ApproximateReceiveCount", [](const ReceivedMessage& message) { return absl::StrCat(message.receive_count()); }},
    {"ApproximateFirstReceiveTimestamp",
     [](const ReceivedMessage& message) {
       return absl::StrCat(TimeUtil::TimestampToMilliseconds(message.first_received_at()));
     }},
    {"SequenceNumber", [](const ReceivedMessage& message) { return message.sequence_number(); }},
    {"MessageDeduplicationId", [](const ReceivedMessage& message) { return message.message_deduplication_id(); }},
    {"MessageGroupId", [](const ReceivedMessage& message) { return message.message_group_id(); }},
    {kTraceHeader, [](const ReceivedMessage& message) { return message.aws_trace_header(); }},
    {"DeadLetterQueueSourceArn", [](const ReceivedMessage& message) { return message.dead_letter_queue_source_arn(); }},
};

constexpr absl::string_view kAll = "All";

bool IsSystemAttribute(absl::string_view name) {
  return name == kAll || std::any_of(std::begin(kSystemAttributes), std::end(kSystemAttributes),
                                     [name](const SystemAttribute& known) { return known.name == name; });
}

// Of both parameters that ask for them, the old one and the new.
std::set<absl::string_view> WantedNames(const Value& input) {
  std::set<absl::string_view> wanted;
  for (const char* parameter : {"AttributeNames", "MessageSystemAttributeNames"}) {
    for (const Value& name : input[parameter].list()) wanted.insert(name.text());
  }
  return wanted;
}

}  // namespace

MaybeError EncodeMessage(const Value& parameters, queue::v1::OutgoingMessage& out) {
  for (const char* name : {"MessageGroupId", "MessageDeduplicationId"}) {
    // The queue service takes an empty one for none.
    const Value& id = parameters[name];
    if (!id.absent() && id.text().empty()) return InvalidParameter("", name, AllowedFor(name));
  }
  out.set_body(parameters["MessageBody"].text());
  if (const auto delay = parameters.Number("DelaySeconds"); delay.has_value()) {
    out.mutable_delay()->set_seconds(*delay <= kDelayMaxSeconds ? *delay : kBeyondAnyRetentionSeconds);
  }
  for (const auto& [name, value] : parameters["MessageAttributes"].fields()) {
    (*out.mutable_message_attributes())[name] = EncodeAttribute(value);
  }
  for (const auto& [name, value] : parameters["MessageSystemAttributes"].fields()) {
    if (name != kTraceHeader) {
      return InvalidParameter(name, "MessageSystemAttributes", "Only AWSTraceHeader can be sent.");
    }
    out.set_aws_trace_header(value["StringValue"].text());
  }
  out.set_message_group_id(parameters["MessageGroupId"].text());
  out.set_message_deduplication_id(parameters["MessageDeduplicationId"].text());
  return std::nullopt;
}

void DecodeSent(const queue::v1::SentMessage& sent, Value& out) {
  out.Set("MessageId", Value(sent.message_id()));
  out.Set("MD5OfMessageBody", Value(sent.md5_of_body()));
  out.SetText("MD5OfMessageAttributes", sent.md5_of_message_attributes());
  out.SetText("MD5OfMessageSystemAttributes", sent.md5_of_message_system_attributes());
  out.SetText("SequenceNumber", sent.sequence_number());
}

MaybeError CheckSystemAttributeNames(const Call& call) {
  if (call.options.relaxed) return std::nullopt;
  for (const absl::string_view name : WantedNames(call.input)) {
    // The old parameter also takes, and ignores, names of a queue's attributes.
    if (IsSystemAttribute(name) || IsAttributeName(name)) continue;
    return wire::SenderError("InvalidAttributeName", absl::StrCat("Unknown Attribute ", name, "."));
  }
  return std::nullopt;
}

Value DecodeReceived(const Call& call, const ReceivedMessage& message) {
  Value out;
  out.Set("MessageId", Value(message.message_id()));
  out.Set("ReceiptHandle", Value(message.receipt_handle()));
  out.Set("MD5OfBody", Value(message.md5_of_body()));
  out.Set("Body", Value(message.body()));
  const std::set<absl::string_view> wanted = WantedNames(call.input);
  Value attributes;
  for (const SystemAttribute& attribute : kSystemAttributes) {
    if (wanted.count(kAll) > 0 || wanted.count(attribute.name) > 0) {
      attributes.SetText(attribute.name, attribute.get(message));
    }
  }
  if (!attributes.absent()) out.Set("Attributes", std::move(attributes));
  if (message.message_attributes().empty()) return out;
  out.SetText("MD5OfMessageAttributes", message.md5_of_message_attributes());
  // A map of protobuf has no order; answers have one.
  const std::map<std::string, MessageAttributeValue> sorted(message.message_attributes().begin(),
                                                            message.message_attributes().end());
  Value message_attributes;
  for (const auto& [name, value] : sorted) message_attributes.Set(name, DecodeAttribute(value));
  out.Set("MessageAttributes", std::move(message_attributes));
  return out;
}

}  // namespace weir::gateway::sqs
