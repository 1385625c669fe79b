// Every operation, in both protocols: the parameters as clients send them become one and the same request to the queue service, and
// its response becomes JSON and XML.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/check.h"
#include "services/gateway/sqs/message_operations.h"
#include "services/gateway/sqs/move_operations.h"
#include "services/gateway/sqs/queue_operations.h"
#include "services/gateway/sqs/shapes.h"
#include "services/gateway/wire/json_protocol.h"
#include "services/gateway/wire/query_protocol.h"

namespace weir::gateway::sqs {
namespace {

using namespace shapes;  // NOLINT: the tables below are nothing but shapes
using testing::HasSubstr;
using wire::Outcome;
using wire::Value;

const wire::CallContext kCaller = {.account = "123456789012", .region = "eu-west-1", .base_url = "http://localhost:4566"};

std::string OnOneLine(const google::protobuf::Message& message) {
  std::string text;
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  printer.PrintToString(message, &text);
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return absl::StrReplaceAll(text, {{"namespace { account: \"123456789012\" region: \"eu-west-1\" }", "OWN"}});
}

// Parameters → request, in text form, or "code: message".
template <typename Request>
std::string Encoded(MaybeError (*encode)(const Call&, Request&), const Outcome& input, const SqsOptions& options) {
  const auto* value = std::get_if<Value>(&input);
  Request request;
  MaybeError error = value != nullptr ? encode({"Test", kCaller, options, *value}, request)
                                      : std::get<wire::AwsError>(input);
  return error.has_value() ? error->query_code + ": " + error->message : OnOneLine(request);
}

using Encoder = std::function<std::string(const Outcome&, const SqsOptions&)>;
template <typename Request>
Encoder By(MaybeError (*encode)(const Call&, Request&)) {
  return [encode](const Outcome& input, const SqsOptions& options) { return Encoded(encode, input, options); };
}

struct RequestCase {
  Encoder encode;
  const Shape& shape;
  std::string json;
  std::string form;
  std::string request;
};

TEST(TranslationTest, ParametersBecomeTheSameRequestInBothProtocols) {
  const RequestCase cases[] = {
      {By(EncodeCreateQueue), kCreateQueueInput,
       R"({"QueueName":"q","Attributes":{"VisibilityTimeout":"5","DelaySeconds":"6","MessageRetentionPeriod":"60",
           "MaximumMessageSize":"1024","ReceiveMessageWaitTimeSeconds":"7"},"tags":{"team":"shop"}})",
       "QueueName=q&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=5&Attribute.2.Name=DelaySeconds&"
       "Attribute.2.Value=6&Attribute.3.Name=MessageRetentionPeriod&Attribute.3.Value=60&"
       "Attribute.4.Name=MaximumMessageSize&Attribute.4.Value=1024&Attribute.5.Name=ReceiveMessageWaitTimeSeconds&"
       "Attribute.5.Value=7&Tag.1.Key=team&Tag.1.Value=shop",
       "queue { OWN name: \"q\" } attributes { visibility_timeout { seconds: 5 } delay { seconds: 6 } retention { "
       "seconds: 60 } maximum_message_bytes: 1024 receive_wait_time { seconds: 7 } } tags { key: \"team\" value: "
       "\"shop\" }"},
      {By(EncodeCreateQueue), kCreateQueueInput,
       R"({"QueueName":"q.fifo","Attributes":{"FifoQueue":"true","ContentBasedDeduplication":"true",
           "DeduplicationScope":"messageGroup","FifoThroughputLimit":"perMessageGroupId"}})",
       "QueueName=q.fifo&Attribute.1.Name=FifoQueue&Attribute.1.Value=true&Attribute.2.Name=ContentBasedDeduplication&"
       "Attribute.2.Value=true&Attribute.3.Name=DeduplicationScope&Attribute.3.Value=messageGroup&"
       "Attribute.4.Name=FifoThroughputLimit&Attribute.4.Value=perMessageGroupId",
       "queue { OWN name: \"q.fifo\" } attributes { fifo_queue: true content_based_deduplication: true "
       "deduplication_scope: DEDUPLICATION_SCOPE_MESSAGE_GROUP fifo_throughput_limit: "
       "FIFO_THROUGHPUT_LIMIT_PER_MESSAGE_GROUP_ID }"},
      {By(EncodeSetQueueAttributes), kSetAttributesInput,
       R"({"QueueUrl":"q","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:x\",\"maxReceiveCount\":\"5\"}",
           "RedriveAllowPolicy":"{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"arn:y\"]}"}})",
       "QueueUrl=q&Attribute.1.Name=RedrivePolicy&Attribute.1.Value=%7B%22deadLetterTargetArn%22%3A%22arn:x%22,"
       "%22maxReceiveCount%22:5%7D&Attribute.2.Name=RedriveAllowPolicy&Attribute.2.Value=%7B%22redrivePermission%22:"
       "%22byQueue%22,%22sourceQueueArns%22:[%22arn:y%22]%7D",
       "queue { OWN name: \"q\" } attributes { redrive_policy { dead_letter_queue_arn: \"arn:x\" max_receive_count: 5 } "
       "redrive_allow_policy { redrive_permission: REDRIVE_PERMISSION_BY_QUEUE source_queue_arns: \"arn:y\" } }"},
      {By(EncodeSetQueueAttributes), kSetAttributesInput,
       R"({"QueueUrl":"q","Attributes":{"RedrivePolicy":"","Policy":"","SqsManagedSseEnabled":"false"}})",
       "QueueUrl=q&Attribute.1.Name=RedrivePolicy&Attribute.1.Value=&Attribute.2.Name=Policy&Attribute.2.Value=&"
       "Attribute.3.Name=SqsManagedSseEnabled&Attribute.3.Value=false",
       "queue { OWN name: \"q\" } attributes { redrive_policy { } policy: \"\" annotations { key: "
       "\"SqsManagedSseEnabled\" value: \"false\" } }"},
      {By(EncodeSetQueueAttributes), kSetAttributesInput,
       R"({"QueueUrl":"q","Attributes":{"Policy":"{\"Statement\":[]}","KmsMasterKeyId":""}})",
       "QueueUrl=q&Attribute.1.Name=Policy&Attribute.1.Value=%7B%22Statement%22:[]%7D&Attribute.2.Name=KmsMasterKeyId&"
       "Attribute.2.Value=",
       "queue { OWN name: \"q\" } attributes { policy: \"{\\\"Statement\\\":[]}\" annotations { key: \"KmsMasterKeyId\" "
       "value: \"\" } }"},
      {By(EncodeAddPermission), kAddPermissionInput,
       R"({"QueueUrl":"q","Label":"l","AWSAccountIds":["111122223333","444455556666"],"Actions":["SendMessage","*"]})",
       "QueueUrl=q&Label=l&AWSAccountId.1=111122223333&AWSAccountId.2=444455556666&ActionName.1=SendMessage&ActionName.2=*",
       "queue { OWN name: \"q\" } label: \"l\" account_ids: \"111122223333\" account_ids: \"444455556666\" actions: "
       "\"SendMessage\" actions: \"*\""},
      {By(EncodeRemovePermission), kRemovePermissionInput, R"({"QueueUrl":"q","Label":"l"})", "QueueUrl=q&Label=l",
       "queue { OWN name: \"q\" } label: \"l\""},
      {By(EncodeDeleteQueue), kOnlyQueueUrl, R"({"QueueUrl":"http://any.host:1/123456789012/q"})",
       "QueueUrl=http%3A%2F%2Fany.host%3A1%2F123456789012%2Fq", "queue { OWN name: \"q\" }"},
      {By(EncodePurgeQueue), kOnlyQueueUrl, R"({"QueueUrl":"/999999999999/q"})", "QueueUrl=/999999999999/q",
       "queue { namespace { account: \"999999999999\" region: \"eu-west-1\" } name: \"q\" }"},
      {By(EncodeGetQueueUrl), kGetQueueUrlInput, R"({"QueueName":"q","QueueOwnerAWSAccountId":"999999999999"})",
       "QueueName=q&QueueOwnerAWSAccountId=999999999999",
       "queue { namespace { account: \"999999999999\" region: \"eu-west-1\" } name: \"q\" }"},
      {By(EncodeListQueues), kListQueuesInput, R"({"QueueNamePrefix":"a","MaxResults":2,"NextToken":"t"})",
       "QueueNamePrefix=a&MaxResults=2&NextToken=t", "OWN name_prefix: \"a\" page_size: 2 page_token: \"t\""},
      {By(EncodeListQueues), kListQueuesInput, "{}", "", "OWN page_size: 1000"},
      {By(EncodeListDeadLetterSourceQueues), kListSourcesInput, R"({"QueueUrl":"q","MaxResults":1000})",
       "QueueUrl=q&MaxResults=1000", "queue { OWN name: \"q\" } page_size: 1000"},
      {By(EncodeGetQueueAttributes), kGetAttributesInput, R"({"QueueUrl":"q","AttributeNames":["All","Policy"]})",
       "QueueUrl=q&AttributeName.1=All&AttributeName.2=Policy", "queue { OWN name: \"q\" }"},
      {By(EncodeTagQueue), kTagQueueInput, R"({"QueueUrl":"q","Tags":{"a":"1"}})", "QueueUrl=q&Tag.1.Key=a&Tag.1.Value=1",
       "queue { OWN name: \"q\" } tags { key: \"a\" value: \"1\" }"},
      {By(EncodeUntagQueue), kUntagQueueInput, R"({"QueueUrl":"q","TagKeys":["a","b"]})",
       "QueueUrl=q&TagKey.1=a&TagKey.2=b", "queue { OWN name: \"q\" } tag_keys: \"a\" tag_keys: \"b\""},
      {By(EncodeListQueueTags), kOnlyQueueUrl, R"({"QueueUrl":"q"})", "QueueUrl=q", "queue { OWN name: \"q\" }"},
      {By(EncodeSendMessage), kSendMessageInput,
       R"({"QueueUrl":"q","MessageBody":"b","DelaySeconds":900,"MessageAttributes":{"n":{"DataType":"Number.int",
           "StringValue":"1"},"x":{"DataType":"Binary","BinaryValue":"AP8="}},"MessageSystemAttributes":{"AWSTraceHeader":
           {"DataType":"String","StringValue":"Root=1"}},"MessageGroupId":"g","MessageDeduplicationId":"d"})",
       "QueueUrl=q&MessageBody=b&DelaySeconds=900&MessageAttribute.1.Name=n&MessageAttribute.1.Value.DataType=Number.int&"
       "MessageAttribute.1.Value.StringValue=1&MessageAttribute.2.Name=x&MessageAttribute.2.Value.DataType=Binary&"
       "MessageAttribute.2.Value.BinaryValue=AP8%3D&MessageSystemAttribute.1.Name=AWSTraceHeader&"
       "MessageSystemAttribute.1.Value.DataType=String&MessageSystemAttribute.1.Value.StringValue=Root%3D1&"
       "MessageGroupId=g&MessageDeduplicationId=d",
       "queue { OWN name: \"q\" } message { body: \"b\" delay { seconds: 900 } message_attributes { key: \"n\" value { "
       "data_type: \"Number.int\" string_value: \"1\" } } message_attributes { key: \"x\" value { data_type: \"Binary\" "
       "binary_value: \"\\000\\377\" } } aws_trace_header: \"Root=1\" message_group_id: \"g\" message_deduplication_id: "
       "\"d\" }"},
      {By(EncodeSendMessageBatch), kSendBatchInput,
       R"({"QueueUrl":"q","Entries":[{"Id":"1","MessageBody":"a"},{"Id":"2","MessageBody":"b","DelaySeconds":0}]})",
       "QueueUrl=q&SendMessageBatchRequestEntry.1.Id=1&SendMessageBatchRequestEntry.1.MessageBody=a&"
       "SendMessageBatchRequestEntry.2.Id=2&SendMessageBatchRequestEntry.2.MessageBody=b&"
       "SendMessageBatchRequestEntry.2.DelaySeconds=0",
       "queue { OWN name: \"q\" } entries { id: \"1\" message { body: \"a\" } } entries { id: \"2\" message { body: \"b\" "
       "delay { } } }"},
      {By(EncodeReceiveMessage), kReceiveInput,
       R"({"QueueUrl":"q","MaxNumberOfMessages":10,"WaitTimeSeconds":0,"VisibilityTimeout":0,"MessageAttributeNames":
           ["All"],"AttributeNames":["SenderId"],"MessageSystemAttributeNames":["All"],"ReceiveRequestAttemptId":"a"})",
       "QueueUrl=q&MaxNumberOfMessages=10&WaitTimeSeconds=0&VisibilityTimeout=0&MessageAttributeName.1=All&"
       "AttributeName.1=SenderId&MessageSystemAttributeName.1=All&ReceiveRequestAttemptId=a",
       "queue { OWN name: \"q\" } max_messages: 10 wait_time { } visibility_timeout { } message_attribute_names: \"All\" "
       "receive_request_attempt_id: \"a\""},
      {By(EncodeReceiveMessage), kReceiveInput, R"({"QueueUrl":"q"})", "QueueUrl=q", "queue { OWN name: \"q\" }"},
      {By(EncodeDeleteMessage), kDeleteMessageInput, R"({"QueueUrl":"q","ReceiptHandle":"r+/"})",
       "QueueUrl=q&ReceiptHandle=r%2B/", "queue { OWN name: \"q\" } receipt_handle: \"r+/\""},
      {By(EncodeDeleteMessageBatch), kDeleteBatchInput, R"({"QueueUrl":"q","Entries":[{"Id":"1","ReceiptHandle":"r"}]})",
       "QueueUrl=q&DeleteMessageBatchRequestEntry.1.Id=1&DeleteMessageBatchRequestEntry.1.ReceiptHandle=r",
       "queue { OWN name: \"q\" } entries { id: \"1\" receipt_handle: \"r\" }"},
      {By(EncodeChangeMessageVisibility), kChangeVisibilityInput,
       R"({"QueueUrl":"q","ReceiptHandle":"r","VisibilityTimeout":0})", "QueueUrl=q&ReceiptHandle=r&VisibilityTimeout=0",
       "queue { OWN name: \"q\" } receipt_handle: \"r\" visibility_timeout { }"},
      {By(EncodeChangeMessageVisibilityBatch), kChangeBatchInput,
       R"({"QueueUrl":"q","Entries":[{"Id":"1","ReceiptHandle":"r","VisibilityTimeout":9}]})",
       "QueueUrl=q&ChangeMessageVisibilityBatchRequestEntry.1.Id=1&ChangeMessageVisibilityBatchRequestEntry.1."
       "ReceiptHandle=r&ChangeMessageVisibilityBatchRequestEntry.1.VisibilityTimeout=9",
       "queue { OWN name: \"q\" } entries { id: \"1\" receipt_handle: \"r\" visibility_timeout { seconds: 9 } }"},
      {By(EncodeStartMessageMoveTask), kStartMoveInput,
       R"({"SourceArn":"arn:aws:sqs:eu-west-1:123456789012:dlq","DestinationArn":"arn:d","MaxNumberOfMessagesPerSecond":5})",
       "SourceArn=arn:aws:sqs:eu-west-1:123456789012:dlq&DestinationArn=arn:d&MaxNumberOfMessagesPerSecond=5",
       "source { OWN name: \"dlq\" } destination_arn: \"arn:d\" max_messages_per_second: 5"},
      {By(EncodeListMessageMoveTasks), kListMovesInput,
       R"({"SourceArn":"arn:aws:sqs:eu-west-1:123456789012:dlq","MaxResults":10})",
       "SourceArn=arn:aws:sqs:eu-west-1:123456789012:dlq&MaxResults=10", "source { OWN name: \"dlq\" } max_results: 10"},
      {By(EncodeCancelMessageMoveTask), kCancelMoveInput, R"({"TaskHandle":"h"})", "TaskHandle=h", "task_handle: \"h\""},
  };
  for (const RequestCase& c : cases) {
    EXPECT_EQ(c.encode(wire::ParseJsonInput(c.json, c.shape), {}), c.request) << c.json;
    EXPECT_EQ(c.encode(wire::ParseQueryInput(wire::ParseForm(c.form), c.shape), {}), c.request) << c.form;
  }
}

