#include "services/queue/api/message_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "libs/base/error.h"

namespace weir::queue::api {
namespace {

using testing::HasSubstr;

const store::QueueAttributes kStandard;
const store::QueueAttributes kFifo{.fifo = true};

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
  received.content = EncodeMessage(message, kStandard, "", sent);
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
  EXPECT_TRUE(CheckMessage(message, kStandard).ok()) << CheckMessage(message, kStandard);
}

TEST(CheckMessageTest, NamesWhatIsWrong) {
  const auto reason_of = [](const v1::OutgoingMessage& message) {
    return ReasonOf(CheckMessage(message, {.maximum_message_bytes = 2048}));
  };
  EXPECT_EQ(reason_of(Message("")), ErrorReason::kMissingParameter);
  EXPECT_EQ(reason_of(Message(std::string("a\0b", 3))), ErrorReason::kInvalidMessageContents);
  EXPECT_EQ(reason_of(Message("\x01")), ErrorReason::kInvalidMessageContents);
  EXPECT_EQ(reason_of(Message("\xEF\xBF\xBF")), ErrorReason::kInvalidMessageContents);
  EXPECT_EQ(reason_of(Message(std::string(2049, 'x'))), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(reason_of(Message(std::string(2048, 'x'))), ErrorReason::kUnspecified);

  v1::OutgoingMessage grouped = Message("a");
  grouped.set_message_group_id("g g");
  EXPECT_EQ(reason_of(grouped), ErrorReason::kInvalidParameterValue);
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
    const absl::Status status = CheckMessage(message, kStandard);
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidParameterValue) << c.name << " " << c.type;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.complaint));
  }
}

TEST(CheckMessageTest, TakesTenAttributesAndNotEleven) {
  v1::OutgoingMessage message = Message("body");
  for (int i = 0; i < 10; ++i) AddString(message, "a" + std::to_string(i), "v");
  EXPECT_TRUE(CheckMessage(message, kStandard).ok());
  AddString(message, "one-more", "v");
  EXPECT_EQ(ReasonOf(CheckMessage(message, kStandard)), ErrorReason::kInvalidParameterValue);
}

TEST(CheckMessageTest, FifoQueuesWantAGroupAndADeduplicationId) {
  v1::OutgoingMessage message = Message("body");
  EXPECT_EQ(ReasonOf(CheckMessage(message, kFifo)), ErrorReason::kMissingParameter);
  message.set_message_group_id("g");
  EXPECT_EQ(ReasonOf(CheckMessage(message, kFifo)), ErrorReason::kInvalidParameterValue);
  EXPECT_TRUE(CheckMessage(message, {.fifo = true, .content_based_deduplication = true}).ok());
  message.set_message_deduplication_id("d");
  EXPECT_TRUE(CheckMessage(message, kFifo).ok());
}

TEST(CheckMessageTest, StandardQueuesTakeAGroupButNoDeduplicationId) {
  v1::OutgoingMessage message = Message("body");
  message.set_message_group_id("g");
  EXPECT_TRUE(CheckMessage(message, kStandard).ok());
  message.set_message_deduplication_id("d");
  EXPECT_EQ(ReasonOf(CheckMessage(message, kStandard)), ErrorReason::kInvalidParameterValue);
}

TEST(CheckMessageTest, GroupsAreAlphanumericsAndPunctuation) {
  v1::OutgoingMessage message = Message("body");
  message.set_message_group_id("aZ09!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
  EXPECT_TRUE(CheckMessage(message, kStandard).ok());
  for (const std::string& group : {std::string("two words"), std::string("\xc3\xa9"), std::string("tab\t"),
                                   std::string(129, 'g')}) {
    message.set_message_group_id(group);
    const absl::Status status = CheckMessage(message, kStandard);
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidParameterValue) << group;
    EXPECT_THAT(std::string(status.message()), HasSubstr("alphanumeric and punctuation"));
  }
  message.set_message_group_id(std::string(128, 'g'));
  EXPECT_TRUE(CheckMessage(message, kStandard).ok());
}

TEST(CheckMessageTest, DelayIsBoundByTheRetentionAndInFifoQueuesZero) {
  v1::OutgoingMessage message = Message("body");
  message.set_message_group_id("g");
  message.mutable_delay()->set_seconds(3600);
  EXPECT_TRUE(CheckMessage(message, {.retention = absl::Hours(1)}).ok());
  EXPECT_EQ(ReasonOf(CheckMessage(message, {.retention = absl::Minutes(59)})),
            ErrorReason::kInvalidParameterValue);
  const store::QueueAttributes fifo{.fifo = true, .content_based_deduplication = true};
  EXPECT_EQ(ReasonOf(CheckMessage(message, fifo)), ErrorReason::kInvalidParameterValue);
  message.mutable_delay()->set_seconds(0);
  EXPECT_TRUE(CheckMessage(message, fifo).ok());
}

TEST(EncodeMessageTest, ContentBasedIdIsTheDigestOfTheBodyAlone) {
  const store::QueueAttributes fifo{.fifo = true, .content_based_deduplication = true};
  v1::OutgoingMessage message = Message("hello");
  message.set_message_group_id("g");
  AddString(message, "name", "value");
  v1::SentMessage sent;
  EXPECT_EQ(EncodeMessage(message, fifo, "", sent)->deduplication_id,
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  message.set_message_deduplication_id("mine");
  EXPECT_EQ(EncodeMessage(message, fifo, "", sent)->deduplication_id, "mine");
  EXPECT_EQ(EncodeMessage(Message("hello"), kStandard, "", sent)->deduplication_id, "");
}

TEST(SequenceNumberTest, HasTwentyDigits) {
  EXPECT_EQ(SequenceNumber(core::MessageSeq(42)), "00000000000000000042");
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
  EncodeMessage(message, kStandard, "", sent);
  EXPECT_EQ(sent.md5_of_body(), "5d41402abc4b2a76b9719d911017c592");
  EXPECT_EQ(sent.md5_of_message_attributes(), "25ada41cad9d6e55ad5a2b3d2da508a2");
  AddString(message, "count", "3", "Number.int");
  AddBinary(message, "blob", std::string("\0\xff", 2));
  EncodeMessage(message, kStandard, "", sent);
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

TEST(DecodeMessageTest, MessagesOfFifoQueuesHaveAPlace) {
  auto content = std::make_shared<core::MessageContent>();
  content->message_group_id = "g";
  content->deduplication_id = "d";
  v1::ReceivedMessage out;
  DecodeMessage({.seq = core::MessageSeq(7), .content = content}, {}, "000000000000", out);
  EXPECT_EQ(out.message_group_id(), "g");
  EXPECT_EQ(out.message_deduplication_id(), "d");
  EXPECT_EQ(out.sequence_number(), "00000000000000000007");
  EXPECT_EQ(RoundTrip(Message("standard"), {}).sequence_number(), "");
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
