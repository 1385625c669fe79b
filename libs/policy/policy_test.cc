#include "libs/policy/policy.h"

#include <gmock/gmock.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace weir::policy {
namespace {

using testing::HasSubstr;

constexpr char kOrders[] = "arn:aws:sqs:eu-west-1:999999999999:orders";

AccessRequest SendBy(const std::string& account) {
  return {.principal = Principal::Account(account), .action = "sqs:SendMessage", .resource = kOrders};
}

std::string Said(absl::string_view document) {
  const absl::StatusOr<Policy> policy = Policy::Parse(document);
  if (policy.ok()) return "";
  EXPECT_EQ(ReasonOf(policy.status()), ErrorReason::kInvalidAttributeValue);
  return std::string(policy.status().message());
}

std::string Show(Decision decision) {
  return decision == Decision::kAllowed ? "allowed" : decision == Decision::kDenied ? "denied" : "not allowed";
}

std::string Decided(absl::string_view document, const AccessRequest& request) {
  const absl::StatusOr<Policy> policy = Policy::Parse(document);
  EXPECT_TRUE(policy.ok()) << policy.status() << "\n" << document;
  return policy.ok() ? Show(policy->Decide(request)) : "";
}

// A policy of one statement that allows 111122223333, with other or more elements: R"("Action": "sqs:*")".
std::string Allowing(const std::string& elements) {
  return absl::StrCat(R"({"Version": "2012-10-17", "Statement": {"Effect": "Allow", )", elements, "}}");
}

TEST(PolicyTest, OneStatement) {
  const std::string ann = R"("Principal": {"AWS": "111122223333"}, )";
  const std::string send = R"("Action": "sqs:SendMessage", )";
  const std::string orders = R"("Resource": "arn:aws:sqs:eu-west-1:999999999999:orders")";
  const struct {
    std::string elements;
    std::string decision;
  } cases[] = {
      {ann + send + orders, "allowed"},
      {R"("Principal": "*", )" + send + orders, "allowed"},
      {R"("Principal": {"AWS": "444455556666"}, )" + send + orders, "not allowed"},
      {R"("NotPrincipal": {"AWS": "444455556666"}, )" + send + orders, "allowed"},
      {R"("NotPrincipal": {"AWS": "111122223333"}, )" + send + orders, "not allowed"},

      {ann + R"("Action": "SQS:sendmessage", )" + orders, "allowed"},
      {ann + R"("Action": "sqs:Send*", )" + orders, "allowed"},
      {ann + R"("Action": "sqs:?endMessage", )" + orders, "allowed"},
      {ann + R"("Action": "*", )" + orders, "allowed"},
      {ann + R"("Action": ["sqs:ReceiveMessage", "sqs:SendMessage"], )" + orders, "allowed"},
      {ann + R"("Action": "sqs:ReceiveMessage", )" + orders, "not allowed"},
      {ann + R"("Action": "sqs:Send", )" + orders, "not allowed"},
      {ann + R"("Action": "sns:*", )" + orders, "not allowed"},
      {ann + R"("NotAction": "sqs:ReceiveMessage", )" + orders, "allowed"},
      {ann + R"("NotAction": ["sqs:Send*", "sqs:ReceiveMessage"], )" + orders, "not allowed"},

      {ann + send + R"("Resource": "*")", "allowed"},
      {ann + send + R"("Resource": "arn:aws:sqs:*:999999999999:ord*")", "allowed"},
      {ann + send + R"("Resource": ["arn:aws:sqs:eu-west-1:999999999999:bills", "arn:aws:sqs:*"])", "allowed"},
      {ann + send + R"("Resource": "arn:aws:sqs:eu-west-1:999999999999:Orders")", "not allowed"},
      {ann + send + R"("Resource": "arn:aws:sqs:eu-west-1:999999999999:orders.fifo")", "not allowed"},
      {ann + send + R"("NotResource": "arn:aws:sqs:eu-west-1:999999999999:bills")", "allowed"},
      {ann + send + R"("NotResource": "*")", "not allowed"},
      {ann + send + R"("Resource": "arn:aws:sqs:*:*:${aws:UserAgent}")", "allowed"},
      {ann + send + R"("Resource": "arn:aws:sqs:*:*:${aws:username}")", "not allowed"},
      {ann + send + R"("NotResource": "arn:aws:sqs:*:*:${aws:username}")", "not allowed"},

      {ann + send + orders + R"(, "Condition": {})", "allowed"},
      {ann + send + orders + R"(, "Condition": {"StringEquals": {"aws:UserAgent": "orders"}})", "allowed"},
      {ann + send + orders + R"(, "Condition": {"StringEquals": {"aws:UserAgent": "bills"}})", "not allowed"},
      {ann + send + orders +
           R"(, "Condition": {"StringEquals": {"aws:UserAgent": "orders"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})",
       "allowed"},
      {ann + send + orders +
           R"(, "Condition": {"StringEquals": {"aws:UserAgent": "orders"}, "IpAddress": {"aws:SourceIp": "11.0.0.0/8"}})",
       "not allowed"},
      {ann + send + orders + R"(, "Condition": {"StringEquals": {"aws:UserAgent": "orders", "aws:SourceAccount": "1"}})",
       "not allowed"},
      {ann + send + orders + R"(, "Condition": {"StringEquals": {"AWS:principalACCOUNT": "111122223333"}})", "allowed"},
      {ann + send + orders + R"(, "Condition": {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:root"}})", "allowed"},
      {ann + send + orders + R"(, "Condition": {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}})", "not allowed"},
      {ann + send + orders + R"(, "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-02-01"}})", "allowed"},
      {ann + send + orders + R"(, "Condition": {"DateGreaterThan": {"aws:EpochTime": "2026-02-01"}})", "not allowed"},
      {ann + send + orders + R"(, "Condition": {"NumericLessThan": {"aws:EpochTime": "1769860801"}})", "allowed"},
  };
  AccessRequest request = SendBy("111122223333");
  request.context.Set("aws:SourceIp", "10.0.0.1");
  request.context.Set("aws:UserAgent", "orders");
  request.context.SetTime(absl::FromUnixSeconds(1769860800));
  for (const auto& each : cases) EXPECT_EQ(Decided(Allowing(each.elements), request), each.decision) << each.elements;
}