struct RefusalCase {
  Encoder encode;
  const Shape& shape;
  std::string json;
  std::string error;
};

TEST(TranslationTest, WhatSqsRefusesAndTheQueueServiceCannotKnow) {
  const auto set = [](const std::string& attributes, const std::string& error) {
    return RefusalCase{By(EncodeSetQueueAttributes), kSetAttributesInput,
                       R"({"QueueUrl":"q","Attributes":{)" + attributes + "}}", error};
  };
  const RefusalCase cases[] = {
      set(R"("Colour":"red")", "InvalidAttributeName: Unknown Attribute Colour."),
      set(R"("QueueArn":"arn:x")", "InvalidAttributeName: Unknown Attribute QueueArn."),
      set(R"("DelaySeconds":"soon")", "InvalidAttributeValue: Invalid value for the parameter DelaySeconds."),
      set(R"("MaximumMessageSize":"")", "InvalidAttributeValue: Invalid value for the parameter MaximumMessageSize."),
      set(R"("FifoQueue":"yes")", "InvalidAttributeValue: Invalid value for the parameter FifoQueue."),
      set(R"("DeduplicationScope":"all")", "InvalidAttributeValue: Invalid value for the parameter DeduplicationScope."),
      set(R"("RedrivePolicy":"no")",
          "InvalidParameterValue: Value no for parameter RedrivePolicy is invalid. Reason: Redrive policy is not a valid "
          "JSON map."),
      set(R"("RedrivePolicy":"{\"maxReceiveCount\":1}")",
          "InvalidParameterValue: Value {\"maxReceiveCount\":1} for parameter RedrivePolicy is invalid. Reason: Redrive "
          "policy does not contain mandatory attribute: deadLetterTargetArn."),
      set(R"("RedrivePolicy":"{\"deadLetterTargetArn\":\"a\",\"maxReceiveCount\":0}")",
          "InvalidParameterValue: Value {\"deadLetterTargetArn\":\"a\",\"maxReceiveCount\":0} for parameter RedrivePolicy "
          "is invalid. Reason: Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive."),
      set(R"("KmsMasterKeyId":"alias/aws/sqs")",
          "AWS.SimpleQueueService.UnsupportedOperation: The attribute KmsMasterKeyId is not supported, because Weir does not "
          "encrypt with KMS; leave it out, or let the gateway keep it without effect (weir-gateway --relaxed, weir up "
          "--sqs-relaxed)."),
      set(R"("KmsDataKeyReusePeriodSeconds":"300")",
          "AWS.SimpleQueueService.UnsupportedOperation: The attribute KmsDataKeyReusePeriodSeconds is not supported, because "
          "Weir does not encrypt with KMS; leave it out, or let the gateway keep it without effect (weir-gateway --relaxed, "
          "weir up --sqs-relaxed)."),
      set(R"("SqsManagedSseEnabled":"yes")",
          "InvalidAttributeValue: Invalid value for the parameter SqsManagedSseEnabled."),
      set(R"("SqsManagedSseEnabled":"")", "InvalidAttributeValue: Invalid value for the parameter SqsManagedSseEnabled."),
      {By(EncodeGetQueueAttributes), kGetAttributesInput, R"({"QueueUrl":"q","AttributeNames":["Colour"]})",
       "InvalidAttributeName: Unknown Attribute Colour."},
      {By(EncodeReceiveMessage), kReceiveInput, R"({"QueueUrl":"q","MessageSystemAttributeNames":["Colour"]})",
       "InvalidAttributeName: Unknown Attribute Colour."},
      {By(EncodeListQueues), kListQueuesInput, R"({"MaxResults":0})",
       "InvalidParameterValue: Value 0 for parameter MaxResults is invalid. Reason: MaxResults must be an integer between "
       "1 and 1000."},
      {By(EncodeSendMessage), kSendMessageInput, R"({"QueueUrl":"q","MessageBody":"b","MessageGroupId":""})",
       "InvalidParameterValue: Value  for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include "
       "alphanumeric and punctuation characters. 1 to 128 in length."},
      {By(EncodeSendMessage), kSendMessageInput,
       R"({"QueueUrl":"q","MessageBody":"b","MessageSystemAttributes":{"SenderId":{"StringValue":"me"}}})",
       "InvalidParameterValue: Value SenderId for parameter MessageSystemAttributes is invalid. Reason: Only "
       "AWSTraceHeader can be sent."},
      {By(EncodeStartMessageMoveTask), kStartMoveInput, R"({"SourceArn":"dlq"})",
       "InvalidParameterValue: You must use this format to specify the SourceArn: "
       "arn:<partition>:<service>:<region>:<account-id>:<resource-id>"},
      {By(EncodeListMessageMoveTasks), kListMovesInput, R"({"SourceArn":"arn:aws:sqs:r:1:d","MaxResults":11})",
       "InvalidParameterValue: Value 11 for parameter MaxResults is invalid. Reason: Must be between 1 and 10, if "
       "provided."},
  };
  for (const RefusalCase& c : cases) {
    EXPECT_EQ(c.encode(wire::ParseJsonInput(c.json, c.shape), {}), c.error) << c.json;
  }
}

