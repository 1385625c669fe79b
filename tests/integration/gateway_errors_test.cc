// What AWS has been recorded to answer where something is wrong: code, words and status, over both protocols.
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/gateway_fixture.h"
#include "weir/internal/token/v1/move_task_handle.pb.h"

namespace weir::gateway {
namespace {

class GatewayErrorsTest : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    CreateQueue("dlq");
    CreateQueue("q", {{"MaximumMessageSize", "1024"},
                      {"RedrivePolicy", R"({"deadLetterTargetArn":")" + Arn("dlq") + R"(","maxReceiveCount":1})"}});
    CreateQueue("q.fifo", {{"FifoQueue", "true"}});
    Must("AddPermission", {{"QueueUrl", "q"}, {"Label", "taken"}, {"AWSAccountIds", {"111122223333"}}, {"Actions", {"*"}}});
  }
};

INSTANTIATE_TEST_SUITE_P(Protocols, GatewayErrorsTest, testing::Values(ClientProtocol::kJson, ClientProtocol::kQuery),
                         [](const auto& info) { return info.param == ClientProtocol::kJson ? "Json" : "Query"; });

struct ErrorCase {
  std::string operation;
  Json input;
  std::string code;
  std::string message;
  int status = 400;
};

Json Send(const std::string& queue, const Json& more) {
  Json input = {{"QueueUrl", queue}, {"MessageBody", "b"}};
  input.update(more);
  return input;
}
Json Receive(const Json& more) {
  Json input = {{"QueueUrl", "q"}};
  input.update(more);
  return input;
}
Json Batch(const std::string& queue, const Json& entries) { return {{"QueueUrl", queue}, {"Entries", entries}}; }
Json Entry(const std::string& id) { return {{"Id", id}, {"MessageBody", "b"}}; }
Json Delete(const std::string& id) { return {{"Id", id}, {"ReceiptHandle", "r"}}; }
Json Create(const std::string& name, const Json& attributes) { return {{"QueueName", name}, {"Attributes", attributes}}; }
Json Set(const std::string& queue, const Json& attributes) { return {{"QueueUrl", queue}, {"Attributes", attributes}}; }
Json Permission(const Json& more) {
  Json input = {{"QueueUrl", "q"}, {"Label", "l"}, {"AWSAccountIds", {"111122223333"}}, {"Actions", {"SendMessage"}}};
  input.update(more);
  return input;
}
Json Attributes(const std::string& type, const std::string& value, const std::string& name = "ErrorDetails") {
  return {{"MessageAttributes", {{name, {{"DataType", type}, {"StringValue", value}}}}}};
}
// So many attributes, or tags.
Json Many(int count, const Json& value) {
  Json many;
  for (int i = 0; i < count; ++i) many[absl::StrCat("n", i)] = value;
  return many;
}

std::string Invalid(const std::string& value, const std::string& parameter, const std::string& reason) {
  return "Value " + value + " for parameter " + parameter + " is invalid. Reason: " + reason;
}
std::string Token(const std::string& parameter) {
  return parameter + " can only include alphanumeric and punctuation characters. 1 to 128 in length.";
}

constexpr char kInvalid[] = "InvalidParameterValue";
constexpr char kMissing[] = "MissingParameter";
const std::string kSqs = "AWS.SimpleQueueService.";

