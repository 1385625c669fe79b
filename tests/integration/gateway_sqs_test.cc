// SQS as clients see it: every operation, over both protocols, with a real queue service behind.
#include <chrono>
#include <future>

#include "absl/strings/str_cat.h"
#include "libs/grpcx/channel.h"
#include "services/gateway/sqs/sqs_service.h"
#include "tests/integration/gateway_fixture.h"

namespace weir::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

INSTANTIATE_TEST_SUITE_P(Protocols, GatewayTest, testing::Values(ClientProtocol::kJson, ClientProtocol::kQuery),
                         [](const auto& info) { return info.param == ClientProtocol::kJson ? "Json" : "Query"; });

std::vector<std::string> Bodies(const Json& output) {
  std::vector<std::string> bodies;
  for (const Json& message : output.value("Messages", Json::array())) bodies.push_back(message["Body"]);
  return bodies;
}

TEST_P(GatewayTest, AQueueIsCreatedOnceFoundListedAndDeleted) {
  CreateQueue("orders", {{"VisibilityTimeout", "60"}});
  CreateQueue("orders", {{"VisibilityTimeout", "60"}});
  CreateQueue("orders");
  const AwsAnswer other = Ask("CreateQueue", {{"QueueName", "orders"}, {"Attributes", {{"VisibilityTimeout", "61"}}}});
  EXPECT_EQ(other.code, "QueueAlreadyExists");
  EXPECT_EQ(other.message,
            "A queue already exists with the same name and a different value for attribute VisibilityTimeout");
  EXPECT_EQ(Must("GetQueueUrl", {{"QueueName", "orders"}})["QueueUrl"], "http://localhost:4566/000000000000/orders");
  EXPECT_THAT(Must("ListQueues", Json::object())["QueueUrls"], ElementsAre("http://localhost:4566/000000000000/orders"));
  EXPECT_EQ(Must("ListQueues", {{"QueueNamePrefix", "x"}}), Json::object());
  EXPECT_EQ(Must("DeleteQueue", {{"QueueUrl", "http://elsewhere/000000000000/orders"}}), Json::object());
  EXPECT_EQ(Ask("GetQueueUrl", {{"QueueName", "orders"}}).code, "AWS.SimpleQueueService.NonExistentQueue");
}

TEST_P(GatewayTest, ListsComeInPagesOnlyWhenAskedFor) {
  for (const char* name : {"a", "b", "c"}) CreateQueue(name);
  Json page = Must("ListQueues", {{"MaxResults", 2}});
  EXPECT_THAT(page["QueueUrls"], SizeIs(2));
  page = Must("ListQueues", {{"MaxResults", 2}, {"NextToken", page["NextToken"]}});
  EXPECT_THAT(page["QueueUrls"], ElementsAre("http://localhost:4566/000000000000/c"));
  EXPECT_FALSE(page.contains("NextToken"));
  const Json all = Must("ListQueues", Json::object());
  EXPECT_THAT(all["QueueUrls"], SizeIs(3));
  EXPECT_FALSE(all.contains("NextToken"));
}

TEST_P(GatewayTest, AttributesAreSetAndReadBack) {
  CreateQueue("q");
  EXPECT_EQ(Must("GetQueueAttributes", {{"QueueUrl", "q"}}), Json::object());
  Must("SetQueueAttributes", {{"QueueUrl", "q"}, {"Attributes", {{"DelaySeconds", "5"}, {"MaximumMessageSize", "2048"}}}});
  EXPECT_EQ(Attribute("q", "DelaySeconds"), "5");
  EXPECT_EQ(Attribute("q", "MaximumMessageSize"), "2048");
  EXPECT_EQ(Attribute("q", "VisibilityTimeout"), "30");
  EXPECT_EQ(Attribute("q", "QueueArn"), Arn("q"));
  EXPECT_EQ(Attribute("q", "FifoQueue"), "");
  EXPECT_GE(Must("GetQueueAttributes", {{"QueueUrl", "q"}, {"AttributeNames", {"All"}}})["Attributes"].size(), 11);
}

