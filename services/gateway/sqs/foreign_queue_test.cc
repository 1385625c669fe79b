#include "services/gateway/sqs/foreign_queue.h"

#include <gmock/gmock.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace weir::gateway::sqs {
namespace {

using testing::HasSubstr;

constexpr char kSendDenied[] =
    "AccessDenied: User: arn:aws:iam::111122223333:root is not authorized to perform: sqs:sendmessage on resource: "
    "arn:aws:sqs:eu-west-1:999999999999:orders ";
constexpr char kNobodyAllows[] = "because no resource-based policy allows the sqs:sendmessage action";

queue::v1::QueueRef Orders(const std::string& account) {
  queue::v1::QueueRef queue;
  queue.mutable_namespace_()->set_account(account);
  queue.mutable_namespace_()->set_region("eu-west-1");
  queue.set_name("orders");
  return queue;
}

class ForeignQueueTest : public testing::Test {
 protected:
  Call CallOf(absl::string_view operation) const { return {operation, caller_, options_, input_}; }

  // The account of the foreign queue; "": there is none.
  template <typename Request>
  std::string ForeignIn(const Request& request) const {
    const auto foreign = ForeignQueueIn(CallOf("Any"), request);
    return foreign.has_value() ? foreign->namespace_().account() : "";
  }

  static std::string Shown(const MaybeError& error) {
    return error.has_value() ? absl::StrCat(error->query_code, ": ", error->message) : "";
  }
  std::string Shared(absl::string_view operation) const { return Shown(RefuseUnlessShared(CallOf(operation), foreign_)); }
  std::string Allowed(absl::string_view operation, const absl::StatusOr<queue::v1::Queue>& read) const {
    return Shown(RefuseUnlessAllowed(CallOf(operation), foreign_, read, now_));
  }
  std::string Allowed(absl::string_view operation, const std::string& policy) const {
    queue::v1::Queue queue;
    queue.mutable_attributes()->set_policy(policy);
    return Allowed(operation, absl::StatusOr<queue::v1::Queue>(queue));
  }
  static std::string Statement(const std::string& effect, const std::string& action, const std::string& more = "") {
    return absl::StrCat(R"({"Effect":")", effect, R"(","Principal":{"AWS":"111122223333"},"Action":")", action,
                        R"(","Resource":"arn:aws:sqs:eu-west-1:999999999999:orders")", more, "}");
  }
  static std::string Policy(const std::string& statements) {
    return absl::StrCat(R"({"Version":"2012-10-17","Statement":[)", statements, "]}");
  }

  wire::CallContext caller_ = {.account = "111122223333", .region = "eu-west-1", .verified = true};
  const SqsOptions options_;
  const wire::Value input_;
  const queue::v1::QueueRef foreign_ = Orders("999999999999");
  const absl::Time now_ = absl::FromUnixSeconds(1'769'860'800);  // 2026-01-31 12:00 UTC
};

TEST_F(ForeignQueueTest, WhichQueueOfARequestIsForeign) {
  queue::v1::SendMessageBatchRequest send;
  *send.mutable_queue() = Orders("111122223333");
  EXPECT_EQ(ForeignIn(send), "");
  *send.mutable_queue() = foreign_;
  EXPECT_EQ(ForeignIn(send), "999999999999");
  queue::v1::ListMessageMoveTasksRequest tasks;
  *tasks.mutable_source() = foreign_;
  EXPECT_EQ(ForeignIn(tasks), "999999999999");
  queue::v1::StartMessageMoveTaskRequest move;
  *move.mutable_source() = Orders("111122223333");
  EXPECT_EQ(ForeignIn(move), "");
  move.set_destination_arn("arn:aws:sqs:eu-west-1:999999999999:orders");
  EXPECT_EQ(ForeignIn(move), "999999999999");
  move.set_destination_arn("arn:aws:sqs:eu-west-1:111122223333:orders");
  EXPECT_EQ(ForeignIn(move), "");
  *move.mutable_source() = foreign_;
  EXPECT_EQ(ForeignIn(move), "999999999999");
  EXPECT_EQ(ForeignIn(queue::v1::ListQueuesRequest()), "");
  EXPECT_EQ(ForeignIn(queue::v1::CancelMessageMoveTaskRequest()), "");
  caller_.verified = false;
  EXPECT_EQ(ForeignIn(send), "") << "with authentication off every account is believed";
}

TEST_F(ForeignQueueTest, WhatSqsShares) {
  for (const char* operation : {"SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch",
                                "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "GetQueueAttributes", "GetQueueUrl",
                                "ListDeadLetterSourceQueues", "PurgeQueue"}) {
    EXPECT_EQ(Shared(operation), "") << operation;
  }
  for (const char* operation : {"AddPermission", "CancelMessageMoveTask", "CreateQueue", "DeleteQueue", "ListMessageMoveTasks",
                                "ListQueues", "ListQueueTags", "RemovePermission", "SetQueueAttributes", "StartMessageMoveTask",
                                "TagQueue", "UntagQueue"}) {
    EXPECT_THAT(Shared(operation), HasSubstr("AccessDenied: User: arn:aws:iam::111122223333:root is not authorized")) << operation;
  }
}

