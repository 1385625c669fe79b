#include "services/queue/api/message_codec.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

using internal::store::v1::MessageAttribute;
using internal::store::v1::MessageEnvelope;

constexpr int kAttributesMax = 10;
constexpr size_t kAttributeNameMax = 256;

// Protobuf has already refused what is not UTF-8, surrogates included. Left to refuse: control characters other than tab, line
// feed and carriage return, and U+FFFE and U+FFFF (EF BF BE, EF BF BF).
bool HasOnlyAllowedCharacters(absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 && c != 0x9 && c != 0xA && c != 0xD) return false;
    if (c == 0xEF && i + 2 < text.size() && static_cast<unsigned char>(text[i + 1]) == 0xBF &&
        static_cast<unsigned char>(text[i + 2]) >= 0xBE) {
      return false;
    }
  }
  return true;
}

size_t ValueBytes(const v1::MessageAttributeValue& value) {
  return value.has_binary_value() ? value.binary_value().size() : value.string_value().size();
}

absl::Status InvalidAttribute(absl::string_view name, absl::string_view what) {
  return MakeError(ErrorReason::kInvalidParameterValue,
                   absl::StrCat("Message (user) attribute '", name, "' ", what),
                   {{"field", "message.message_attributes"}, {"attribute", std::string(name)}});
}

absl::Status CheckAttributeName(absl::string_view name) {
  const bool well_formed =
      !name.empty() && name.size() <= kAttributeNameMax && name.front() != '.' &&
      name.back() != '.' && !absl::StrContains(name, "..") &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
      });
  if (!well_formed) {
    return InvalidAttribute(name,
                            "has an invalid name: 1 to 256 of A-Z, a-z, 0-9, '_', '-' and '.', no "
                            "dot at either end nor two in a row.");
  }
  if (absl::StartsWithIgnoreCase(name, "AWS.") || absl::StartsWithIgnoreCase(name, "Amazon.")) {
    return InvalidAttribute(name, "has an invalid name: it must not start with AWS. or Amazon.");
  }
  return absl::OkStatus();
}

absl::Status CheckAttribute(absl::string_view name, const v1::MessageAttributeValue& value) {
  WEIR_RETURN_IF_ERROR(CheckAttributeName(name));
  const absl::string_view type = value.data_type();
  const absl::string_view base = type.substr(0, type.find('.'));
  if (type.size() > kAttributeNameMax ||
      (base != "String" && base != "Number" && base != "Binary")) {
    return InvalidAttribute(name, absl::StrCat("has the data type \"", type,
                                               "\": it must be String, Number or Binary, optionally "
                                               "with a label behind a dot."));
  }
  const bool is_binary = base == "Binary";
  if (ValueBytes(value) == 0 || value.has_binary_value() != is_binary) {
    return InvalidAttribute(
        name, absl::StrCat("must contain a non-empty value of type '", base, "', in ",
                           is_binary ? "binary_value" : "string_value", "."));
  }
  if (is_binary) return absl::OkStatus();
  if (!HasOnlyAllowedCharacters(value.string_value())) {
    return InvalidAttribute(name, "contains characters that are not allowed.");
  }
  double number = 0;
  if (base == "Number" && !absl::SimpleAtod(value.string_value(), &number)) {
    return InvalidAttribute(name, absl::StrCat("has the value \"", value.string_value(),
                                               "\", which is not a number."));
  }
  return absl::OkStatus();
}

// Big-endian, as in SQS's definition of the digest.
void AppendWithLength(absl::string_view bytes, std::string& out) {
  const uint32_t size = static_cast<uint32_t>(bytes.size());
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(size >> shift));
  out.append(bytes.data(), bytes.size());
}

void FillEnvelope(const v1::OutgoingMessage& message, absl::string_view sender_id,
                  MessageEnvelope& envelope) {
  std::vector<const std::string*> names;
  for (const auto& [name, value] : message.message_attributes()) names.push_back(&name);
  std::sort(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a < *b; });
  for (const std::string* name : names) {
    const v1::MessageAttributeValue& value = message.message_attributes().at(*name);
    MessageAttribute& attribute = *envelope.add_attributes();
    attribute.set_name(*name);
    attribute.set_data_type(value.data_type());
    if (value.has_binary_value()) {
      attribute.set_binary_value(value.binary_value());
    } else {
      attribute.set_string_value(value.string_value());
    }
  }
  envelope.set_aws_trace_header(message.aws_trace_header());
  envelope.set_sender_id(std::string(sender_id));
}

