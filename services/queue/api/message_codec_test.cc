#include "services/queue/api/message_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "libs/base/error.h"

namespace weir::queue::api {
namespace {

using testing::HasSubstr;

constexpr size_t kMaximum = 1'048'576;

v1::OutgoingMessage Message(absl::string_view body) {
  v1::OutgoingMessage message;
  message.set_body(std::string(body));
  return message;
}

void AddString(v1::OutgoingMessage& message, const std::string& name, const std::string& value,
               const std::string& type = "String") {
  auto& attribute = (*message.mutable_message_attributes())[name];
  attribute.set_data_type(type);
  attribute.set_string_value(value);
}

void AddBinary(v1::OutgoingMessage& message, const std::string& name, const std::string& value) {
  auto& attribute = (*message.mutable_message_attributes())[name];
  attribute.set_data_type("Binary");
  attribute.set_binary_value(value);
}

v1::ReceivedMessage RoundTrip(const v1::OutgoingMessage& message,
                              const std::vector<std::string>& names) {
  v1::SentMessage sent;
  core::ReceivedMessage received;
  received.content = EncodeMessage(message, "", sent);
  received.receive_count = 1;
  received.sent_at = received.first_received_at = received.visible_at = absl::UnixEpoch();
  google::protobuf::RepeatedPtrField<std::string> wanted(names.begin(), names.end());
  v1::ReceivedMessage out;
  DecodeMessage(received, wanted, "000000000000", out);
  return out;
}

TEST(CheckMessageTest, AcceptsWhatSqsAccepts) {
  v1::OutgoingMessage message = Message("tab\t line\n return\r é 日本 😀");
  AddString(message, "a.b-c_D", "value");
  AddString(message, "n", "-1.5e3", "Number.float");
  AddBinary(message, "raw", std::string("\0\1", 2));
  EXPECT_TRUE(CheckMessage(message, kMaximum).ok()) << CheckMessage(message, kMaximum);
}

TEST(CheckMessageTest, NamesWhatIsWrong) {
  const auto reason_of = [](const v1::OutgoingMessage& message) {
    return ReasonOf(CheckMessage(message, 2048));
  };
  EXPECT_EQ(reason_of(Message("")), ErrorReason::kMissingParameter);
  EXPECT_EQ(reason_of(Message(std::string("a\0b", 3))), ErrorReason::kInvalidMessageContents);
  EXPECT_EQ(reason_of(Message("\x01")), ErrorReason::kInvalidMessageContents);
  EXPECT_EQ(reason_of(Message("\xEF\xBF\xBF")), ErrorReason::kInvalidMessageContents);
  EXPECT_EQ(reason_of(Message(std::string(2049, 'x'))), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(reason_of(Message(std::string(2048, 'x'))), ErrorReason::kUnspecified);

  v1::OutgoingMessage grouped = Message("a");
  grouped.set_message_group_id("g");
  EXPECT_EQ(reason_of(grouped), ErrorReason::kUnsupportedOperation);
}

TEST(CheckMessageTest, ChecksAttributes) {
  struct Case {
    std::string name, type, value, complaint;
  };
  for (const Case& c : std::vector<Case>{
           {"", "String", "v", "invalid name"},
           {".a", "String", "v", "invalid name"},
           {"a..b", "String", "v", "invalid name"},
           {"aws.x", "String", "v", "must not start with AWS."},
           {"a b", "String", "v", "invalid name"},
           {std::string(257, 'a'), "String", "v", "invalid name"},
           {"a", "Text", "v", "must be String, Number or Binary"},
           {"a", "", "v", "must be String, Number or Binary"},
           {"a", "String", "", "non-empty value of type 'String'"},
           {"a", "Binary", "v", "binary_value"},
           {"a", "Number", "12x", "not a number"},
           {"a", "String", "\x02", "not allowed"}}) {
    v1::OutgoingMessage message = Message("body");
    AddString(message, c.name, c.value, c.type);
    const absl::Status status = CheckMessage(message, kMaximum);
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidParameterValue) << c.name << " " << c.type;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.complaint));
  }
}

TEST(CheckMessageTest, TakesTenAttributesAndNotEleven) {
  v1::OutgoingMessage message = Message("body");
  for (int i = 0; i < 10; ++i) AddString(message, "a" + std::to_string(i), "v");
  EXPECT_TRUE(CheckMessage(message, kMaximum).ok());
  AddString(message, "one-more", "v");
  EXPECT_EQ(ReasonOf(CheckMessage(message, kMaximum)), ErrorReason::kInvalidParameterValue);
}

TEST(MessageBytesTest, CountsNamesTypesAndValues) {
  v1::OutgoingMessage message = Message("12345");
  AddString(message, "ab", "cde", "String");
  EXPECT_EQ(MessageBytes(message), 5u + 2 + 6 + 3);
}

// Digests computed from SQS's definition with an independent program.
TEST(AttributesMd5Test, EqualsTheDefinition) {
  v1::OutgoingMessage message = Message("hello");
  AddString(message, "name", "value");
  v1::SentMessage sent;
  EncodeMessage(message, "", sent);
  EXPECT_EQ(sent.md5_of_body(), "5d41402abc4b2a76b9719d911017c592");
  EXPECT_EQ(sent.md5_of_message_attributes(), "25ada41cad9d6e55ad5a2b3d2da508a2");
  AddString(message, "count", "3", "Number.int");
  AddBinary(message, "blob", std::string("\0\xff", 2));
  EncodeMessage(message, "", sent);
  EXPECT_EQ(sent.md5_of_message_attributes(), "cf6401c2f75f473a653861c62ffeb596");
}

TEST(DecodeMessageTest, GivesBackWhatWasSent) {
  v1::OutgoingMessage message = Message("body");
  AddString(message, "s", "text");
  AddBinary(message, "b", std::string("\0\1", 2));
  message.set_aws_trace_header("Root=1-2-3");
  const v1::ReceivedMessage out = RoundTrip(message, {"All"});
  EXPECT_EQ(out.body(), "body");
  EXPECT_EQ(out.message_attributes().at("s").string_value(), "text");
  EXPECT_EQ(out.message_attributes().at("b").binary_value(), std::string("\0\1", 2));
  EXPECT_EQ(out.aws_trace_header(), "Root=1-2-3");
  EXPECT_EQ(out.sender_id(), "000000000000");
}

TEST(DecodeMessageTest, ReturnsOnlyTheAttributesThatAreAskedFor) {
  v1::OutgoingMessage message = Message("body");
  AddString(message, "order.id", "1");
  AddString(message, "order.kind", "x");
  AddString(message, "other", "y");
  EXPECT_TRUE(RoundTrip(message, {}).message_attributes().empty());
  EXPECT_TRUE(RoundTrip(message, {}).md5_of_message_attributes().empty());
  EXPECT_EQ(RoundTrip(message, {"other", "unknown"}).message_attributes_size(), 1);
  EXPECT_EQ(RoundTrip(message, {"order.*"}).message_attributes_size(), 2);
  EXPECT_EQ(RoundTrip(message, {".*"}).message_attributes_size(), 3);
}

}  // namespace
}  // namespace weir::queue::api