TEST_F(ForeignQueueTest, ThePolicyDecides) {
  const std::string send = Statement("Allow", "sqs:SendMessage");
  EXPECT_EQ(Allowed("SendMessage", Policy(send)), "");
  EXPECT_EQ(Allowed("SendMessageBatch", Policy(send)), "") << "what a batch does is allowed where the single one is";
  EXPECT_THAT(Allowed("ReceiveMessage", Policy(send)), HasSubstr("AccessDenied"));
  EXPECT_EQ(Allowed("SendMessage", ""), absl::StrCat(kSendDenied, kNobodyAllows));
  EXPECT_EQ(Allowed("SendMessageBatch", Policy(Statement("Allow", "sqs:ReceiveMessage"))), absl::StrCat(kSendDenied, kNobodyAllows));
  EXPECT_EQ(Allowed("SendMessage", Policy(absl::StrCat(send, ",", Statement("Deny", "sqs:*")))),
            absl::StrCat(kSendDenied, "with an explicit deny in a resource-based policy"));
  caller_.account = "444455556666";
  EXPECT_THAT(Allowed("SendMessage", Policy(send)), HasSubstr("User: arn:aws:iam::444455556666:root is not authorized"));
}

TEST_F(ForeignQueueTest, AQueueThatDoesNotExistIsToldAsOneThatIsNotShared) {
  const absl::Status none = MakeError(ErrorReason::kQueueDoesNotExist, "There is no queue \"orders\".");
  const absl::Status no_name = MakeError(ErrorReason::kInvalidParameterValue, "Value \"?\" for queue.name is invalid: …");
  for (const absl::Status& read : {none, no_name}) {
    EXPECT_EQ(Allowed("SendMessage", read), Allowed("SendMessage", ""));
    EXPECT_EQ(Allowed("GetQueueUrl", read), Allowed("GetQueueUrl", ""));
  }
  EXPECT_EQ(Allowed("GetQueueUrl", none),
            "AWS.SimpleQueueService.NonExistentQueue: The specified queue does not exist or you do not have access to it.");
  EXPECT_EQ(Allowed("GetQueueUrl", Policy(Statement("Deny", "*"))), Allowed("GetQueueUrl", none));
  EXPECT_EQ(Allowed("GetQueueUrl", Policy(Statement("Allow", "sqs:GetQueueUrl"))), "");
}

TEST_F(ForeignQueueTest, WhatKeepsThePolicyFromBeingReadIsTheAnswer) {
  EXPECT_THAT(Allowed("SendMessage", MakeError(ErrorReason::kStoreUnavailable, "PostgreSQL cannot be reached.")),
              HasSubstr("ServiceUnavailable"));
  EXPECT_THAT(Allowed("SendMessage", std::string("{")), HasSubstr("InternalFailure: The policy of arn:aws:sqs:eu-west-1:999999999999:"
                                                                  "orders cannot be read"));
}

TEST_F(ForeignQueueTest, ConditionsKnowTheRequest) {
  const auto allowed_when = [&](const std::string& condition) {
    return Allowed("SendMessage", Policy(Statement("Allow", "sqs:SendMessage", R"(,"Condition":{)" + condition + "}"))).empty();
  };
  const std::string from_office = R"("IpAddress":{"aws:SourceIp":"203.0.113.0/24"})";
  const std::string not_from_office = R"("NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"})";
  const std::string with_boto = R"("StringLike":{"aws:UserAgent":"Boto3/*"})";
  const std::string secure = R"("Bool":{"aws:SecureTransport":"true"})";
  EXPECT_FALSE(allowed_when(from_office));
  EXPECT_TRUE(allowed_when(not_from_office));
  EXPECT_FALSE(allowed_when(with_boto));
  EXPECT_FALSE(allowed_when(secure));
  caller_.source_ip = "203.0.113.7";
  caller_.user_agent = "Boto3/1.26 md/Botocore";
  caller_.secure = true;
  EXPECT_TRUE(allowed_when(from_office));
  EXPECT_FALSE(allowed_when(not_from_office));
  EXPECT_TRUE(allowed_when(with_boto));
  EXPECT_TRUE(allowed_when(secure));
  EXPECT_TRUE(allowed_when(R"("DateLessThan":{"aws:CurrentTime":"2026-02-01"},"DateGreaterThan":{"aws:CurrentTime":"2026-01-31"})"));
  EXPECT_FALSE(allowed_when(R"("DateLessThan":{"aws:CurrentTime":"2026-01-31T12:00:00Z"})"));
  EXPECT_TRUE(allowed_when(R"("StringEquals":{"aws:PrincipalAccount":"111122223333"})"));
  EXPECT_FALSE(allowed_when(R"("ArnEquals":{"aws:SourceArn":"arn:aws:sns:*:*:*"})")) << "no service acts for anybody here";
}

TEST_F(ForeignQueueTest, OfALongUserAgentTheBeginningCounts) {
  caller_.user_agent = std::string(1024, 'a') + "b";
  const auto allowed_when = [&](const std::string& pattern) {
    return Allowed("SendMessage", Policy(Statement("Allow", "sqs:SendMessage",
                                                   R"(,"Condition":{"StringLike":{"aws:UserAgent":")" + pattern + R"("}})")))
        .empty();
  };
  EXPECT_TRUE(allowed_when("*a"));
  EXPECT_FALSE(allowed_when("*b"));
}

}  // namespace
}  // namespace weir::gateway::sqs
