// Callers whose account is proven, on queues of another account: what the queues' policies say counts.
#include <future>

#include "absl/strings/str_cat.h"
#include "libs/grpcx/channel.h"
#include "services/gateway/sqs/sqs_service.h"
#include "tests/integration/gateway_fixture.h"

namespace weir::gateway {
namespace {

using wire::Value;

constexpr char kOwner[] = "111122223333";
constexpr char kOther[] = "444455556666";
constexpr char kUrl[] = "http://localhost:4566/111122223333/orders";

class GatewayForeignQueueTest : public PgTest {
 protected:
  void SetUp() override {
    queues_ = std::make_unique<queue::QueueServerUnderTest>(dsn());
    sqs_ = sqs::MakeSqsService(grpcx::MakeChannel(queues_->address()), {});
    ASSERT_EQ(By(kOwner, "CreateQueue", {{"QueueName", Value("orders")}}), "OK");
  }
  void TearDown() override {
    sqs_.reset();
    queues_.reset();
  }

  wire::Outcome Ask(const std::string& account, const std::string& operation, Value::Fields input) {
    auto answer = std::make_shared<std::promise<wire::Outcome>>();
    sqs_->Start(*sqs_->Find(operation), {.account = account, .region = "eu-west-1", .base_url = "http://localhost:4566", .verified = true},
                Value(std::move(input)), [answer](wire::Outcome outcome) { answer->set_value(std::move(outcome)); });
    return answer->get_future().get();
  }
  // "OK", or the error's code.
  std::string By(const std::string& account, const std::string& operation, Value::Fields input) {
    const wire::Outcome outcome = Ask(account, operation, std::move(input));
    const auto* error = std::get_if<wire::AwsError>(&outcome);
    return error == nullptr ? "OK" : error->query_code;
  }
  std::string Send(const std::string& account) {
    return By(account, "SendMessage", {{"QueueUrl", Value(kUrl)}, {"MessageBody", Value("b")}});
  }
  std::string Receive(const std::string& account) { return By(account, "ReceiveMessage", {{"QueueUrl", Value(kUrl)}}); }
  void SetPolicy(const std::string& policy) {
    Value attributes;
    attributes.Set("Policy", Value(policy));
    ASSERT_EQ(By(kOwner, "SetQueueAttributes", {{"QueueUrl", Value(kUrl)}, {"Attributes", std::move(attributes)}}), "OK");
  }
  void AddPermission(const std::string& label, const std::string& action) {
    ASSERT_EQ(By(kOwner, "AddPermission",
                 {{"QueueUrl", Value(kUrl)},
                  {"Label", Value(label)},
                  {"AWSAccountIds", Value(Value::List{Value(kOther)})},
                  {"Actions", Value(Value::List{Value(action)})}}),
              "OK");
  }

  std::unique_ptr<queue::QueueServerUnderTest> queues_;
  std::unique_ptr<wire::Service> sqs_;
};

TEST_F(GatewayForeignQueueTest, APermissionOpensItsActionUntilItIsRemoved) {
  EXPECT_EQ(Send(kOther), "AccessDenied");
  AddPermission("send", "SendMessage");
  EXPECT_EQ(Send(kOther), "OK");
  EXPECT_EQ(Receive(kOther), "AccessDenied");
  EXPECT_EQ(Send("777788889999"), "AccessDenied");
  EXPECT_EQ(By(kOwner, "RemovePermission", {{"QueueUrl", Value(kUrl)}, {"Label", Value("send")}}), "OK");
  EXPECT_EQ(Send(kOther), "AccessDenied");
}

TEST_F(GatewayForeignQueueTest, ADenyWins) {
  SetPolicy(R"({"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"},
                             {"Effect":"Deny","Principal":{"AWS":"444455556666"},"Action":"sqs:SendMessage","Resource":"*"}]})");
  EXPECT_EQ(Send(kOther), "AccessDenied");
  EXPECT_EQ(Receive(kOther), "OK");
  EXPECT_EQ(Send("777788889999"), "OK");
  EXPECT_EQ(Send(kOwner), "OK");
  EXPECT_EQ(By(kOther, "DeleteQueue", {{"QueueUrl", Value(kUrl)}}), "AccessDenied") << "SQS shares it with nobody";
  SetPolicy("");
  EXPECT_EQ(Receive(kOther), "AccessDenied");
}

TEST_F(GatewayForeignQueueTest, ADenyForEverybodyLeavesTheOwnerIn) {
  SetPolicy(R"({"Statement":{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*"}})");
  EXPECT_EQ(Send(kOwner), "OK");
  EXPECT_EQ(Send(kOther), "AccessDenied");
}

TEST_F(GatewayForeignQueueTest, AQueueIsFoundByWhomItIsOpenTo) {
  const auto find = [&](const std::string& name) {
    return By(kOther, "GetQueueUrl", {{"QueueName", Value(name)}, {"QueueOwnerAWSAccountId", Value(kOwner)}});
  };
  EXPECT_EQ(find("orders"), "AWS.SimpleQueueService.NonExistentQueue");
  EXPECT_EQ(find("nothing"), "AWS.SimpleQueueService.NonExistentQueue");
  AddPermission("find", "GetQueueUrl");
  EXPECT_EQ(find("orders"), "OK");
}

TEST_F(GatewayForeignQueueTest, AMoveTaskIsCancelledByItsAccountAlone) {
  const std::string arn = absl::StrCat("arn:aws:sqs:eu-west-1:", kOwner, ":orders");
  Value attributes;
  attributes.Set("RedrivePolicy", Value(absl::StrCat(R"({"deadLetterTargetArn":")", arn, R"(","maxReceiveCount":3})")));
  ASSERT_EQ(By(kOwner, "CreateQueue", {{"QueueName", Value("source")}, {"Attributes", std::move(attributes)}}), "OK");
  for (int i = 0; i < 20; ++i) ASSERT_EQ(Send(kOwner), "OK");
  const wire::Outcome started = Ask(kOwner, "StartMessageMoveTask",
                                    {{"SourceArn", Value(arn)},
                                     {"DestinationArn", Value(absl::StrCat("arn:aws:sqs:eu-west-1:", kOwner, ":source"))},
                                     {"MaxNumberOfMessagesPerSecond", Value(int64_t{1})}});
  ASSERT_TRUE(std::holds_alternative<Value>(started));
  const Value handle = std::get<Value>(started)["TaskHandle"];
  EXPECT_EQ(By(kOther, "CancelMessageMoveTask", {{"TaskHandle", handle}}), "ResourceNotFoundException");
  EXPECT_EQ(By(kOwner, "CancelMessageMoveTask", {{"TaskHandle", handle}}), "OK");
}

}  // namespace
}  // namespace weir::gateway