std::vector<ErrorCase> MessageCases() {
  const std::string long_token(129, 'a');
  const std::string wrong_type = "The request include parameter that is not valid for this queue type.";
  const std::string reserved =
      "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use.";
  const std::string bad_name =
      " has an invalid name: 1 to 256 of A-Z, a-z, 0-9, '_', '-' and '.', no dot at either end nor two in a row.";
  const std::string long_name(257, 'n');
  const std::string no_id =
      "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";
  return {
      {"SendMessage", Send("q", {{"MessageBody", ""}}), kMissing, "The request must contain the parameter MessageBody."},
      {"SendMessage", Send("q", {{"MessageBody", "\x02"}}), "InvalidMessageContents",
       "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | "
       "#x10000 to #x10FFFF"},
      {"SendMessage", Send("q", {{"MessageBody", std::string(1025, 'a')}}), kInvalid,
       "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."},
      {"SendMessage", Send("dlq", {{"MessageBody", std::string(1'048'577, 'a')}}), kInvalid,
       "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes."},
      {"SendMessage", Send("q", {{"MessageAttributes", Many(11, {{"DataType", "String"}, {"StringValue", "v"}})}}), kInvalid,
       "Number of message attributes [11] exceeds the allowed maximum [10]."},
      {"SendMessage", Send("q", Attributes("String", "v", "")), kInvalid,
       "The request must contain non-empty message (user) attribute names."},
      {"SendMessage", Send("q", Attributes("String", "v", "AWS.x")), kInvalid, reserved},
      {"SendMessage", Send("q", Attributes("String", "v", "amazon.x")), kInvalid, reserved},
      {"SendMessage", Send("q", Attributes("String", "v", "a b")), kInvalid, "Message (user) attribute 'a b'" + bad_name},
      {"SendMessage", Send("q", Attributes("String", "v", ".a")), kInvalid, "Message (user) attribute '.a'" + bad_name},
      {"SendMessage", Send("q", Attributes("String", "v", "a.")), kInvalid, "Message (user) attribute 'a.'" + bad_name},
      {"SendMessage", Send("q", Attributes("String", "v", "a..b")), kInvalid, "Message (user) attribute 'a..b'" + bad_name},
      {"SendMessage", Send("q", Attributes("String", "v", long_name)), kInvalid,
       "Message (user) attribute '" + long_name + "'" + bad_name},
      {"SendMessage", Send("q", Attributes("Text", "v")), kInvalid,
       "The type of message (user) attribute 'ErrorDetails' is invalid. You must use only the following supported type prefixes: "
       "Binary, Number, String."},
      {"SendMessage", Send("q", Attributes("", "v")), kInvalid,
       "The message (user) attribute 'ErrorDetails' must contain a non-empty message attribute type."},
      {"SendMessage", Send("q", Attributes("Number", "many")), kInvalid,
       "Can't cast the value of message (user) attribute 'ErrorDetails' to a number."},
      {"SendMessage", Send("q", Attributes("Number", "")), kInvalid,
       "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'Number'."},
      {"SendMessage", Send("q", Attributes("Binary", "v")), kInvalid,
       "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'Binary'."},
      {"SendMessage", Send("q", Attributes("String", "")), kInvalid,
       "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'."},
      {"SendMessage", Send("q", {{"DelaySeconds", -1}}), kInvalid,
       Invalid("-1", "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")},
      {"SendMessage", Send("q", {{"DelaySeconds", 901}}), kInvalid,
       Invalid("901", "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")},
      {"SendMessage", Send("q", {{"MessageDeduplicationId", "d"}}), kInvalid,
       Invalid("d", "MessageDeduplicationId", wrong_type)},
      {"SendMessage", Send("q.fifo", {{"MessageDeduplicationId", "d"}}), kMissing,
       "The request must contain the parameter MessageGroupId."},
      {"SendMessage", Send("q.fifo", {{"MessageGroupId", "g"}}), kInvalid, no_id},
      {"SendMessage", Send("q.fifo", {{"MessageGroupId", "group 123"}, {"MessageDeduplicationId", "d"}}), kInvalid,
       Invalid("group 123", "MessageGroupId", Token("MessageGroupId"))},
      {"SendMessage", Send("q.fifo", {{"MessageGroupId", ""}, {"MessageDeduplicationId", "d"}}), kInvalid,
       Invalid("", "MessageGroupId", Token("MessageGroupId"))},
      {"SendMessage", Send("q.fifo", {{"MessageGroupId", long_token}, {"MessageDeduplicationId", "d"}}), kInvalid,
       Invalid(long_token, "MessageGroupId", Token("MessageGroupId"))},
      {"SendMessage", Send("q", {{"MessageGroupId", "group 123"}}), kInvalid,
       Invalid("group 123", "MessageGroupId", Token("MessageGroupId"))},
      {"SendMessage", Send("q.fifo", {{"MessageGroupId", "g"}, {"MessageDeduplicationId", ""}}), kInvalid,
       Invalid("", "MessageDeduplicationId", Token("MessageDeduplicationId"))},
      {"SendMessage", Send("q.fifo", {{"MessageGroupId", "g"}, {"MessageDeduplicationId", "group 123"}}), kInvalid,
       Invalid("group 123", "MessageDeduplicationId", Token("MessageDeduplicationId"))},
      {"SendMessage", Send("q.fifo", {{"MessageGroupId", "g"}, {"MessageDeduplicationId", long_token}}), kInvalid,
       Invalid(long_token, "MessageDeduplicationId", Token("MessageDeduplicationId"))},
      {"SendMessage", Send("q.fifo", {{"MessageGroupId", "g"}, {"MessageDeduplicationId", "d"}, {"DelaySeconds", 2}}),
       kInvalid, Invalid("2", "DelaySeconds", wrong_type)},
      {"ReceiveMessage", Receive({{"MaxNumberOfMessages", 11}}), kInvalid,
       Invalid("11", "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")},
      {"ReceiveMessage", Receive({{"MaxNumberOfMessages", 0}}), kInvalid,
       Invalid("0", "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")},
      {"ReceiveMessage", Receive({{"MaxNumberOfMessages", 99999999999}}), kInvalid,
       Invalid("99999999999", "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")},
      {"ReceiveMessage", Receive({{"WaitTimeSeconds", -1}}), kInvalid,
       Invalid("-1", "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")},
      {"ReceiveMessage", Receive({{"WaitTimeSeconds", 21}}), kInvalid,
       Invalid("21", "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")},
      {"ReceiveMessage", Receive({{"AttributeNames", {"Colour"}}}), "InvalidAttributeName", "Unknown Attribute Colour."},
      {"ReceiveMessage", Receive({{"VisibilityTimeout", -1}}), kInvalid,
       Invalid("-1", "VisibilityTimeout", "VisibilityTimeout must be an integer between 0 and 43200")},
      {"ReceiveMessage", Receive({{"VisibilityTimeout", 43201}}), kInvalid,
       Invalid("43201", "VisibilityTimeout", "VisibilityTimeout must be an integer between 0 and 43200")},
      {"ReceiveMessage", Receive({{"ReceiveRequestAttemptId", "a"}}), kInvalid,
       Invalid("a", "ReceiveRequestAttemptId", wrong_type)},
      {"DeleteMessage", {{"QueueUrl", "q"}, {"ReceiptHandle", "garbage"}}, "ReceiptHandleIsInvalid",
       "The input receipt handle \"garbage\" is not a valid receipt handle."},
      {"ChangeMessageVisibility", {{"QueueUrl", "q"}, {"ReceiptHandle", "garbage"}, {"VisibilityTimeout", 1}},
       "ReceiptHandleIsInvalid", "The input receipt handle \"garbage\" is not a valid receipt handle."},
      {"ChangeMessageVisibility", {{"QueueUrl", "q"}, {"ReceiptHandle", "r"}}, kMissing,
       "The request must contain the parameter VisibilityTimeout."},
  };
}

