#include "services/gateway/front/interpret.h"

#include <gtest/gtest.h>

namespace weir::gateway::front {
namespace {

constexpr wire::Shape kNothing = {.kind = wire::Kind::kStructure};
constexpr wire::Operation kShow = {"Show", &kNothing, nullptr};

class FakeService final : public wire::Service {
 public:
  const wire::ServiceNames& names() const override { return names_; }
  const wire::Operation* Find(absl::string_view) const override { return &kShow; }
  void AddFromPath(const wire::CallContext&, const wire::Operation&, wire::Value&) const override {}
  Cancel Start(const wire::Operation&, const wire::CallContext&, wire::Value, Done) override { return [] {}; }
  void Drain() override {}

 private:
  const wire::ServiceNames names_ = {"sqs", "AmazonSQS", "com.amazonaws.sqs", "urn:queues"};
};

wire::CallContext ContextOf(const http::Request& request, const std::string& base_url) {
  FakeService service;
  return Interpret(request, {.base_url = base_url}, {&service}, absl::UnixEpoch()).context;
}

TEST(InterpretTest, WhatPoliciesMayAskFor) {
  const http::Request request = {.method = "POST",
                                 .target = "/",
                                 .headers = {{"Host", "localhost:4566"}, {"user-agent", "Boto3/1.26"}},
                                 .body = "Action=Show",
                                 .remote_address = "203.0.113.7"};
  const wire::CallContext context = ContextOf(request, "");
  EXPECT_EQ(context.source_ip, "203.0.113.7");
  EXPECT_EQ(context.user_agent, "Boto3/1.26");
  EXPECT_FALSE(context.secure);
  EXPECT_FALSE(context.verified);
}

TEST(InterpretTest, ClientsComeByTlsWhereTheBaseUrlSaysSo) {
  const http::Request request = {.method = "POST", .target = "/", .headers = {{"Host", "https://x"}}, .body = "Action=Show"};
  EXPECT_FALSE(ContextOf(request, "").secure) << "a Host is the client's to choose";
  EXPECT_FALSE(ContextOf(request, "http://queues.example").secure);
  EXPECT_TRUE(ContextOf(request, "https://queues.example").secure);
  EXPECT_EQ(ContextOf(request, "").user_agent, "");
}

}  // namespace
}  // namespace weir::gateway::front
