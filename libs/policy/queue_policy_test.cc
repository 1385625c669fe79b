#include <gmock/gmock.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/policy/json.h"
#include "libs/policy/policy.h"
#include "libs/policy/sqs_actions.h"

namespace weir::policy {
namespace {

using testing::HasSubstr;

constexpr char kOrders[] = "arn:aws:sqs:eu-west-1:999999999999:orders";

Permission Sending(const std::string& label) {
  return {.label = label, .queue_arn = kOrders, .accounts = {"111122223333"}, .actions = {"SendMessage"}};
}

template <typename T>
std::string ErrorOf(const absl::StatusOr<T>& result) {
  return result.ok() ? "" : absl::StrCat(ErrorInfoOf(ReasonOf(result.status())).name, ": ", std::string(result.status().message()));
}
std::string ErrorOf(const absl::Status& status) { return ErrorOf(absl::StatusOr<int>(status.ok() ? absl::StatusOr<int>(0) : status)); }

TEST(AddPermissionTest, WritesWhatSqsWrites) {
  const absl::StatusOr<std::string> one = AddPermission("", Sending("send"));
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(*one,
            R"({"Version":"2008-10-17","Id":"arn:aws:sqs:eu-west-1:999999999999:orders/SQSDefaultPolicy","Statement":[)"
            R"({"Sid":"send","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"SQS:SendMessage",)"
            R"("Resource":"arn:aws:sqs:eu-west-1:999999999999:orders"}]})");
  const absl::StatusOr<std::string> two =
      AddPermission(*one, {.label = "all",
                           .queue_arn = kOrders,
                           .accounts = {"111122223333", "444455556666"},
                           .actions = {"ReceiveMessage", "DeleteMessage"}});
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_EQ(Json::parse(*two)["Statement"][1].dump(),
            R"({"Sid":"all","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root","arn:aws:iam::444455556666:root"]},)"
            R"("Action":["SQS:ReceiveMessage","SQS:DeleteMessage"],"Resource":"arn:aws:sqs:eu-west-1:999999999999:orders"})");
  EXPECT_EQ(Json::parse(*two)["Statement"][0], Json::parse(*one)["Statement"][0]);
  const absl::StatusOr<Policy> policy = Policy::Parse(*two);
  ASSERT_TRUE(policy.ok()) << policy.status();
  AccessRequest request = {.principal = Principal::Account("444455556666"), .action = "sqs:DeleteMessage", .resource = kOrders};
  EXPECT_EQ(policy->Decide(request), Decision::kAllowed);
  request.action = "sqs:SendMessage";
  EXPECT_EQ(policy->Decide(request), Decision::kNotAllowed);
}

TEST(AddPermissionTest, AStarIsEveryAction) {
  Permission permission = Sending("all");
  permission.actions = {"*"};
  const absl::StatusOr<std::string> document = AddPermission("", permission);
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_EQ(Json::parse(*document)["Statement"][0]["Action"], "SQS:*");
}

TEST(AddPermissionTest, KeepsWhatElseTheDocumentHas) {
  const std::string before =
      R"({"Statement":{"NotAction":"sqs:*","Effect":"Deny","Principal":"*","Resource":"*"},"Id":"mine","Version":"2012-10-17"})";
  const absl::StatusOr<std::string> after = AddPermission(before, Sending("send"));
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_THAT(*after, testing::StartsWith(
                          R"({"Statement":[{"NotAction":"sqs:*","Effect":"Deny","Principal":"*","Resource":"*"},{"Sid":"send",)"));
  EXPECT_THAT(*after, testing::EndsWith(R"(],"Id":"mine","Version":"2012-10-17"})"));
}

TEST(AddPermissionTest, WhatIsWrongIsSaidAsSqsSaysIt) {
  const std::string present = *AddPermission("", Sending("send"));
  const auto with = [](auto change) {
    Permission permission = Sending("other");
    change(permission);
    return permission;
  };
  const struct {
    Permission permission;
    std::string error;
  } cases[] = {
      {Sending("send"), "INVALID_PARAMETER_VALUE: Value send for parameter Label is invalid. Reason: Already exists."},
      {Sending(""), "INVALID_PARAMETER_VALUE: Value  for parameter Label is invalid. Reason: Can only include alphanumeric"},
      {Sending("a b"), "INVALID_PARAMETER_VALUE: Value a b for parameter Label is invalid. Reason: Can only include alphanumeric"},
      {Sending(std::string(81, 'a')), "for parameter Label is invalid"},
      {Sending("é"), "for parameter Label is invalid"},
      {with([](Permission& p) { p.actions = {}; }), "MISSING_PARAMETER: The request must contain the parameter Actions."},
      {with([](Permission& p) { p.actions = {"CreateQueue"}; }),
       "INVALID_PARAMETER_VALUE: Value SQS:CreateQueue for parameter ActionName is invalid. Reason: Only the queue owner is allowed to "
       "invoke this action."},
      {with([](Permission& p) { p.actions = {"SendMessage", "SendMessageBatch"}; }),
       "INVALID_PARAMETER_VALUE: Value SQS:SendMessageBatch for parameter ActionName is invalid. Reason: Please refer to the appropriate "
       "WSDL for a list of valid actions."},
      {with([](Permission& p) { p.actions = {"SQS:SendMessage"}; }), "Value SQS:SQS:SendMessage for parameter ActionName is invalid."},
      {with([](Permission& p) { p.actions = std::vector<std::string>(8, "SendMessage"); }),
       "OVER_LIMIT: 8 Actions were found, maximum allowed is 7."},
      {with([](Permission& p) { p.accounts = {}; }),
       "INVALID_PARAMETER_VALUE: Value [] for parameter PrincipalId is invalid. Reason: Unable to verify."},
      {with([](Permission& p) { p.accounts = {"111122223333", "ann"}; }),
       "INVALID_PARAMETER_VALUE: Value [111122223333, ann] for parameter PrincipalId is invalid. Reason: Unable to verify."},
  };
  for (const auto& each : cases) EXPECT_THAT(ErrorOf(AddPermission(present, each.permission)), HasSubstr(each.error));
  EXPECT_THAT(ErrorOf(AddPermission("{}", Sending("send"))), HasSubstr("INVALID_ATTRIBUTE_VALUE: Statement must be"));
}

TEST(AddPermissionTest, ADocumentHasTwentyStatements) {
  std::string document;
  for (int i = 0; i < 20; ++i) {
    const absl::StatusOr<std::string> more = AddPermission(document, Sending(absl::StrCat("label", i)));
    ASSERT_TRUE(more.ok()) << more.status();
    document = *more;
  }
  EXPECT_EQ(ErrorOf(AddPermission(document, Sending("label20"))), "OVER_LIMIT: 21 Statements were found, maximum allowed is 20.");
}

TEST(RemovePermissionTest, TakesAwayWhatWasAdded) {
  const std::string one = *AddPermission("", Sending("one"));
  const std::string two = *AddPermission(one, Sending("two"));
  EXPECT_EQ(*RemovePermission(two, "two"), one);
  const std::string left = *RemovePermission(two, "one");
  EXPECT_EQ(Json::parse(left)["Statement"].size(), 1);
  EXPECT_EQ(*RemovePermission(left, "two"), "");
  EXPECT_EQ(*RemovePermission(R"({"Statement":{"Sid":"a b","Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}})", "a b"), "");
}