TEST_P(GatewayTest, PermissionsAreStatementsOfThePolicy) {
  CreateQueue("q");
  const auto add = [&](const char* label, const Json& accounts, const Json& actions) {
    EXPECT_EQ(Must("AddPermission", {{"QueueUrl", "q"}, {"Label", label}, {"AWSAccountIds", accounts}, {"Actions", actions}}),
              Json::object());
  };
  add("senders", {"111122223333"}, {"SendMessage"});
  add("workers", {"111122223333", "444455556666"}, {"ReceiveMessage", "DeleteMessage"});
  const Json policy = Json::parse(Attribute("q", "Policy"));
  EXPECT_EQ(policy["Id"], Arn("q") + "/SQSDefaultPolicy");
  EXPECT_EQ(policy["Statement"],
            (Json{{{"Sid", "senders"},
                   {"Effect", "Allow"},
                   {"Principal", {{"AWS", "arn:aws:iam::111122223333:root"}}},
                   {"Action", "SQS:SendMessage"},
                   {"Resource", Arn("q")}},
                  {{"Sid", "workers"},
                   {"Effect", "Allow"},
                   {"Principal", {{"AWS", {"arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:root"}}}},
                   {"Action", {"SQS:ReceiveMessage", "SQS:DeleteMessage"}},
                   {"Resource", Arn("q")}}}));
  for (const char* label : {"senders", "workers"}) {
    EXPECT_EQ(Must("RemovePermission", {{"QueueUrl", "q"}, {"Label", label}}), Json::object());
  }
  EXPECT_EQ(Attribute("q", "Policy"), "");
}