TEST(PolicyTest, ADenyWinsOverEveryAllow) {
  const std::string allow = R"({"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"})";
  const std::string deny = R"({"Effect": "Deny", "Principal": {"AWS": "111122223333"}, "Action": "sqs:Send*", "Resource": "*"})";
  for (const std::string& statements : {allow + "," + deny, deny + "," + allow, deny}) {
    EXPECT_EQ(Decided("{\"Statement\": [" + statements + "]}", SendBy("111122223333")), "denied") << statements;
  }
  EXPECT_EQ(Decided("{\"Statement\": [" + allow + "," + deny + "]}", SendBy("444455556666")), "allowed");
  EXPECT_EQ(Decided("{\"Statement\": [" + deny + "]}", SendBy("444455556666")), "not allowed");
}

TEST(PolicyTest, AServiceThatActsForATopic) {
  const std::string policy = Allowing(R"("Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*",
                                         "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:*:999999999999:news"},
                                                       "StringEquals": {"aws:SourceAccount": "999999999999"}})");
  AccessRequest request = SendBy("");
  request.principal = Principal::Service("sns.amazonaws.com");
  EXPECT_EQ(Decided(policy, request), "not allowed");
  request.context.Set("aws:SourceArn", "arn:aws:sns:eu-west-1:999999999999:news");
  request.context.Set("aws:SourceAccount", "999999999999");
  EXPECT_EQ(Decided(policy, request), "allowed");
  request.principal = Principal::Account("999999999999");
  EXPECT_EQ(Decided(policy, request), "not allowed");
}

TEST(PolicyTest, WhatTheCallerSaysOfItselfIsNotBelieved) {
  AccessRequest request = SendBy("111122223333");
  request.context.Set("aws:PrincipalAccount", "999999999999");
  const std::string policy = Allowing(R"("Principal": "*", "Action": "*", "Resource": "*",
                                         "Condition": {"StringEquals": {"aws:PrincipalAccount": "999999999999"}})");
  EXPECT_EQ(Decided(policy, request), "not allowed");
  request.principal = Principal::Anonymous();
  EXPECT_EQ(Decided(policy, request), "not allowed");
}

TEST(PolicyTest, VariablesCameWithVersion2012) {
  const std::string statement = R"({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "arn:aws:sqs:*:*:${aws:UserAgent}"})";
  AccessRequest request = SendBy("111122223333");
  request.context.Set("aws:UserAgent", "orders");
  EXPECT_EQ(Decided("{\"Version\": \"2012-10-17\", \"Statement\": " + statement + "}", request), "allowed");
  EXPECT_EQ(Decided("{\"Version\": \"2008-10-17\", \"Statement\": " + statement + "}", request), "not allowed");
  EXPECT_EQ(Decided("{\"Statement\": " + statement + "}", request), "not allowed");
}