std::string TraceHeaderMd5(absl::string_view header) {
  if (header.empty()) return "";
  MessageEnvelope envelope;
  MessageAttribute& attribute = *envelope.add_attributes();
  attribute.set_name("AWSTraceHeader");
  attribute.set_data_type("String");
  attribute.set_string_value(std::string(header));
  return AttributesMd5(envelope.attributes());
}

bool Selects(absl::string_view pattern, absl::string_view name) {
  if (pattern == "All" || pattern == ".*" || pattern == name) return true;
  return absl::ConsumeSuffix(&pattern, ".*") && absl::StartsWith(name, pattern);
}

google::protobuf::Timestamp ToMilliseconds(absl::Time time) {
  return google::protobuf::util::TimeUtil::MillisecondsToTimestamp(absl::ToUnixMillis(time));
}

// Group and deduplication as the queue's type wants them.
absl::Status CheckGroup(const v1::OutgoingMessage& message, const store::QueueAttributes& queue) {
  if (!message.message_group_id().empty()) {
    WEIR_RETURN_IF_ERROR(CheckToken(message.message_group_id(), "message.message_group_id"));
  } else if (queue.fifo) {
    return MissingParameter("message.message_group_id");
  }
  if (message.message_deduplication_id().empty()) {
    if (!queue.fifo || queue.content_based_deduplication) return absl::OkStatus();
    return MakeError(ErrorReason::kInvalidParameterValue,
                     "The queue should either have content_based_deduplication enabled or "
                     "message.message_deduplication_id provided explicitly.",
                     {{"field", "message.message_deduplication_id"}});
  }
  if (!queue.fifo) {
    return MakeError(ErrorReason::kInvalidParameterValue,
                     absl::StrCat("Value \"", message.message_deduplication_id(),
                                  "\" for message.message_deduplication_id is invalid: a standard "
                                  "queue does not deduplicate; leave it empty."),
                     {{"field", "message.message_deduplication_id"}});
  }
  return CheckToken(message.message_deduplication_id(), "message.message_deduplication_id");
}

absl::Status CheckDelay(const v1::OutgoingMessage& message, const store::QueueAttributes& queue) {
  if (!message.has_delay()) return absl::OkStatus();
  if (queue.fifo && (message.delay().seconds() != 0 || message.delay().nanos() != 0)) {
    return MakeError(ErrorReason::kInvalidParameterValue,
                     absl::StrCat("Value ", message.delay().seconds(),
                                  " for message.delay is invalid: a FIFO queue delays all its messages "
                                  "alike; leave it unset, or 0 for the queue's delay."),
                     {{"field", "message.delay"}});
  }
  return CheckDuration(message.delay(), "message.delay", absl::ZeroDuration(), queue.retention,
                       /*whole_seconds=*/true)
      .status();
}

}  // namespace

size_t MessageBytes(const v1::OutgoingMessage& message) {
  size_t bytes = message.body().size();
  for (const auto& [name, value] : message.message_attributes()) {
    bytes += name.size() + value.data_type().size() + ValueBytes(value);
  }
  return bytes;
}

absl::Status CheckMessage(const v1::OutgoingMessage& message, const store::QueueAttributes& queue) {
  if (message.body().empty()) {
    return MissingParameter("message.body");
  }
  WEIR_RETURN_IF_ERROR(CheckGroup(message, queue));
  WEIR_RETURN_IF_ERROR(CheckDelay(message, queue));
  if (message.message_attributes_size() > kAttributesMax) {
    return MakeError(ErrorReason::kInvalidParameterValue,
                     absl::StrCat("Number of message attributes [", message.message_attributes_size(),
                                  "] exceeds the allowed maximum [", kAttributesMax, "]."),
                     {{"field", "message.message_attributes"}});
  }
  if (!HasOnlyAllowedCharacters(message.body()) ||
      !HasOnlyAllowedCharacters(message.aws_trace_header())) {
    return MakeError(ErrorReason::kInvalidMessageContents,
                     "The message contains characters outside the allowed set: #x9, #xA, #xD, #x20 "
                     "to #xD7FF, #xE000 to #xFFFD, #x10000 to #x10FFFF.",
                     {{"field", "message.body"}});
  }
  for (const auto& [name, value] : message.message_attributes()) {
    WEIR_RETURN_IF_ERROR(CheckAttribute(name, value));
  }
  const size_t bytes = MessageBytes(message);
  const size_t maximum_bytes = static_cast<size_t>(queue.maximum_message_bytes);
  if (bytes > maximum_bytes) {
    return MakeError(ErrorReason::kInvalidParameterValue,
                     absl::StrCat("One or more parameters are invalid. Reason: Message must be "
                                  "shorter than ",
                                  maximum_bytes, " bytes; body and attributes have ", bytes, "."),
                     {{"field", "message"}, {"maximum_message_bytes", absl::StrCat(maximum_bytes)}});
  }
  return absl::OkStatus();
}

