#include "services/runner/mappings/sqs_event.h"

#include <gtest/gtest.h>

#include "google/protobuf/text_format.h"

namespace weir::runner::mappings {
namespace {

TEST(SqsEventTest, RecordIsLambdas) {
  queue::v1::ReceivedMessage message;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "message_id: 'id' receipt_handle: 'rh' body: 'a\"b' md5_of_body: 'm' receive_count: 2 "
      "sent_at { seconds: 1 nanos: 5000000 } first_received_at { seconds: 2 } sender_id: '1' "
      "dead_letter_queue_source_arn: 'arn'",
      &message));
  // Not in the text: reflection on maps has another layout in the distribution's protobuf than under ThreadSanitizer.
  queue::v1::MessageAttributeValue& attribute = (*message.mutable_message_attributes())["k"];
  attribute.set_data_type("Binary");
  attribute.set_binary_value("ab");
  EXPECT_EQ(SqsRecord(message, "arn:aws:sqs:r:a:q", "r"),
            R"({"messageId":"id","receiptHandle":"rh","body":"a\"b","attributes":{)"
            R"("ApproximateReceiveCount":"2","SentTimestamp":"1005","SenderId":"1",)"
            R"("ApproximateFirstReceiveTimestamp":"2000","DeadLetterQueueSourceArn":"arn"},)"
            R"("messageAttributes":{"k":{"binaryValue":"YWI=","stringListValues":[],)"
            R"("binaryListValues":[],"dataType":"Binary"}},"md5OfMessageAttributes":null,)"
            R"("md5OfBody":"m","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:r:a:q",)"
            R"("awsRegion":"r"})");
}

TEST(SqsEventTest, SizeOfAnEventIsKnownBeforehand) {
  const std::vector<std::string> records = {"{}", "{\"a\":1}"};
  EXPECT_EQ(SqsEvent(records), R"({"Records":[{},{"a":1}]})");
  EXPECT_EQ(EventBytesWith(EventBytesWith(0, 2), 7), SqsEvent(records).size());
}

TEST(SqsEventTest, OnlyQueueArnsAreParsed) {
  const auto ref = ParseQueueArn("arn:aws:sqs:eu-west-1:123456789012:jobs");
  ASSERT_TRUE(ref.has_value());
  EXPECT_EQ(ref->name(), "jobs");
  EXPECT_EQ(ref->namespace_().region(), "eu-west-1");
  for (const char* arn : {"", "jobs", "arn:aws:sns:r:a:t", "arn:aws:sqs:r:a:", "arn:aws:sqs:r:a:q:x"}) {
    EXPECT_FALSE(ParseQueueArn(arn).has_value()) << arn;
  }
}

}  // namespace
}  // namespace weir::runner::mappings