std::string RelaxedSet(const std::string& attributes) {
  const Outcome input =
      wire::ParseJsonInput(R"({"QueueUrl":"q","Attributes":{)" + attributes + "}}", kSetAttributesInput);
  return Encoded(EncodeSetQueueAttributes, input, {.relaxed = true});
}

TEST(TranslationTest, RelaxedIgnoresUnknownAttributesAndKeepsThoseThatAreNotObeyed) {
  EXPECT_EQ(RelaxedSet(R"("Colour":"red","QueueArn":"arn:x","KmsMasterKeyId":"alias/aws/sqs","DelaySeconds":"1")"),
            "queue { OWN name: \"q\" } attributes { delay { seconds: 1 } annotations { key: \"KmsMasterKeyId\" value: "
            "\"alias/aws/sqs\" } }");
  for (const char* seconds : {"60", "86400", ""}) {
    EXPECT_EQ(RelaxedSet(absl::StrCat(R"("KmsDataKeyReusePeriodSeconds":")", seconds, "\"")),
              absl::StrCat("queue { OWN name: \"q\" } attributes { annotations { key: \"KmsDataKeyReusePeriodSeconds\" "
                           "value: \"",
                           seconds, "\" } }"));
  }
  for (const char* seconds : {"59", "86401", "-1", "soon", "60s"}) {
    EXPECT_EQ(RelaxedSet(absl::StrCat(R"("KmsDataKeyReusePeriodSeconds":")", seconds, "\"")),
              "InvalidAttributeValue: Invalid value for the parameter KmsDataKeyReusePeriodSeconds.");
  }
}

