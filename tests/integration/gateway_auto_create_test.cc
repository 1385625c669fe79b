// Queues that are created by their first use.
#include <vector>

#include "tests/integration/gateway_fixture.h"

namespace weir::gateway {
namespace {

using testing::SizeIs;

class GatewayAutoCreateTest : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    StartGateway({.auto_create_queues = true});
  }
  Json Queues() { return Must("ListQueues", Json::object()).value("QueueUrls", Json::array()); }
};

INSTANTIATE_TEST_SUITE_P(Protocols, GatewayAutoCreateTest,
                         testing::Values(ClientProtocol::kJson, ClientProtocol::kQuery),
                         [](const auto& info) { return info.param == ClientProtocol::kJson ? "Json" : "Query"; });

TEST_P(GatewayAutoCreateTest, TheFirstUseOfAQueueCreatesIt) {
  Must("SendMessage", {{"QueueUrl", "sent"}, {"MessageBody", "a"}});
  EXPECT_THAT(Must("ReceiveMessage", {{"QueueUrl", "sent"}})["Messages"], SizeIs(1));
  Must("SendMessageBatch", {{"QueueUrl", "batch"}, {"Entries", {{{"Id", "1"}, {"MessageBody", "a"}}}}});
  EXPECT_THAT(Must("ReceiveMessage", {{"QueueUrl", "batch"}})["Messages"], SizeIs(1));
  EXPECT_EQ(Must("ReceiveMessage", {{"QueueUrl", "received"}}), Json::object());
  EXPECT_EQ(Attribute("looked-at", "VisibilityTimeout"), "30");
  EXPECT_EQ(Must("GetQueueUrl", {{"QueueName", "asked-for"}})["QueueUrl"],
            "http://localhost:4566/000000000000/asked-for");
  EXPECT_THAT(Queues(), SizeIs(5));
}

TEST_P(GatewayAutoCreateTest, ANameThatEndsInFifoIsAFifoQueue) {
  Must("SendMessage", {{"QueueUrl", "q.fifo"},
                       {"MessageBody", "a"},
                       {"MessageGroupId", "g"},
                       {"MessageDeduplicationId", "d"}});
  EXPECT_EQ(Attribute("q.fifo", "FifoQueue"), "true");
}

TEST_P(GatewayAutoCreateTest, TheQueueIsCreatedInTheAccountThatItsUrlNames) {
  Must("SendMessage", {{"QueueUrl", "http://localhost:4566/111122223333/q"}, {"MessageBody", "a"}});
  EXPECT_EQ(Must("GetQueueUrl", {{"QueueName", "other"}, {"QueueOwnerAWSAccountId", "111122223333"}})["QueueUrl"],
            "http://localhost:4566/111122223333/other");
  EXPECT_EQ(Queues(), Json::array());
  EXPECT_THAT(Client("111122223333")->Call("ListQueues", Json::object()).output["QueueUrls"], SizeIs(2));
}

TEST_P(GatewayAutoCreateTest, OtherOperationsCreateNothing) {
  for (const char* operation : {"DeleteQueue", "PurgeQueue", "ListQueueTags"}) {
    EXPECT_EQ(Ask(operation, {{"QueueUrl", "q"}}).code, "AWS.SimpleQueueService.NonExistentQueue") << operation;
  }
  EXPECT_EQ(Queues(), Json::array());
}

TEST_P(GatewayAutoCreateTest, WhatKeepsTheQueueFromBeingCreatedIsTheAnswer) {
  const AwsAnswer refused = Ask("GetQueueUrl", {{"QueueName", "not a name"}});
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.code, "InvalidParameterValue");
  EXPECT_EQ(Queues(), Json::array());
}

TEST_P(GatewayAutoCreateTest, ALongPollOnAQueueThatIsNewGetsWhatIsSentLater) {
  const auto waiting = Client();
  waiting->Begin("ReceiveMessage", {{"QueueUrl", "q"}, {"WaitTimeSeconds", 20}});
  Must("SendMessage", {{"QueueUrl", "q"}, {"MessageBody", "a"}});
  const AwsAnswer answer = waiting->End("ReceiveMessage");
  ASSERT_EQ(answer.status, 200) << answer.message;
  EXPECT_THAT(answer.output["Messages"], SizeIs(1));
}

TEST_P(GatewayAutoCreateTest, ManyFirstUsesAtOnceCreateOneQueue) {
  std::vector<std::unique_ptr<AwsClient>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(Client());
    clients.back()->Begin("SendMessage", {{"QueueUrl", "q"}, {"MessageBody", "a"}});
  }
  for (const auto& client : clients) {
    const AwsAnswer answer = client->End("SendMessage");
    EXPECT_EQ(answer.status, 200) << answer.message;
  }
  EXPECT_EQ(Attribute("q", "ApproximateNumberOfMessages"), "8");
  EXPECT_THAT(Queues(), SizeIs(1));
}

TEST_P(GatewayAutoCreateTest, AClientThatGoesAwayEndsItsLongPoll) {
  auto waiting = Client();
  waiting->Begin("ReceiveMessage", {{"QueueUrl", "q"}, {"WaitTimeSeconds", 20}});
  waiting.reset();
  AwaitFinished("ReceiveMessage", 1);
}

TEST_P(GatewayTest, WithoutAutoCreationNothingIsCreated) {
  EXPECT_EQ(Ask("SendMessage", {{"QueueUrl", "q"}, {"MessageBody", "a"}}).code,
            "AWS.SimpleQueueService.NonExistentQueue");
  EXPECT_EQ(Must("ListQueues", Json::object()), Json::object());
}

}  // namespace
}  // namespace weir::gateway