TEST(PolicyTest, WhatIsWrongIsSaid) {
  const std::string ok = R"("Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*")";
  const struct {
    std::string document;
    const char* said;
  } cases[] = {
      {"", "The policy is not JSON"},
      {"{", "The policy is not JSON"},
      {"{} {}", "The policy is not JSON"},
      {"{\"Id\": \"\xff\"}", "The policy is not JSON"},
      {"{\"Statement\": 1e999}", "The policy has a number that is too large"},
      {"[]", "The policy must be an object"},
      {"null", "The policy must be an object"},
      {"{}", "Statement must be an object, or an array with at least one"},
      {R"({"Statement": []})", "Statement must be an object, or an array with at least one"},
      {R"({"Statement": "*"})", "Statement must be an object, or an array with at least one"},
      {R"({"Statements": []})", R"(The policy has the element "Statements"; allowed are Version, Id and Statement)"},
      {R"({"Version": "2012-10-18", "Statement": {)" + ok + "}}", R"(Version must be "2008-10-17" or "2012-10-17")"},
      {R"({"Version": 2012, "Statement": {)" + ok + "}}", "Version must be"},
      {R"({"Id": 1, "Statement": {)" + ok + "}}", "Id must be a string"},
      {R"({"Statement": [{)" + ok + "}, 1]}", "Statement[1] must be an object"},
      {R"({"Statement": {"Efect": "Allow", )" + ok + "}}", R"(Statement has the element "Efect"; allowed are Sid, Effect,)"},
      {R"({"Statement": {"Effect": "Deny", )" + ok + "}}", R"(The policy has the member "Effect" twice)"},
      {R"({"Statement": {"Sid": 1, )" + ok + "}}", "Statement.Sid must be a string"},
      {R"({"Statement": [{"Sid": "a", )" + ok + R"(}, {"Sid": "a", )" + ok + "}]}", R"(Statement[1].Sid is "a", as is that of another)"},
      {R"({"Statement": {"Effect": "allow", "Principal": "*", "Action": "*", "Resource": "*"}})", R"(Statement.Effect must be "Allow")"},
      {R"({"Statement": {"Principal": "*", "Action": "*", "Resource": "*"}})", "Statement.Effect must be"},
      {R"({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})", "has neither Principal nor NotPrincipal"},
      {R"({"Statement": {"NotPrincipal": "*", )" + ok + "}}", "has both Principal and NotPrincipal"},
      {R"({"Statement": {"Effect": "Allow", "Principal": "*", "Resource": "*"}})", "has neither Action nor NotAction"},
      {R"({"Statement": {"NotAction": "*", )" + ok + "}}", "has both Action and NotAction"},
      {R"({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}})", "has neither Resource nor NotResource"},
      {R"({"Statement": {"NotResource": "*", )" + ok + "}}", "has both Resource and NotResource"},
      {Allowing(R"("Principal": "me", "Action": "*", "Resource": "*")"), "Statement.Principal must be"},
      {Allowing(R"("Principal": "*", "Action": "SendMessage", "Resource": "*")"), R"(Statement.Action has the action "SendMessage")"},
      {Allowing(R"("Principal": "*", "Action": "sqs:", "Resource": "*")"), "Statement.Action has the action"},
      {Allowing(R"("Principal": "*", "Action": ":SendMessage", "Resource": "*")"), "Statement.Action has the action"},
      {Allowing(R"("Principal": "*", "Action": "s*:SendMessage", "Resource": "*")"), "Statement.Action has the action"},
      {Allowing(R"("Principal": "*", "Action": "sqs:Send Message", "Resource": "*")"), "Statement.Action has the action"},
      {Allowing(R"("Principal": "*", "NotAction": "sqs:${aws:x}", "Resource": "*")"), "Statement.NotAction has the action"},
      {Allowing(R"("Principal": "*", "Action": [], "Resource": "*")"), "Statement.Action must be a string, or an array"},
      {Allowing(R"("Principal": "*", "Action": ["*", 1], "Resource": "*")"), "Statement.Action[1] must be a string"},
      {Allowing(R"("Principal": "*", "Action": "*", "Resource": "")"), "Statement.Resource has an empty text"},
      {Allowing(R"("Principal": "*", "Action": "*", "NotResource": "${x")"), "Statement.NotResource has a variable without an end"},
      {Allowing(R"("Principal": "*", "Action": "*", "Resource": "*", "Condition": [])"), "Statement.Condition must be an object"},
      {Allowing(R"("Principal": "*", "Action": "*", "Resource": "*", "Condition": {"Bool": "true"})"),
       "Statement.Condition.Bool must be an object of context keys"},
      {Allowing(R"("Principal": "*", "Action": "*", "Resource": "*", "Condition": {"Bool": {}})"),
       "Statement.Condition.Bool must be an object of context keys"},
      {Allowing(R"("Principal": "*", "Action": "*", "Resource": "*", "Condition": {"Is": {"aws:x": "y"}})"),
       R"(Statement.Condition has the operator "Is")"},
      {Allowing(R"("Principal": "*", "Action": "*", "Resource": "*", "Condition": {"Bool": {"x": "true"}})"),
       R"(Statement.Condition has the key "x")"},
  };
  for (const auto& each : cases) EXPECT_THAT(Said(each.document), HasSubstr(each.said)) << each.document;
}

TEST(PolicyTest, WhatIsLongIsCutWhereItIsShown) {
  std::string name = "a";
  for (int i = 0; i < 100; ++i) name += "é";
  const std::string said = Said("{\"" + name + "\": 1}");
  EXPECT_LT(said.size(), 200);
  EXPECT_THAT(said, HasSubstr("é…\""));
}

TEST(PolicyTest, DeepJsonIsNoTrouble) {
  const std::string deep(100'000, '[');
  EXPECT_THAT(Said(deep), HasSubstr("not JSON"));
  EXPECT_THAT(Said(deep + std::string(100'000, ']')), HasSubstr("must be an object"));
}

}  // namespace
}  // namespace weir::policy