TEST(TranslationTest, OneKindOfEncryptionAtATime) {
  EXPECT_EQ(RelaxedSet(R"("SqsManagedSseEnabled":"true","KmsMasterKeyId":"k")"),
            "InvalidAttributeName: You can use one type of server-side encryption (SSE) at one time. You can either enable "
            "KMS SSE or SQS SSE.");
  EXPECT_THAT(RelaxedSet(R"("SqsManagedSseEnabled":"false","KmsMasterKeyId":"k")"), HasSubstr("value: \"k\""));
  // SQS's own takes the key's place.
  queue::v1::UpdateQueueRequest request;
  const Outcome input =
      wire::ParseJsonInput(R"({"QueueUrl":"q","Attributes":{"SqsManagedSseEnabled":"true"}})", kSetAttributesInput);
  EXPECT_FALSE(EncodeSetQueueAttributes({"SetQueueAttributes", kCaller, {}, std::get<Value>(input)}, request).has_value());
  EXPECT_EQ(request.attributes().annotations_size(), 2);
  EXPECT_EQ(request.attributes().annotations().at("SqsManagedSseEnabled"), "");
  EXPECT_EQ(request.attributes().annotations().at("KmsMasterKeyId"), "");
}

TEST(TranslationTest, ADelayBeyondFifteenMinutesIsSentAsOneThatNoQueueTakes) {
  queue::v1::SendMessageRequest request;
  const Outcome input = wire::ParseJsonInput(R"({"QueueUrl":"q","MessageBody":"b","DelaySeconds":901})", kSendMessageInput);
  EXPECT_FALSE(EncodeSendMessage({"SendMessage", kCaller, {}, std::get<Value>(input)}, request).has_value());
  EXPECT_GT(request.message().delay().seconds(), 14 * 24 * 3600);
}