TEST(RemovePermissionTest, ALabelThatIsNotThere) {
  const std::string error = "INVALID_PARAMETER_VALUE: Value x for parameter Label is invalid. Reason: can't find label.";
  EXPECT_EQ(ErrorOf(RemovePermission("", "x")), error);
  EXPECT_EQ(ErrorOf(RemovePermission(*AddPermission("", Sending("one")), "x")), error);
  EXPECT_EQ(ErrorOf(RemovePermission(R"({"Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}})", "x")), error);
}

std::string WithActions(const std::string& actions) {
  return R"({"Statement": {"Effect": "Allow", "Principal": "*", "Resource": "*", "Action": )" + actions + "}}";
}

TEST(CheckPolicyTest, TakesTheActionsOfSqs) {
  for (const char* actions :
       {R"("*")", R"("sqs:*")", R"("SQS:sendmessage")", R"("sqs:DeleteQueue")", R"(["sqs:Get*", "sqs:PurgeQueue"])"}) {
    EXPECT_EQ(ErrorOf(CheckPolicy(WithActions(actions))), "") << actions;
  }
  EXPECT_EQ(ErrorOf(CheckPolicy(WithActions(R"("sqs:SendMessageBatch")"))),
            "INVALID_PARAMETER_VALUE: Value SQS:SendMessageBatch for parameter ActionName is invalid. Reason: Please refer to the "
            "appropriate WSDL for a list of valid actions.");
  EXPECT_THAT(ErrorOf(CheckPolicy(WithActions(R"("sns:Publish")"))), HasSubstr("Value sns:Publish for parameter ActionName is invalid."));
  EXPECT_THAT(ErrorOf(CheckPolicy(WithActions(R"("SendMessage")"))), HasSubstr("INVALID_ATTRIBUTE_VALUE: Statement.Action has"));
}

TEST(CheckPolicyTest, HasLimits) {
  std::string actions = "[\"sqs:1*\"";
  for (int i = 2; i <= 7; ++i) absl::StrAppend(&actions, ", \"sqs:", i, "*\"");
  EXPECT_EQ(ErrorOf(CheckPolicy(WithActions(actions + "]"))), "");
  EXPECT_EQ(ErrorOf(CheckPolicy(WithActions(actions + ", \"sqs:8*\"]"))), "OVER_LIMIT: 8 Actions were found, maximum allowed is 7.");
  const std::string document = WithActions(R"("*")");
  EXPECT_EQ(ErrorOf(CheckPolicy(document + std::string(8192 - document.size(), ' '))), "");
  EXPECT_EQ(ErrorOf(CheckPolicy(document + std::string(8193 - document.size(), ' '))),
            "INVALID_ATTRIBUTE_VALUE: The policy has 8193 bytes; 8192 are the most.");
}

TEST(SqsActionTest, ForWhomTheyAre) {
  for (const char* name : {"ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ListDeadLetterSourceQueues",
                           "PurgeQueue", "ReceiveMessage", "sendmessage"}) {
    EXPECT_EQ(FindSqsAction(name), SqsAction::kShared) << name;
  }
  for (const char* name : {"AddPermission", "CancelMessageMoveTask", "CreateQueue", "DeleteQueue", "ListMessageMoveTasks", "ListQueueTags",
                           "ListQueues", "RemovePermission", "SetQueueAttributes", "StartMessageMoveTask", "TagQueue", "untagqueue"}) {
    EXPECT_EQ(FindSqsAction(name), SqsAction::kOwnerOnly) << name;
  }
  for (const char* name : {"", "*", "SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "Publish"}) {
    EXPECT_EQ(FindSqsAction(name), SqsAction::kUnknown) << name;
  }
}

}  // namespace
}  // namespace weir::policy