std::vector<ErrorCase> BatchCases() {
  const std::string bad_id =
      "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
  Json eleven;
  Json eleven_deletes;
  for (int i = 0; i < 11; ++i) {
    eleven.push_back(Entry(absl::StrCat(i)));
    eleven_deletes.push_back(Delete(absl::StrCat(i)));
  }
  Json long_entries;
  for (int i = 0; i < 2; ++i) {
    long_entries.push_back({{"Id", absl::StrCat(i)}, {"MessageBody", std::string(524'288 + i, 'a')}});
  }
  const Json grouped = {{"Id", "1"}, {"MessageBody", "b"}, {"MessageGroupId", "g"}};
  return {
      {"SendMessageBatch", {{"QueueUrl", "q"}}, kSqs + "EmptyBatchRequest",
       "There should be at least one SendMessageBatchRequestEntry in the request."},
      {"DeleteMessageBatch", {{"QueueUrl", "q"}}, kSqs + "EmptyBatchRequest",
       "There should be at least one DeleteMessageBatchRequestEntry in the request."},
      {"ChangeMessageVisibilityBatch", {{"QueueUrl", "q"}}, kSqs + "EmptyBatchRequest",
       "There should be at least one ChangeMessageVisibilityBatchRequestEntry in the request."},
      {"DeleteMessageBatch", Batch("q", eleven_deletes), kSqs + "TooManyEntriesInBatchRequest",
       "Maximum number of entries per request are 10. You have sent 11."},
      {"DeleteMessageBatch", Batch("q", {Delete("a"), Delete("a")}), kSqs + "BatchEntryIdsNotDistinct", "Id a repeated."},
      {"ChangeMessageVisibilityBatch", Batch("q", Json::array({Delete("a!")})), kSqs + "InvalidBatchEntryId", bad_id},
      {"SendMessageBatch", Batch("q", Json::array({Entry(std::string(81, 'i'))})), kSqs + "InvalidBatchEntryId", bad_id},
      {"SendMessageBatch", Batch("q", eleven), kSqs + "TooManyEntriesInBatchRequest",
       "Maximum number of entries per request are 10. You have sent 11."},
      {"SendMessageBatch", Batch("q", {Entry("a"), Entry("a")}), kSqs + "BatchEntryIdsNotDistinct", "Id a repeated."},
      {"SendMessageBatch", Batch("q", Json::array({Entry("a b")})), kSqs + "InvalidBatchEntryId",
       bad_id},
      {"SendMessageBatch", Batch("q", long_entries), kSqs + "BatchRequestTooLong",
       "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes."},
      {"SendMessageBatch", Batch("q.fifo", Json::array({Entry("1")})), kInvalid,
       "The request must contain the parameter MessageGroupId."},
      {"SendMessageBatch", Batch("q.fifo", Json::array({grouped})), kInvalid,
       "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"},
  };
}

Json Tag(const Json& tags) { return {{"QueueUrl", "q"}, {"Tags", tags}}; }

std::vector<ErrorCase> QueueCases() {
  const std::string long_key(129, 'k');
  const std::string long_value(257, 'v');
  const std::string missing = R"({"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none","maxReceiveCount":3})";
  const std::string other_type =
      R"({"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:q.fifo","maxReceiveCount":3})";
  const std::string fly =
      R"({"Statement":{"Effect":"Allow","Principal":"*","Action":"SQS:Fly","Resource":"arn:aws:sqs:us-east-1:000000000000:q"}})";
  return {
      {"CreateQueue", Create("a b", Json::object()), kInvalid,
       "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"},
      {"CreateQueue", Create("x.fifo", Json::object()), kInvalid,
       "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"},
      {"CreateQueue", Create("x", {{"FifoQueue", "true"}}), kInvalid,
       "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo "
       "suffix and be 1 to 80 in length"},
      {"CreateQueue", Create("x", {{"FifoQueue", "false"}}), "InvalidAttributeName", "Unknown Attribute FifoQueue."},
      {"CreateQueue", Create("q.fifo", {{"FifoQueue", "true"}, {"ContentBasedDeduplication", "true"}}),
       "QueueAlreadyExists",
       "A queue already exists with the same name and a different value for attribute ContentBasedDeduplication"},
      {"CreateQueue", Create("q", {{"DelaySeconds", "1"}}), "QueueAlreadyExists",
       "A queue already exists with the same name and a different value for attribute DelaySeconds"},
      {"CreateQueue", Create("x", {{"VisibilityTimeout", "43201"}}), "InvalidAttributeValue",
       "Invalid value for the parameter VisibilityTimeout."},
      {"CreateQueue", Create("x", {{"DelaySeconds", "901"}}), "InvalidAttributeValue", "Invalid value for the parameter DelaySeconds."},
      {"CreateQueue", Create("x", {{"MessageRetentionPeriod", "59"}}), "InvalidAttributeValue",
       "Invalid value for the parameter MessageRetentionPeriod."},
      {"CreateQueue", Create("x", {{"MessageRetentionPeriod", "1209601"}}), "InvalidAttributeValue",
       "Invalid value for the parameter MessageRetentionPeriod."},
      {"CreateQueue", Create("x", {{"ReceiveMessageWaitTimeSeconds", "21"}}), "InvalidAttributeValue",
       "Invalid value for the parameter ReceiveMessageWaitTimeSeconds."},
      {"CreateQueue", Create("x", {{"MaximumMessageSize", "1023"}}), "InvalidAttributeValue",
       "Invalid value for the parameter MaximumMessageSize."},
      {"CreateQueue", Create(std::string(81, 'x'), Json::object()), kInvalid,
       "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"},
      {"CreateQueue", {{"QueueName", "x"}, {"tags", Many(51, "v")}}, kInvalid, "Too many tags added for queue x."},
      {"TagQueue", Tag(Many(51, "v")), kInvalid, "Too many tags added for queue q."},
      {"TagQueue", Tag({{long_key, "v"}}), kInvalid,
       Invalid(long_key, "Tags", "The key of a tag has 1 to 128 characters, none of them a control character.")},
      {"TagQueue", Tag({{"", "v"}}), kInvalid,
       Invalid("", "Tags", "The key of a tag has 1 to 128 characters, none of them a control character.")},
      {"TagQueue", Tag({{"k", long_value}}), kInvalid,
       Invalid(long_value, "Tags", "The value of a tag has 0 to 256 characters, none of them a control character.")},
      {"TagQueue", Tag({{"aws:k", "v"}}), kInvalid, Invalid("aws:k", "Tags", "Tag keys that begin with aws: are reserved.")},
      {"TagQueue", {{"QueueUrl", "q"}}, kMissing, "The request must contain the parameter Tags."},
      {"UntagQueue", {{"QueueUrl", "q"}}, kMissing, "The request must contain the parameter TagKeys."},
      {"GetQueueAttributes", {{"QueueUrl", "q"}, {"AttributeNames", {"Colour"}}}, "InvalidAttributeName", "Unknown Attribute Colour."},
      {"SetQueueAttributes", Set("q", {{"MaximumMessageSize", "1048577"}}), "InvalidAttributeValue",
       "Invalid value for the parameter MaximumMessageSize."},
      {"SetQueueAttributes", Set("q", {{"ContentBasedDeduplication", "true"}}), "InvalidAttributeName",
       "Unknown Attribute ContentBasedDeduplication."},
      {"SetQueueAttributes", Set("q", {{"DeduplicationScope", "queue"}}), "InvalidAttributeName",
       "You can specify the DeduplicationScope only when FifoQueue is set to true."},
      {"SetQueueAttributes", Set("q", {{"FifoThroughputLimit", "perQueue"}}), "InvalidAttributeName",
       "You can specify the FifoThroughputLimit only when FifoQueue is set to true."},
      {"SetQueueAttributes", Set("q", {{"FifoQueue", "true"}}), "InvalidAttributeValue",
       "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."},
      {"SetQueueAttributes", Set("q.fifo", {{"FifoQueue", "false"}}), "InvalidAttributeValue",
       "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."},
      {"SetQueueAttributes", Set("q", {{"RedrivePolicy", missing}}), kInvalid,
       Invalid(missing, "RedrivePolicy", "Dead letter target does not exist.")},
      {"SetQueueAttributes", Set("q", {{"RedrivePolicy", other_type}}), kInvalid,
       Invalid(other_type, "RedrivePolicy",
               "The dead-letter queue must be of the queue's type, and this one is a FIFO queue.")},
      {"SetQueueAttributes", {{"QueueUrl", "q"}}, kMissing, "The request must contain the parameter Attributes."},
      {"GetQueueUrl", Json::object(), kMissing, "The request must contain the parameter QueueName."},
      {"ListQueues", {{"MaxResults", 1001}}, kInvalid,
       Invalid("1001", "MaxResults", "MaxResults must be an integer between 1 and 1000.")},
      {"ListQueues", {{"NextToken", "nonsense"}, {"MaxResults", 1}}, kInvalid,
       Invalid("nonsense", "NextToken", "Use the NextToken of the page before, with the same parameters.")},
      {"CreateQueue", Create("x", {{"Policy", "nonsense"}}), "InvalidAttributeValue",
       "Invalid value for the parameter Policy. Reason: The policy is not JSON: see byte 2."},
      {"SetQueueAttributes", Set("q", {{"Policy", R"({"Statement":[]})"}}), "InvalidAttributeValue",
       "Invalid value for the parameter Policy. Reason: Statement must be an object, or an array with at least one."},
      {"SetQueueAttributes", Set("q", {{"Policy", fly}}), kInvalid,
       Invalid("SQS:Fly", "ActionName", "Please refer to the appropriate WSDL for a list of valid actions.")},
      {"SetQueueAttributes", Set("q", {{"SqsManagedSseEnabled", "maybe"}}), "InvalidAttributeValue",
       "Invalid value for the parameter SqsManagedSseEnabled."},
      {"CreateQueue", Create("q", {{"SqsManagedSseEnabled", "false"}}), "QueueAlreadyExists",
       "A queue already exists with the same name and a different value for attribute SqsManagedSseEnabled"},
      {"AddPermission", Permission({{"Label", "taken"}}), kInvalid, Invalid("taken", "Label", "Already exists.")},
      {"AddPermission", Permission({{"Label", "two words"}}), kInvalid,
       Invalid("two words", "Label",
               "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.")},
      {"AddPermission", Permission({{"AWSAccountIds", {"everybody"}}}), kInvalid,
       Invalid("[everybody]", "PrincipalId", "Unable to verify.")},
      {"AddPermission", Permission({{"Actions", {"Fly"}}}), kInvalid,
       Invalid("SQS:Fly", "ActionName", "Please refer to the appropriate WSDL for a list of valid actions.")},
      {"AddPermission", Permission({{"Actions", {"AddPermission"}}}), kInvalid,
       Invalid("SQS:AddPermission", "ActionName", "Only the queue owner is allowed to invoke this action.")},
      {"AddPermission", Permission({{"Actions", std::vector<std::string>(8, "SendMessage")}}), "OverLimit",
       "8 Actions were found, maximum allowed is 7.", 403},
      {"AddPermission", {{"QueueUrl", "q"}, {"AWSAccountIds", {"111122223333"}}, {"Actions", {"*"}}}, kMissing,
       "The request must contain the parameter Label."},
      {"AddPermission", {{"QueueUrl", "q"}, {"Label", "l"}, {"Actions", {"*"}}}, kMissing,
       "The request must contain the parameter AWSAccountIds."},
      {"AddPermission", {{"QueueUrl", "q"}, {"Label", "l"}, {"AWSAccountIds", {"111122223333"}}}, kMissing,
       "The request must contain the parameter Actions."},
      {"RemovePermission", {{"QueueUrl", "q"}, {"Label", "none"}}, kInvalid, Invalid("none", "Label", "can't find label.")},
      {"RemovePermission", {{"QueueUrl", "q"}}, kMissing, "The request must contain the parameter Label."},
  };
}

std::string TaskHandle(const std::string& source_arn) {
  internal::token::v1::MoveTaskHandle handle;
  handle.set_task_id("11111111-2222-3333-4444-555555555555");
  handle.set_source_arn(source_arn);
  return absl::WebSafeBase64Escape(handle.SerializeAsString());
}

std::vector<ErrorCase> MoveTaskCases() {
  const std::string dlq = "arn:aws:sqs:us-east-1:000000000000:dlq";
  return {
      {"StartMessageMoveTask", {{"SourceArn", dlq + "x"}}, "ResourceNotFoundException",
       "The resource that you specified for the SourceArn parameter doesn't exist.", 404},
      {"ListMessageMoveTasks", {{"SourceArn", dlq + "x"}}, "ResourceNotFoundException",
       "The resource that you specified for the SourceArn parameter doesn't exist.", 404},
      {"StartMessageMoveTask", {{"SourceArn", dlq}, {"DestinationArn", dlq + "x"}}, "ResourceNotFoundException",
       "The resource that you specified for the DestinationArn parameter doesn't exist.", 404},
      {"StartMessageMoveTask", {{"SourceArn", "arn:aws:sqs:us-east-1:000000000000:q"}}, kInvalid,
       "Source queue must be configured as a Dead Letter Queue."},
      {"StartMessageMoveTask", {{"SourceArn", dlq}, {"MaxNumberOfMessagesPerSecond", 501}}, kInvalid,
       Invalid("501", "MaxNumberOfMessagesPerSecond", "Must be between 1 and 500, if provided.")},
      {"StartMessageMoveTask", {{"SourceArn", dlq}, {"MaxNumberOfMessagesPerSecond", 0}}, kInvalid,
       Invalid("0", "MaxNumberOfMessagesPerSecond", "Must be between 1 and 500, if provided.")},
      {"ListMessageMoveTasks", {{"SourceArn", dlq}, {"MaxResults", 11}}, kInvalid,
       Invalid("11", "MaxResults", "Must be between 1 and 10, if provided.")},
      {"CancelMessageMoveTask", Json::object(), kMissing, "The request must contain the parameter TaskHandle."},
      {"CancelMessageMoveTask", {{"TaskHandle", "garbage!"}}, kInvalid, "Value for parameter TaskHandle is invalid."},
      {"CancelMessageMoveTask", {{"TaskHandle", TaskHandle(dlq + "x")}}, "ResourceNotFoundException",
       "The resource that you specified for the SourceArn parameter doesn't exist.", 404},
      {"CancelMessageMoveTask", {{"TaskHandle", TaskHandle(dlq)}}, "ResourceNotFoundException", "Task does not exist.", 404},
  };
}

TEST_P(GatewayErrorsTest, HaveTheCodeAndTheWordsOfSqs) {
  for (const auto& cases : {MessageCases(), BatchCases(), QueueCases(), MoveTaskCases()}) {
    for (const ErrorCase& c : cases) {
      const AwsAnswer answer = Ask(c.operation, c.input);
      EXPECT_EQ(answer.code, c.code) << c.operation;
      EXPECT_EQ(answer.message, c.message) << c.operation;
      EXPECT_EQ(answer.status, c.status) << c.operation;
    }
  }
}

TEST_P(GatewayErrorsTest, OfAQueueThatDoesNotExistEachProtocolHasItsWords) {
  const std::string words = GetParam() == ClientProtocol::kJson
                                ? "The specified queue does not exist."
                                : "The specified queue does not exist for this wsdl version.";
  const std::vector<std::pair<std::string, Json>> calls = {
      {"GetQueueUrl", {{"QueueName", "none"}}},
      {"GetQueueUrl", {{"QueueName", "a b"}}},
      {"DeleteQueue", {{"QueueUrl", "none"}}},
      {"PurgeQueue", {{"QueueUrl", "none"}}},
      {"GetQueueAttributes", {{"QueueUrl", "none"}}},
      {"SetQueueAttributes", Set("none", {{"DelaySeconds", "1"}})},
      {"ListDeadLetterSourceQueues", {{"QueueUrl", "none"}}},
      {"TagQueue", {{"QueueUrl", "none"}, {"Tags", {{"a", "b"}}}}},
      {"UntagQueue", {{"QueueUrl", "none"}, {"TagKeys", {"a"}}}},
      {"ListQueueTags", {{"QueueUrl", "none"}}},
      {"AddPermission",
       {{"QueueUrl", "none"}, {"Label", "l"}, {"AWSAccountIds", {"111122223333"}}, {"Actions", {"SendMessage"}}}},
      {"RemovePermission", {{"QueueUrl", "none"}, {"Label", "l"}}},
      {"SendMessage", Send("none", Json::object())},
      {"SendMessage", Send("http://localhost:4566/123456789012/q", Json::object())},
      {"SendMessageBatch", Batch("none", Json::array({Entry("1")}))},
      {"ReceiveMessage", {{"QueueUrl", "none"}, {"WaitTimeSeconds", 20}}},
      {"DeleteMessage", {{"QueueUrl", "none"}, {"ReceiptHandle", "r"}}},
      {"ChangeMessageVisibility", {{"QueueUrl", "none"}, {"ReceiptHandle", "r"}, {"VisibilityTimeout", 0}}},
  };
  for (const auto& [operation, input] : calls) {
    const AwsAnswer answer = Ask(operation, input);
    EXPECT_EQ(answer.code, "AWS.SimpleQueueService.NonExistentQueue") << operation;
    EXPECT_EQ(answer.message, words) << operation;
    EXPECT_EQ(answer.status, 400);
  }
}

TEST_P(GatewayErrorsTest, OfTheSixtySecondRules) {
  queues_.reset();
  queues_ = std::make_unique<queue::QueueServerUnderTest>(dsn(), absl::Seconds(10), /*sqs_sixty_second_rules=*/true);
  StartGateway({});
  Must("PurgeQueue", {{"QueueUrl", "q"}});
  AwsAnswer answer = Ask("PurgeQueue", {{"QueueUrl", "http://localhost:4566/000000000000/q"}});
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.code, kSqs + "PurgeQueueInProgress");
  EXPECT_EQ(answer.message, "Only one PurgeQueue operation on q is allowed every 60 seconds.");
  Must("DeleteQueue", {{"QueueUrl", "q"}});
  answer = Ask("CreateQueue", {{"QueueName", "q"}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.code, kSqs + "QueueDeletedRecently");
  EXPECT_EQ(answer.message, "You must wait 60 seconds after deleting a queue before you can create another with the same name.");
}

TEST_P(GatewayErrorsTest, OfEntriesOfBatches) {
  const auto failures = [&](const std::string& operation, const Json& entries) {
    std::vector<std::string> failed;
    const Json output = Must(operation, Batch("q", entries));
    for (const Json& entry : output["Failed"]) {
      EXPECT_EQ(entry["SenderFault"], true);
      failed.push_back(absl::StrCat(entry["Id"].get<std::string>(), " ", entry["Code"].get<std::string>(), " ",
                                    entry["Message"].get<std::string>()));
    }
    return failed;
  };
  Json many = Entry("many");
  many["MessageAttributes"] = Many(11, {{"DataType", "String"}, {"StringValue", "v"}});
  Json number = Entry("number");
  number.update(Attributes("Number", "many"));
  EXPECT_THAT(failures("SendMessageBatch", {{{"Id", "none"}}, many, number, Entry("good")}),
              testing::ElementsAre("none MissingParameter The request must contain the parameter MessageBody.",
                                   "many InvalidParameterValue Number of message attributes [11] exceeds the allowed maximum [10].",
                                   "number InvalidParameterValue Can't cast the value of message (user) attribute 'ErrorDetails' to a "
                                   "number."));
  const std::string garbage = " ReceiptHandleIsInvalid The input receipt handle \"r\" is not a valid receipt handle.";
  EXPECT_THAT(failures("DeleteMessageBatch", {Delete("a"), Delete("b")}), testing::ElementsAre("a" + garbage, "b" + garbage));
  Json change = Delete("c");
  change["VisibilityTimeout"] = 1;
  EXPECT_THAT(failures("ChangeMessageVisibilityBatch", Json::array({change})), testing::ElementsAre("c" + garbage));
}

TEST_P(GatewayErrorsTest, OfReceiptsThatHaveHadTheirDay) {
  CreateQueue("d.fifo", {{"FifoQueue", "true"}, {"ContentBasedDeduplication", "true"}});
  Must("SendMessage", Send("d.fifo", {{"MessageGroupId", "g"}}));
  const Json received = Must("ReceiveMessage", {{"QueueUrl", "d.fifo"}, {"VisibilityTimeout", 0}})["Messages"][0];
  const std::string handle = received["ReceiptHandle"];
  AwsAnswer answer = Ask("DeleteMessage", {{"QueueUrl", "d.fifo"}, {"ReceiptHandle", handle}});
  EXPECT_EQ(answer.code, "InvalidParameterValue");
  EXPECT_EQ(answer.message, Invalid(handle, "ReceiptHandle", "The receipt handle has expired."));

  Must("SendMessage", Send("q", Json::object()));
  const std::string gone = Must("ReceiveMessage", {{"QueueUrl", "q"}})["Messages"][0]["ReceiptHandle"];
  answer = Ask("ChangeMessageVisibility", {{"QueueUrl", "q"}, {"ReceiptHandle", gone}, {"VisibilityTimeout", 43200}});
  EXPECT_TRUE(answer.code.empty() || answer.message == Invalid("43200", "VisibilityTimeout",
                                                               "Total VisibilityTimeout for the message is beyond the "
                                                               "limit [43200 seconds]"))
      << answer.message;
  Must("DeleteMessage", {{"QueueUrl", "q"}, {"ReceiptHandle", gone}});
  answer = Ask("ChangeMessageVisibility", {{"QueueUrl", "q"}, {"ReceiptHandle", gone}, {"VisibilityTimeout", 1}});
  EXPECT_EQ(answer.code, "InvalidParameterValue");
  EXPECT_EQ(answer.message, Invalid(gone, "ReceiptHandle",
                                    "Message does not exist or is not available for visibility timeout change."));
}

}  // namespace
}  // namespace weir::gateway