core::ContentPtr EncodeMessage(const v1::OutgoingMessage& message,
                               const store::QueueAttributes& queue, absl::string_view sender_id,
                               v1::SentMessage& sent, Digests digests) {
  const bool with_digests = digests == Digests::kComputed;
  auto content = std::make_shared<core::MessageContent>();
  content->message_id = RandomUuid();
  content->body = message.body();
  content->message_group_id = message.message_group_id();
  content->deduplication_id = message.message_deduplication_id();
  if (queue.fifo && content->deduplication_id.empty()) {
    content->deduplication_id = Sha256Hex(content->body);
  }
  if (message.message_attributes_size() > 0 || !message.aws_trace_header().empty() ||
      !sender_id.empty()) {
    MessageEnvelope envelope;
    FillEnvelope(message, sender_id, envelope);
    content->attributes = envelope.SerializeAsString();
    if (with_digests) sent.set_md5_of_message_attributes(AttributesMd5(envelope.attributes()));
  }
  sent.set_message_id(content->message_id);
  if (!with_digests) return content;
  sent.set_md5_of_body(Md5Hex(content->body));
  sent.set_md5_of_message_system_attributes(TraceHeaderMd5(message.aws_trace_header()));
  return content;
}

std::string SequenceNumber(core::MessageSeq seq) { return absl::StrFormat("%020d", seq.value()); }

void DecodeMessage(const core::ReceivedMessage& received,
                   const google::protobuf::RepeatedPtrField<std::string>& attribute_names,
                   absl::string_view account, v1::ReceivedMessage& out, Digests digests) {
  const bool with_digests = digests == Digests::kComputed;
  const core::MessageContent& content = *received.content;
  out.set_message_id(content.message_id);
  out.set_body(content.body);
  if (with_digests) out.set_md5_of_body(Md5Hex(content.body));
  out.set_receive_count(received.receive_count);
  *out.mutable_sent_at() = ToMilliseconds(received.sent_at);
  *out.mutable_first_received_at() = ToMilliseconds(received.first_received_at);
  *out.mutable_visible_at() = ToMilliseconds(received.visible_at);
  out.set_dead_letter_queue_source_arn(content.dead_letter_source_arn);
  out.set_message_group_id(content.message_group_id);
  out.set_message_deduplication_id(content.deduplication_id);
  if (!content.deduplication_id.empty()) out.set_sequence_number(SequenceNumber(received.seq));
  out.set_sender_id(std::string(account));
  if (content.attributes.empty()) return;

  MessageEnvelope envelope;
  envelope.ParseFromString(content.attributes);
  if (!envelope.sender_id().empty()) out.set_sender_id(envelope.sender_id());
  out.set_aws_trace_header(envelope.aws_trace_header());
  google::protobuf::RepeatedPtrField<MessageAttribute> returned;
  for (MessageAttribute& attribute : *envelope.mutable_attributes()) {
    const bool selected = std::any_of(attribute_names.begin(), attribute_names.end(),
                                      [&](const std::string& pattern) {
                                        return Selects(pattern, attribute.name());
                                      });
    if (selected) *returned.Add() = std::move(attribute);
  }
  if (with_digests) out.set_md5_of_message_attributes(AttributesMd5(returned));
  for (MessageAttribute& attribute : returned) {
    v1::MessageAttributeValue& value = (*out.mutable_message_attributes())[attribute.name()];
    value.set_data_type(std::move(*attribute.mutable_data_type()));
    if (attribute.has_binary_value()) {
      value.set_binary_value(std::move(*attribute.mutable_binary_value()));
    } else {
      value.set_string_value(std::move(*attribute.mutable_string_value()));
    }
  }
}

std::string AttributesMd5(
    const google::protobuf::RepeatedPtrField<MessageAttribute>& attributes) {
  if (attributes.empty()) return "";
  constexpr char kString = 1;
  constexpr char kBinary = 2;
  std::string bytes;
  for (const MessageAttribute& attribute : attributes) {
    AppendWithLength(attribute.name(), bytes);
    AppendWithLength(attribute.data_type(), bytes);
    bytes.push_back(attribute.has_binary_value() ? kBinary : kString);
    AppendWithLength(
        attribute.has_binary_value() ? attribute.binary_value() : attribute.string_value(), bytes);
  }
  return Md5Hex(bytes);
}

}  // namespace weir::queue::api