// ---- Responses ----

using Decoder = std::function<Value(const Value& input, const std::string& response)>;
// `add`: what the text cannot say. Parsing a map uses reflection, and there ThreadSanitizer's build disagrees with the distribution's
// library about how a map is laid out.
template <typename Response>
Decoder From(Value (*decode)(const Call&, const Response&), void (*add)(Response&) = [](Response&) {}) {
  return [decode, add](const Value& input, const std::string& text) {
    Response response;
    WEIR_CHECK(google::protobuf::TextFormat::ParseFromString(text, &response), text);
    add(response);
    return decode({"Test", kCaller, {}, input}, response);
  };
}

void AddTags(queue::v1::GetQueueResponse& response) {
  (*response.mutable_queue()->mutable_tags())["b"] = "2";
  (*response.mutable_queue()->mutable_tags())["a"] = "1";
}

void AddKmsKey(queue::v1::GetQueueResponse& response) {
  (*response.mutable_queue()->mutable_attributes()->mutable_annotations())["KmsMasterKeyId"] = "k";
}
void AddKmsReuse(queue::v1::GetQueueResponse& response) {
  AddKmsKey(response);
  (*response.mutable_queue()->mutable_attributes()->mutable_annotations())["KmsDataKeyReusePeriodSeconds"] = "60";
}
void AddNoSse(queue::v1::GetQueueResponse& response) {
  (*response.mutable_queue()->mutable_attributes()->mutable_annotations())["SqsManagedSseEnabled"] = "false";
}

