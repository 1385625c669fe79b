#include "services/runner/mappings/sqs_event.h"

#include <nlohmann/json.hpp>
#include <map>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/util/time_util.h"

namespace weir::runner::mappings {
namespace {

// Lambda's order of keys, for people who compare.
using Json = nlohmann::ordered_json;

constexpr absl::string_view kHead = "{\"Records\":[";
constexpr absl::string_view kTail = "]}";

std::string Millis(const google::protobuf::Timestamp& time) {
  return absl::StrCat(google::protobuf::util::TimeUtil::TimestampToMilliseconds(time));
}

Json SystemAttributes(const queue::v1::ReceivedMessage& message) {
  Json out = {{"ApproximateReceiveCount", absl::StrCat(message.receive_count())},
              {"SentTimestamp", Millis(message.sent_at())},
              {"SenderId", message.sender_id()},
              {"ApproximateFirstReceiveTimestamp", Millis(message.first_received_at())}};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) out[name] = value;
  };
  add("AWSTraceHeader", message.aws_trace_header());
  add("DeadLetterQueueSourceArn", message.dead_letter_queue_source_arn());
  add("SequenceNumber", message.sequence_number());
  add("MessageGroupId", message.message_group_id());
  add("MessageDeduplicationId", message.message_deduplication_id());
  return out;
}

Json MessageAttributes(const queue::v1::ReceivedMessage& message) {
  // By name: a protobuf map has no order.
  const std::map<std::string, queue::v1::MessageAttributeValue> sorted(
      message.message_attributes().begin(), message.message_attributes().end());
  Json out = Json::object();
  for (const auto& [name, value] : sorted) {
    Json attribute = Json::object();
    if (value.has_binary_value()) {
      attribute["binaryValue"] = absl::Base64Escape(value.binary_value());
    } else {
      attribute["stringValue"] = value.string_value();
    }
    attribute["stringListValues"] = Json::array();
    attribute["binaryListValues"] = Json::array();
    attribute["dataType"] = value.data_type();
    out[name] = std::move(attribute);
  }
  return out;
}

}  // namespace

std::optional<queue::v1::QueueRef> ParseQueueArn(absl::string_view arn) {
  const std::vector<std::string> parts = absl::StrSplit(arn, ':');
  if (parts.size() != 6 || parts[0] != "arn" || parts[1] != "aws" || parts[2] != "sqs" ||
      parts[3].empty() || parts[4].empty() || parts[5].empty()) {
    return std::nullopt;
  }
  queue::v1::QueueRef ref;
  ref.mutable_namespace_()->set_region(parts[3]);
  ref.mutable_namespace_()->set_account(parts[4]);
  ref.set_name(parts[5]);
  return ref;
}

std::string SqsRecord(const queue::v1::ReceivedMessage& message, absl::string_view queue_arn,
                      absl::string_view region) {
  Json record = {{"messageId", message.message_id()},
                 {"receiptHandle", message.receipt_handle()},
                 {"body", message.body()},
                 {"attributes", SystemAttributes(message)},
                 {"messageAttributes", MessageAttributes(message)}};
  const std::string& md5 = message.md5_of_message_attributes();
  record["md5OfMessageAttributes"] = md5.empty() ? Json(nullptr) : Json(md5);
  record["md5OfBody"] = message.md5_of_body();
  record["eventSource"] = "aws:sqs";
  record["eventSourceARN"] = std::string(queue_arn);
  record["awsRegion"] = std::string(region);
  return record.dump();
}

std::string SqsEvent(absl::Span<const std::string> records) {
  return absl::StrCat(kHead, absl::StrJoin(records, ","), kTail);
}

size_t EventBytesWith(size_t bytes, size_t record_bytes) {
  if (bytes == 0) return kHead.size() + record_bytes + kTail.size();
  return bytes + 1 + record_bytes;
}

}  // namespace weir::runner::mappings