TEST_P(GatewayTest, APolicyIsReturnedAsItWasSetUntilAnEmptyOneRemovesIt) {
  const std::string policy = R"({ "Version": "2012-10-17",
  "Statement": [{"Sid": "é <&\"", "Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": ")" +
                             Arn("q") + "\"}]\n}";
  CreateQueue("q", {{"Policy", policy}});
  EXPECT_EQ(Attribute("q", "Policy"), policy);
  CreateQueue("q", {{"Policy", policy}});
  EXPECT_EQ(Ask("CreateQueue", {{"QueueName", "q"}, {"Attributes", {{"Policy", ""}}}}).message,
            "A queue already exists with the same name and a different value for attribute Policy");
  Must("SetQueueAttributes", {{"QueueUrl", "q"}, {"Attributes", {{"Policy", ""}}}});
  const Json all = Must("GetQueueAttributes", {{"QueueUrl", "q"}, {"AttributeNames", {"All"}}})["Attributes"];
  EXPECT_FALSE(all.contains("Policy"));
  EXPECT_EQ(all["SqsManagedSseEnabled"], "true");
  EXPECT_FALSE(all.contains("KmsMasterKeyId"));
}

TEST_P(GatewayTest, EncryptionIsReadBackAsItWasSet) {
  CreateQueue("q", {{"SqsManagedSseEnabled", "true"}});
  CreateQueue("q", {{"SqsManagedSseEnabled", "true"}});
  EXPECT_EQ(Attribute("q", "SqsManagedSseEnabled"), "true");
  const auto set = [&](const Json& attributes) {
    return Ask("SetQueueAttributes", {{"QueueUrl", "q"}, {"Attributes", attributes}}).code;
  };
  EXPECT_EQ(set({{"SqsManagedSseEnabled", "false"}}), "");
  EXPECT_EQ(Attribute("q", "SqsManagedSseEnabled"), "false");
  EXPECT_EQ(set({{"KmsMasterKeyId", "alias/aws/sqs"}}), "AWS.SimpleQueueService.UnsupportedOperation");
  EXPECT_EQ(set({{"SqsManagedSseEnabled", "true"}}), "");

  StartGateway({.relaxed = true});
  EXPECT_EQ(set({{"KmsMasterKeyId", "alias/aws/sqs"}}), "");
  EXPECT_EQ(Attribute("q", "KmsMasterKeyId"), "alias/aws/sqs");
  EXPECT_EQ(Attribute("q", "KmsDataKeyReusePeriodSeconds"), "300");
  EXPECT_EQ(Attribute("q", "SqsManagedSseEnabled"), "false");
  EXPECT_EQ(set({{"KmsDataKeyReusePeriodSeconds", "600"}}), "");
  EXPECT_EQ(Attribute("q", "KmsDataKeyReusePeriodSeconds"), "600");
  EXPECT_EQ(set({{"KmsMasterKeyId", "alias/aws/sqs"}, {"SqsManagedSseEnabled", "true"}}), "InvalidAttributeName");
  EXPECT_EQ(set({{"KmsMasterKeyId", std::string(2'049, 'k')}}), "InvalidAttributeValue");
  EXPECT_EQ(set({{"KmsMasterKeyId", ""}, {"KmsDataKeyReusePeriodSeconds", ""}}), "");
  EXPECT_EQ(Attribute("q", "KmsMasterKeyId"), "");
  EXPECT_EQ(Attribute("q", "KmsDataKeyReusePeriodSeconds"), "");
  EXPECT_EQ(Attribute("q", "SqsManagedSseEnabled"), "true");
}

TEST_P(GatewayTest, AMessageIsSentReceivedAndDeleted) {
  CreateQueue("q");
  const Json sent = Must("SendMessage", {{"QueueUrl", "q"},
                                         {"MessageBody", "This is a test message"},
                                         {"MessageAttributes",
                                          {{"n", {{"DataType", "Number.int"}, {"StringValue", "1"}}},
                                           {"b", {{"DataType", "Binary"}, {"BinaryValue", "AP8="}}}}},
                                         {"MessageSystemAttributes",
                                          {{"AWSTraceHeader", {{"DataType", "String"}, {"StringValue", "Root=1"}}}}}});
  EXPECT_EQ(sent["MD5OfMessageBody"], "fafb00f5732ab283681e124bf8747ed1");
  EXPECT_TRUE(sent.contains("MD5OfMessageSystemAttributes"));
  EXPECT_EQ(Attribute("q", "ApproximateNumberOfMessages"), "1");
  const Json received = Must("ReceiveMessage", {{"QueueUrl", "q"},
                                                {"AttributeNames", {"ApproximateReceiveCount", "AWSTraceHeader"}},
                                                {"MessageSystemAttributeNames", {"SenderId"}},
                                                {"MessageAttributeNames", {"All"}}});
  ASSERT_THAT(received["Messages"], SizeIs(1));
  const Json& message = received["Messages"][0];
  EXPECT_EQ(message["MessageId"], sent["MessageId"]);
  EXPECT_EQ(message["MD5OfBody"], sent["MD5OfMessageBody"]);
  EXPECT_EQ(message["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
  EXPECT_EQ(message["Attributes"],
            (Json{{"ApproximateReceiveCount", "1"}, {"AWSTraceHeader", "Root=1"}, {"SenderId", "000000000000"}}));
  EXPECT_EQ(message["MessageAttributes"], (Json{{"n", {{"DataType", "Number.int"}, {"StringValue", "1"}}},
                                                {"b", {{"DataType", "Binary"}, {"BinaryValue", "AP8="}}}}));
  EXPECT_EQ(Attribute("q", "ApproximateNumberOfMessagesNotVisible"), "1");
  for (int i = 0; i < 2; ++i) {
    Must("DeleteMessage", {{"QueueUrl", "q"}, {"ReceiptHandle", message["ReceiptHandle"]}});
  }
  EXPECT_EQ(Attribute("q", "ApproximateNumberOfMessagesNotVisible"), "0");
  EXPECT_EQ(Must("ReceiveMessage", {{"QueueUrl", "q"}}), Json::object());
}

TEST_P(GatewayTest, TheDigestOfAttributesIsOverThoseThatAreReturned) {
  CreateQueue("q");
  const auto attribute = [](const char* text) { return Json{{"DataType", "String"}, {"StringValue", text}}; };
  const Json one = Must("SendMessage", {{"QueueUrl", "q"}, {"MessageBody", "1"}, {"MessageAttributes", {{"a.x", attribute("v")}}}});
  Must("SendMessage", {{"QueueUrl", "q"}, {"MessageBody", "2"}, {"MessageAttributes", {{"a.x", attribute("v")}, {"b", attribute("w")}}}});
  const Json received = Must("ReceiveMessage", {{"QueueUrl", "q"}, {"MaxNumberOfMessages", 10}, {"MessageAttributeNames", {"a.*"}}});
  for (const Json& message : received["Messages"]) {
    EXPECT_EQ(message["MD5OfMessageAttributes"], one["MD5OfMessageAttributes"]);
    EXPECT_THAT(message["MessageAttributes"], SizeIs(1));
  }
}

TEST_P(GatewayTest, EveryCharacterArrivesAsItWasSent) {
  CreateQueue("q");
  const std::string body = "\r\n\t <a href=\"x\">&amp;'&#xD;</a> \\u0041 é € 😀 \xED\x9F\xBF\xEE\x80\x80 %41+";
  Must("SendMessage", {{"QueueUrl", "q"}, {"MessageBody", body}});
  EXPECT_THAT(Bodies(Must("ReceiveMessage", {{"QueueUrl", "q"}})), ElementsAre(body));
}

TEST_P(GatewayTest, ABatchOfAMebibyteFits) {
  CreateQueue("q");
  // Two bytes of UTF-8 that become six as a form, and as many as \u escapes.
  std::string body;
  while (body.size() < 104'000) body += "é";
  Json entries;
  for (int i = 0; i < 10; ++i) entries.push_back({{"Id", std::to_string(i)}, {"MessageBody", body}});
  EXPECT_THAT(Must("SendMessageBatch", {{"QueueUrl", "q"}, {"Entries", entries}})["Successful"], SizeIs(10));
  const std::vector<std::string> bodies = Bodies(Must("ReceiveMessage", {{"QueueUrl", "q"}, {"MaxNumberOfMessages", 10}}));
  EXPECT_FALSE(bodies.empty());
  for (const std::string& received : bodies) EXPECT_TRUE(received == body);
}

TEST_P(GatewayTest, EntriesOfABatchFailOneByOne) {
  CreateQueue("q", {{"MaximumMessageSize", "1024"}});
  const Json sent = Must("SendMessageBatch",
                         {{"QueueUrl", "q"},
                          {"Entries",
                           {{{"Id", "good"}, {"MessageBody", "a"}},
                            {{"Id", "control"}, {"MessageBody", "\x01"}},
                            {{"Id", "late"}, {"MessageBody", "a"}, {"DelaySeconds", 901}},
                            {{"Id", "long"}, {"MessageBody", std::string(1025, 'a')}},
                            {{"Id", "empty"},
                             {"MessageBody", "a"},
                             {"MessageAttributes", {{"x", {{"DataType", "String"}, {"StringValue", ""}}}}}},
                            {{"Id", "group"}, {"MessageBody", "a"}, {"MessageGroupId", "a b"}}}}});
  ASSERT_THAT(sent["Successful"], SizeIs(1));
  EXPECT_EQ(sent["Successful"][0]["Id"], "good");
  std::vector<std::string> failed;
  for (const Json& entry : sent["Failed"]) {
    EXPECT_EQ(entry["SenderFault"], true);
    failed.push_back(absl::StrCat(entry["Id"].get<std::string>(), " ", entry["Code"].get<std::string>(), " ",
                                  entry["Message"].get<std::string>()));
  }
  EXPECT_THAT(
      failed,
      ElementsAre("control InvalidMessageContents Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | "
                  "#x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
                  "late InvalidParameterValue Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be "
                  ">= 0 and <= 900.",
                  "long InvalidParameterValue One or more parameters are invalid. Reason: Message must be shorter than 1024 "
                  "bytes.",
                  "empty InvalidParameterValue Message (user) attribute 'x' must contain a non-empty value of type "
                  "'String'.",
                  "group InvalidParameterValue Value a b for parameter MessageGroupId is invalid. Reason: MessageGroupId "
                  "can only include alphanumeric and punctuation characters. 1 to 128 in length."));
}

TEST_P(GatewayTest, VisibilityIsChangedAndMessagesAreDeletedInBatches) {
  CreateQueue("q");
  for (const char* body : {"a", "b"}) Must("SendMessage", {{"QueueUrl", "q"}, {"MessageBody", body}});
  Json received = Must("ReceiveMessage", {{"QueueUrl", "q"}, {"MaxNumberOfMessages", 10}});
  ASSERT_THAT(received["Messages"], SizeIs(2));
  const Json changed = Must("ChangeMessageVisibilityBatch",
                            {{"QueueUrl", "q"},
                             {"Entries",
                              {{{"Id", "1"}, {"ReceiptHandle", received["Messages"][0]["ReceiptHandle"]}, {"VisibilityTimeout", 0}},
                               {{"Id", "2"}, {"ReceiptHandle", "garbage"}, {"VisibilityTimeout", 0}}}}});
  EXPECT_EQ(changed["Successful"], (Json{{{"Id", "1"}}}));
  EXPECT_EQ(changed["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
  EXPECT_EQ(changed["Failed"][0]["Message"], "The input receipt handle \"garbage\" is not a valid receipt handle.");
  Must("ChangeMessageVisibility",
       {{"QueueUrl", "q"}, {"ReceiptHandle", received["Messages"][1]["ReceiptHandle"]}, {"VisibilityTimeout", 0}});
  received = Must("ReceiveMessage", {{"QueueUrl", "q"}, {"MaxNumberOfMessages", 10}});
  ASSERT_THAT(received["Messages"], SizeIs(2));
  const Json deleted = Must("DeleteMessageBatch",
                            {{"QueueUrl", "q"},
                             {"Entries",
                              {{{"Id", "1"}, {"ReceiptHandle", received["Messages"][0]["ReceiptHandle"]}},
                               {{"Id", "2"}, {"ReceiptHandle", received["Messages"][1]["ReceiptHandle"]}}}}});
  EXPECT_THAT(deleted["Successful"], SizeIs(2));
  EXPECT_EQ(Attribute("q", "ApproximateNumberOfMessagesNotVisible"), "0");
}

TEST_P(GatewayTest, AFifoQueueKeepsOrderAndSwallowsRepeats) {
  CreateQueue("q.fifo", {{"FifoQueue", "true"}, {"ContentBasedDeduplication", "true"}});
  const auto send = [this](const char* body) {
    return Must("SendMessage", {{"QueueUrl", "q.fifo"}, {"MessageBody", body}, {"MessageGroupId", "g"}});
  };
  const Json first = send("a");
  EXPECT_EQ(send("a"), first);
  EXPECT_EQ(first["SequenceNumber"].get<std::string>().size(), 20);
  send("b");
  const Json received = Must("ReceiveMessage", {{"QueueUrl", "q.fifo"},
                                                {"MaxNumberOfMessages", 10},
                                                {"MessageSystemAttributeNames", {"All"}},
                                                {"ReceiveRequestAttemptId", "attempt"}});
  EXPECT_THAT(Bodies(received), ElementsAre("a", "b"));
  EXPECT_EQ(received["Messages"][0]["Attributes"]["MessageGroupId"], "g");
  EXPECT_EQ(received["Messages"][0]["Attributes"]["SequenceNumber"], first["SequenceNumber"]);
  EXPECT_EQ(Attribute("q.fifo", "DeduplicationScope"), "queue");
}

TEST_P(GatewayTest, DeadLettersAreListedAndMovedBack) {
  CreateQueue("dlq");
  const std::string policy = R"({"deadLetterTargetArn":")" + Arn("dlq") + R"(","maxReceiveCount":"1"})";
  CreateQueue("q", {{"RedrivePolicy", policy}});
  EXPECT_EQ(Attribute("q", "RedrivePolicy"), R"({"deadLetterTargetArn":")" + Arn("dlq") + R"(","maxReceiveCount":1})");
  EXPECT_THAT(Must("ListDeadLetterSourceQueues", {{"QueueUrl", "dlq"}})["queueUrls"],
              ElementsAre("http://localhost:4566/000000000000/q"));
  EXPECT_THAT(Must("ListDeadLetterSourceQueues", {{"QueueUrl", "q"}}).value("queueUrls", Json::array()), IsEmpty());
  Must("SendMessage", {{"QueueUrl", "q"}, {"MessageBody", "bad"}});
  Must("ReceiveMessage", {{"QueueUrl", "q"}, {"VisibilityTimeout", 0}});
  EXPECT_THAT(Bodies(Must("ReceiveMessage", {{"QueueUrl", "q"}})), IsEmpty());
  const Json dead = Must("ReceiveMessage", {{"QueueUrl", "dlq"}, {"WaitTimeSeconds", 20}, {"VisibilityTimeout", 0}, {"AttributeNames", {"All"}}});
  ASSERT_THAT(Bodies(dead), ElementsAre("bad"));
  EXPECT_EQ(dead["Messages"][0]["Attributes"]["DeadLetterQueueSourceArn"], Arn("q"));
  EXPECT_EQ(dead["Messages"][0]["Attributes"]["ApproximateReceiveCount"], "2");
  const Json task = Must("StartMessageMoveTask", {{"SourceArn", Arn("dlq")}});
  EXPECT_FALSE(task["TaskHandle"].get<std::string>().empty());
  EXPECT_THAT(Bodies(Must("ReceiveMessage", {{"QueueUrl", "q"}, {"WaitTimeSeconds", 20}})), ElementsAre("bad"));
  const Json tasks = Must("ListMessageMoveTasks", {{"SourceArn", Arn("dlq")}})["Results"];
  ASSERT_THAT(tasks, SizeIs(1));
  EXPECT_EQ(tasks[0]["SourceArn"], Arn("dlq"));
  EXPECT_EQ(tasks[0]["ApproximateNumberOfMessagesToMove"], 1);
  Must("SetQueueAttributes", {{"QueueUrl", "q"}, {"Attributes", {{"RedrivePolicy", ""}}}});
  EXPECT_EQ(Attribute("q", "RedrivePolicy"), "");
}

TEST_P(GatewayTest, AMoveTaskIsCancelled) {
  CreateQueue("dlq");
  CreateQueue("q", {{"RedrivePolicy", R"({"deadLetterTargetArn":")" + Arn("dlq") + R"(","maxReceiveCount":1})"}});
  for (int i = 0; i < 20; ++i) Must("SendMessage", {{"QueueUrl", "dlq"}, {"MessageBody", "bad"}});
  const Json task = Must("StartMessageMoveTask",
                         {{"SourceArn", Arn("dlq")}, {"DestinationArn", Arn("q")}, {"MaxNumberOfMessagesPerSecond", 1}});
  const AwsAnswer second = Ask("StartMessageMoveTask", {{"SourceArn", Arn("dlq")}});
  EXPECT_EQ(second.code, "InvalidParameterValue");
  EXPECT_EQ(second.message,
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.");
  const Json listed = Must("ListMessageMoveTasks", {{"SourceArn", Arn("dlq")}, {"MaxResults", 10}})["Results"][0];
  EXPECT_EQ(listed["Status"], "RUNNING");
  EXPECT_EQ(listed["TaskHandle"], task["TaskHandle"]);
  EXPECT_EQ(listed["MaxNumberOfMessagesPerSecond"], 1);
  EXPECT_LT(Must("CancelMessageMoveTask", {{"TaskHandle", task["TaskHandle"]}})["ApproximateNumberOfMessagesMoved"], 20);
}

TEST_P(GatewayTest, QueuesHaveTags) {
  Must("CreateQueue", {{"QueueName", "q"}, {"tags", {{"team", "shop"}}}});
  Must("TagQueue", {{"QueueUrl", "q"}, {"Tags", {{"stage", "test"}, {"note", ""}}}});
  EXPECT_EQ(Must("ListQueueTags", {{"QueueUrl", "q"}})["Tags"], (Json{{"team", "shop"}, {"stage", "test"}, {"note", ""}}));
  Must("UntagQueue", {{"QueueUrl", "q"}, {"TagKeys", {"team", "stage", "note"}}});
  EXPECT_EQ(Must("ListQueueTags", {{"QueueUrl", "q"}}), Json::object());
}

TEST_P(GatewayTest, PurgeRemovesAll) {
  CreateQueue("q");
  Must("SendMessage", {{"QueueUrl", "q"}, {"MessageBody", "a"}});
  Must("PurgeQueue", {{"QueueUrl", "q"}});
  EXPECT_THAT(Bodies(Must("ReceiveMessage", {{"QueueUrl", "q"}})), IsEmpty());
}

TEST_P(GatewayTest, AccountsAndRegionsHaveQueuesOfTheirOwn) {
  CreateQueue("q");
  const auto other = Client("123456789012", "eu-west-1");
  EXPECT_EQ(other->Call("GetQueueUrl", {{"QueueName", "q"}}).code, "AWS.SimpleQueueService.NonExistentQueue");
  EXPECT_EQ(other->Call("CreateQueue", {{"QueueName", "q"}}).output["QueueUrl"], "http://localhost:4566/123456789012/q");
  const Json attributes = other->Call("GetQueueAttributes", {{"QueueUrl", "q"}, {"AttributeNames", {"QueueArn"}}}).output;
  EXPECT_EQ(attributes["Attributes"]["QueueArn"], "arn:aws:sqs:eu-west-1:123456789012:q");
  // The URL names the account, the credential the region.
  const auto neighbour = Client("test", "eu-west-1");
  EXPECT_EQ(neighbour->Call("SendMessage", {{"QueueUrl", "http://h/123456789012/q"}, {"MessageBody", "a"}}).status, 200);
  EXPECT_EQ(neighbour->Call("GetQueueUrl", {{"QueueName", "q"}, {"QueueOwnerAWSAccountId", "123456789012"}}).status, 200);
  EXPECT_EQ(Attribute("q", "ApproximateNumberOfMessages"), "0");
}

TEST_P(GatewayTest, ALongPollEndsWhenAMessageComes) {
  CreateQueue("q");
  const auto consumer = Client();
  consumer->Begin("ReceiveMessage", {{"QueueUrl", "q"}, {"WaitTimeSeconds", 20}});
  Must("SendMessage", {{"QueueUrl", "q"}, {"MessageBody", "a"}});
  EXPECT_THAT(Bodies(consumer->End("ReceiveMessage", absl::Seconds(15)).output), ElementsAre("a"));
}

TEST_P(GatewayTest, AConsumerThatIsGoneGetsNothing) {
  CreateQueue("q");
  constexpr int kGone = 20;
  for (int i = 0; i < kGone; ++i) {
    const auto consumer = Client();
    consumer->Begin("ReceiveMessage", {{"QueueUrl", "q"}, {"WaitTimeSeconds", 20}, {"VisibilityTimeout", 3600}});
  }
  AwaitFinished("ReceiveMessage", kGone);
  Must("SendMessage", {{"QueueUrl", "q"}, {"MessageBody", "a"}});
  EXPECT_EQ(Attribute("q", "ApproximateNumberOfMessages"), "1");
}

TEST_P(GatewayTest, DrainingEndsLongPollsWithNothing) {
  CreateQueue("q");
  const std::unique_ptr<wire::Service> service = sqs::MakeSqsService(grpcx::MakeChannel(queues_->address()), {});
  const auto receive = [&] {
    wire::Value input;
    input.Set("QueueUrl", wire::Value("q"));
    input.Set("WaitTimeSeconds", wire::Value(int64_t{20}));
    auto answer = std::make_shared<std::promise<wire::Outcome>>();
    service->Start(*service->Find("ReceiveMessage"), {.account = "000000000000", .region = "us-east-1"}, input,
                   [answer](wire::Outcome outcome) { answer->set_value(std::move(outcome)); });
    return answer->get_future();
  };
  std::future<wire::Outcome> before = receive();
  service->Drain();
  std::future<wire::Outcome> after = receive();
  for (std::future<wire::Outcome>* answer : {&before, &after}) {
    ASSERT_EQ(answer->wait_for(std::chrono::seconds(10)), std::future_status::ready);
    const wire::Outcome outcome = answer->get();
    ASSERT_TRUE(std::holds_alternative<wire::Value>(outcome));
    EXPECT_TRUE(std::get<wire::Value>(outcome).fields().empty());
  }
}

TEST_P(GatewayTest, MetricsCountConnectionsAndCalls) {
  CreateQueue("q");
  std::string endpoint = *metrics_.Listen("127.0.0.1:0");
  HttpConnection prometheus(endpoint.substr(7, endpoint.rfind('/') - 7));
  const std::string metrics = prometheus.Get("/metrics").body;
  metrics_.StopListening();
  EXPECT_THAT(metrics, HasSubstr("weir_gateway_connections 1\n"));
  EXPECT_THAT(metrics, HasSubstr("weir_rpc_requests_total{code=\"OK\",method=\"CreateQueue\",service=\"aws.sqs\"} 1\n"));
}

TEST_P(GatewayTest, AQueueServiceThatIsAwayIsUnavailable) {
  CreateQueue("q");
  queues_->Stop();
  const AwsAnswer answer = Ask("SendMessage", {{"QueueUrl", "q"}, {"MessageBody", "a"}});
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.code, "ServiceUnavailable");
}

}  // namespace
}  // namespace weir::gateway