void AddMessageAttributes(queue::v1::ReceiveMessagesResponse& response) {
  auto& attributes = *response.mutable_messages(0)->mutable_message_attributes();
  attributes["b"].set_data_type("Binary");
  attributes["b"].set_binary_value("\xFF");
  attributes["a"].set_data_type("String");
  attributes["a"].set_string_value("v");
}

struct ResponseCase {
  Decoder decode;
  const Shape& input_shape;
  std::string input;
  const Shape& output_shape;
  std::string response;
  std::string json;
  std::string xml;
};

constexpr char kQueue[] = "namespace { account: '123456789012' region: 'eu-west-1' } name: 'q' ";

TEST(TranslationTest, ResponsesBecomeJsonAndXml) {
  const std::string queue = kQueue;
  const std::string encryption =
      R"({"AttributeNames":["Policy","SqsManagedSseEnabled","KmsMasterKeyId","KmsDataKeyReusePeriodSeconds"]})";
  const ResponseCase cases[] = {
      {From(DecodeCreateQueue), kCreateQueueInput, "{}", kQueueUrlOutput, "queue { " + queue + "}",
       R"({"QueueUrl":"http://localhost:4566/123456789012/q"})",
       "<QueueUrl>http://localhost:4566/123456789012/q</QueueUrl>"},
      {From(DecodeListQueues), kListQueuesInput, R"({"MaxResults":1})", kListQueuesOutput,
       "queues { " + queue + "} next_page_token: 't'",
       R"({"QueueUrls":["http://localhost:4566/123456789012/q"],"NextToken":"t"})",
       "<QueueUrl>http://localhost:4566/123456789012/q</QueueUrl><NextToken>t</NextToken>"},
      {From(DecodeListQueues), kListQueuesInput, "{}", kListQueuesOutput, "next_page_token: 't'", "{}", ""},
      {From(DecodeListDeadLetterSourceQueues), kListSourcesInput, "{}", kListSourcesOutput, "", R"({"queueUrls":[]})", ""},
      {From(DecodeGetQueueAttributes), kGetAttributesInput, R"({"AttributeNames":["All"]})", kGetAttributesOutput,
       "queue { " + queue +
           "arn: 'arn:q' created_at { seconds: 1 } modified_at { seconds: 2 } stats { ready: 3 in_flight: 4 delayed: 5 } "
           "attributes { visibility_timeout { seconds: 30 } delay { } retention { seconds: 60 } receive_wait_time { } "
           "maximum_message_bytes: 1024 redrive_policy { dead_letter_queue_arn: 'arn:d' max_receive_count: 3 } "
           "redrive_allow_policy { redrive_permission: REDRIVE_PERMISSION_DENY_ALL } policy: '{\"Statement\":[]}' } }",
       R"({"Attributes":{"QueueArn":"arn:q","ApproximateNumberOfMessages":"3","ApproximateNumberOfMessagesNotVisible":"4",)"
       R"("ApproximateNumberOfMessagesDelayed":"5","CreatedTimestamp":"1","LastModifiedTimestamp":"2",)"
       R"("VisibilityTimeout":"30","MaximumMessageSize":"1024","MessageRetentionPeriod":"60","DelaySeconds":"0",)"
       R"("ReceiveMessageWaitTimeSeconds":"0",)"
       R"("RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:d\",\"maxReceiveCount\":3}",)"
       R"("RedriveAllowPolicy":"{\"redrivePermission\":\"denyAll\"}","Policy":"{\"Statement\":[]}","SqsManagedSseEnabled":"true"}})",
       ""},
      {From(DecodeGetQueueAttributes), kGetAttributesInput,
       R"({"AttributeNames":["FifoQueue","ContentBasedDeduplication","DeduplicationScope","FifoThroughputLimit"]})",
       kGetAttributesOutput,
       "queue { " + queue + "attributes { fifo_queue: true deduplication_scope: DEDUPLICATION_SCOPE_QUEUE "
                            "fifo_throughput_limit: FIFO_THROUGHPUT_LIMIT_PER_QUEUE } }",
       R"({"Attributes":{"FifoQueue":"true","ContentBasedDeduplication":"false","DeduplicationScope":"queue",)"
       R"("FifoThroughputLimit":"perQueue"}})",
       "<Attribute><Name>FifoQueue</Name><Value>true</Value></Attribute><Attribute><Name>ContentBasedDeduplication</Name>"
       "<Value>false</Value></Attribute><Attribute><Name>DeduplicationScope</Name><Value>queue</Value></Attribute>"
       "<Attribute><Name>FifoThroughputLimit</Name><Value>perQueue</Value></Attribute>"},
      {From(DecodeGetQueueAttributes), kGetAttributesInput, "{}", kGetAttributesOutput, "queue { " + queue + "}", "{}", ""},
      {From(DecodeGetQueueAttributes), kGetAttributesInput, encryption, kGetAttributesOutput, "queue { " + queue + "}",
       R"({"Attributes":{"SqsManagedSseEnabled":"true"}})", ""},
      {From(DecodeGetQueueAttributes, AddNoSse), kGetAttributesInput, encryption, kGetAttributesOutput,
       "queue { " + queue + "}", R"({"Attributes":{"SqsManagedSseEnabled":"false"}})", ""},
      {From(DecodeGetQueueAttributes, AddKmsKey), kGetAttributesInput, encryption, kGetAttributesOutput,
       "queue { " + queue + "}",
       R"({"Attributes":{"SqsManagedSseEnabled":"false","KmsMasterKeyId":"k","KmsDataKeyReusePeriodSeconds":"300"}})", ""},
      {From(DecodeGetQueueAttributes, AddKmsReuse), kGetAttributesInput, encryption, kGetAttributesOutput,
       "queue { " + queue + "}",
       R"({"Attributes":{"SqsManagedSseEnabled":"false","KmsMasterKeyId":"k","KmsDataKeyReusePeriodSeconds":"60"}})", ""},
      {From(DecodeListQueueTags, AddTags), kOnlyQueueUrl, "{}", kListTagsOutput, "", R"({"Tags":{"a":"1","b":"2"}})",
       "<Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b</Key><Value>2</Value></Tag>"},
      {From(DecodeListQueueTags), kOnlyQueueUrl, "{}", kListTagsOutput, "", "{}", ""},
      {From(DecodeSendMessage), kSendMessageInput, "{}", kSendMessageOutput,
       "message { message_id: 'm' md5_of_body: 'x' sequence_number: '7' }",
       R"({"MD5OfMessageBody":"x","MessageId":"m","SequenceNumber":"7"})",
       "<MD5OfMessageBody>x</MD5OfMessageBody><MessageId>m</MessageId><SequenceNumber>7</SequenceNumber>"},
      {From(DecodeSendMessageBatch), kSendBatchInput, R"({"Entries":[{"Id":"2","MessageBody":"\u0001"}]})",
       kSendBatchOutput,
       "successful { id: '1' message { message_id: 'm' md5_of_body: 'x' md5_of_message_attributes: 'y' } } failed { id: "
       "'2' reason: ERROR_REASON_INVALID_MESSAGE_CONTENTS message: 'bad' sender_fault: true }",
       R"({"Successful":[{"Id":"1","MessageId":"m","MD5OfMessageBody":"x","MD5OfMessageAttributes":"y"}],"Failed":[)"
       R"({"Id":"2","SenderFault":true,"Code":"InvalidMessageContents","Message":"Invalid characters found. Valid unicode )"
       R"(characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"}]})",
       "<SendMessageBatchResultEntry><Id>1</Id><MessageId>m</MessageId><MD5OfMessageBody>x</MD5OfMessageBody>"
       "<MD5OfMessageAttributes>y</MD5OfMessageAttributes></SendMessageBatchResultEntry><BatchResultErrorEntry><Id>2</Id>"
       "<SenderFault>true</SenderFault><Code>InvalidMessageContents</Code><Message>Invalid characters found. Valid unicode "
       "characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF</Message>"
       "</BatchResultErrorEntry>"},
      {From(DecodeReceiveMessage), kReceiveInput, "{}", kReceiveOutput, "", "{}", ""},
      {From(DecodeReceiveMessage), kReceiveInput, "{}", kReceiveOutput,
       "messages { message_id: 'm' receipt_handle: 'r' body: 'b' md5_of_body: 'x' sender_id: 's' receive_count: 1 }",
       R"({"Messages":[{"MessageId":"m","ReceiptHandle":"r","MD5OfBody":"x","Body":"b"}]})",
       "<Message><MessageId>m</MessageId><ReceiptHandle>r</ReceiptHandle><MD5OfBody>x</MD5OfBody><Body>b</Body></Message>"},
      {From(DecodeReceiveMessage, AddMessageAttributes), kReceiveInput,
       R"({"AttributeNames":["SenderId","VisibilityTimeout"],"MessageSystemAttributeNames":["ApproximateReceiveCount"]})",
       kReceiveOutput,
       "messages { message_id: 'm' receipt_handle: 'r' body: 'b' md5_of_body: 'x' sender_id: 's' receive_count: 2 "
       "md5_of_message_attributes: 'y' }",
       R"({"Messages":[{"MessageId":"m","ReceiptHandle":"r","MD5OfBody":"x","Body":"b","Attributes":{"SenderId":"s",)"
       R"("ApproximateReceiveCount":"2"},"MD5OfMessageAttributes":"y","MessageAttributes":{"a":{"StringValue":"v",)"
       R"("DataType":"String"},"b":{"BinaryValue":"/w==","DataType":"Binary"}}}]})",
       "<Message><MessageId>m</MessageId><ReceiptHandle>r</ReceiptHandle><MD5OfBody>x</MD5OfBody><Body>b</Body>"
       "<Attribute><Name>SenderId</Name><Value>s</Value></Attribute><Attribute><Name>ApproximateReceiveCount</Name>"
       "<Value>2</Value></Attribute><MD5OfMessageAttributes>y</MD5OfMessageAttributes><MessageAttribute><Name>a</Name>"
       "<Value><StringValue>v</StringValue><DataType>String</DataType></Value></MessageAttribute><MessageAttribute><Name>b"
       "</Name><Value><BinaryValue>/w==</BinaryValue><DataType>Binary</DataType></Value></MessageAttribute></Message>"},
      {From(DecodeDeleteMessageBatch), kDeleteBatchInput, "{}", kDeleteBatchOutput, "successful { id: '1' }",
       R"({"Successful":[{"Id":"1"}],"Failed":[]})",
       "<DeleteMessageBatchResultEntry><Id>1</Id></DeleteMessageBatchResultEntry>"},
      {From(DecodeChangeMessageVisibilityBatch), kChangeBatchInput, R"({"Entries":[{"Id":"1","ReceiptHandle":"bad"}]})",
       kChangeBatchOutput,
       "failed { id: '1' reason: ERROR_REASON_RECEIPT_HANDLE_INVALID message: '?' sender_fault: true }",
       R"({"Successful":[],"Failed":[{"Id":"1","SenderFault":true,"Code":"ReceiptHandleIsInvalid",)"
       R"("Message":"The input receipt handle \"bad\" is not a valid receipt handle."}]})",
       "<BatchResultErrorEntry><Id>1</Id><SenderFault>true</SenderFault><Code>ReceiptHandleIsInvalid</Code><Message>The "
       "input receipt handle &quot;bad&quot; is not a valid receipt handle.</Message></BatchResultErrorEntry>"},
      {From(DecodeStartMessageMoveTask), kStartMoveInput, "{}", kStartMoveOutput, "task_handle: 'h'",
       R"({"TaskHandle":"h"})", "<TaskHandle>h</TaskHandle>"},
      {From(DecodeListMessageMoveTasks), kListMovesInput, "{}", kListMovesOutput,
       "tasks { task_handle: 'h' status: MESSAGE_MOVE_TASK_STATUS_RUNNING source_arn: 'arn:s' max_messages_per_second: 5 "
       "messages_moved: 1 messages_to_move: 2 started_at { seconds: 3 } } tasks { task_handle: 'i' status: "
       "MESSAGE_MOVE_TASK_STATUS_FAILED source_arn: 'arn:s' destination_arn: 'arn:d' failure_reason: "
       "ERROR_REASON_QUEUE_DOES_NOT_EXIST started_at { seconds: 3 } }",
       R"({"Results":[{"TaskHandle":"h","Status":"RUNNING","SourceArn":"arn:s","MaxNumberOfMessagesPerSecond":5,)"
       R"("ApproximateNumberOfMessagesMoved":1,"ApproximateNumberOfMessagesToMove":2,"StartedTimestamp":3000},)"
       R"({"Status":"FAILED","SourceArn":"arn:s","DestinationArn":"arn:d","ApproximateNumberOfMessagesMoved":0,)"
       R"("ApproximateNumberOfMessagesToMove":0,"FailureReason":"AWS.SimpleQueueService.NonExistentQueue",)"
       R"("StartedTimestamp":3000}]})",
       ""},
      {From(DecodeCancelMessageMoveTask), kCancelMoveInput, "{}", kCancelMoveOutput, "messages_moved: 4",
       R"({"ApproximateNumberOfMessagesMoved":4})",
       "<ApproximateNumberOfMessagesMoved>4</ApproximateNumberOfMessagesMoved>"},
  };
  for (const ResponseCase& c : cases) {
    const Value output = c.decode(std::get<Value>(wire::ParseJsonInput(c.input, c.input_shape)), c.response);
    EXPECT_EQ(wire::FormatJsonAnswer(c.output_shape, output), c.json);
    // Where the JSON is long its XML shows nothing new.
    const bool is_long = c.xml.empty() && c.json.size() > 20;
    if (is_long) continue;
    EXPECT_THAT(wire::FormatXmlAnswer("Do", "urn:x", &c.output_shape, output, "r-1"),
                HasSubstr("<DoResult>" + c.xml + "</DoResult>"));
  }
}

}  // namespace
}  // namespace weir::gateway::sqs
