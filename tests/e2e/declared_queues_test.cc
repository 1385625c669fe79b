// Queues that are declared in a file: `weir up --queues` and `weir-gateway --queues`, as somebody uses them who starts a program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "tests/fault/weir_up.h"
#include "tests/support/http_client.h"
#include "tests/support/pg_fixture.h"
#include "tests/support/program.h"

namespace weir {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class DeclaredQueuesTest : public testing::Test {
 protected:
  std::string WriteFile(const std::string& text) {
    const std::string path = dir_.path() + "/queues.json";
    std::ofstream(path) << text;
    return path;
  }

  // What `address` answers to an operation of SQS.
  static json Ask(const std::string& address, const std::string& operation, const json& input) {
    const HttpAnswer answer = HttpConnection(address).Post(
        "/", {{"X-Amz-Target", "AmazonSQS." + operation}, {"Content-Type", "application/x-amz-json-1.0"}}, input.dump());
    EXPECT_EQ(answer.status, 200) << operation << ": " << answer.body;
    return json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  }
  static json AttributesOf(const std::string& address, const std::string& queue) {
    return Ask(address, "GetQueueAttributes", {{"QueueUrl", queue}, {"AttributeNames", {"All"}}})["Attributes"];
  }
  static HttpAnswer Health(const std::string& address) { return HttpConnection(address).Get("/_weir/health"); }
  std::string GatewayOf(const WeirUp& up) { return std::string(absl::StripPrefix(up.endpoint("gateway"), "http://")); }

  TempDir dir_;
};

TEST_F(DeclaredQueuesTest, TheyAreThereWhenItIsReadyAndAsTheFileSaysAfterARestart) {
  const std::string path = WriteFile(R"({"queues": [
    {"name": "orders", "attributes": {"VisibilityTimeout": 60}, "deadLetterQueue": {"name": "orders-failed", "maxReceiveCount": 5},
     "tags": {"team": "shop"}},
    {"name": "orders-failed"}, {"name": "steps.fifo"}]})");
  WeirUp up(dir_.path());
  ASSERT_TRUE(up.Launch({"--queues", path}).ok());
  ASSERT_TRUE(up.AwaitReady().ok()) << up.Output();
  std::string gateway = GatewayOf(up);
  EXPECT_EQ(Health(gateway).status, 200);
  EXPECT_EQ(AttributesOf(gateway, "orders")["VisibilityTimeout"], "60");
  EXPECT_THAT(AttributesOf(gateway, "orders")["RedrivePolicy"].get<std::string>(), HasSubstr(":orders-failed\""));
  EXPECT_EQ(AttributesOf(gateway, "steps.fifo")["FifoQueue"], "true");
  EXPECT_EQ(Ask(gateway, "ListQueueTags", {{"QueueUrl", "orders"}})["Tags"], (json{{"team", "shop"}}));
  Ask(gateway, "CreateQueue", {{"QueueName", "by-hand"}});
  Ask(gateway, "SendMessage", {{"QueueUrl", "orders"}, {"MessageBody", "Order123"}});
  ASSERT_TRUE(up.Interrupt()) << up.Output();

  WriteFile(R"({"queues": [{"name": "orders", "attributes": {"VisibilityTimeout": 90, "DelaySeconds": 1}}, {"name": "new"}]})");
  ASSERT_TRUE(up.Launch({"--queues", path}).ok());
  ASSERT_TRUE(up.AwaitReady().ok()) << up.Output();
  gateway = GatewayOf(up);
  const json orders = AttributesOf(gateway, "orders");
  EXPECT_EQ(orders["VisibilityTimeout"], "90");
  EXPECT_EQ(orders["DelaySeconds"], "1");
  EXPECT_EQ(orders["ApproximateNumberOfMessages"], "1");
  EXPECT_TRUE(orders.contains("RedrivePolicy"));
  EXPECT_EQ(Ask(gateway, "ListQueues", json::object())["QueueUrls"].size(), 5u);
  EXPECT_TRUE(up.Interrupt()) << up.Output();
}

TEST_F(DeclaredQueuesTest, WithABadFileNothingStarts) {
  const std::string path = WriteFile(R"({"queues": [{"name": "orders", "attributes": {"VisibilityTimeout": "soon"}}]})");
  const std::string error =
      path + ": queue 1, \"orders\": attribute VisibilityTimeout: it is \"soon\", and must be a whole number between 0 and 43200";
  WeirUp up(dir_.path());
  ASSERT_TRUE(up.Launch({"--queues", path}).ok());
  EXPECT_FALSE(up.AwaitReady().ok());
  EXPECT_THAT(up.Output(), HasSubstr(error));

  const std::string output = dir_.path() + "/gateway.log";
  auto gateway = Program::Start({.argv = {WEIR_BIN_DIR "/weir-gateway", "--listen", "127.0.0.1:0", "--queue-endpoint", "127.0.0.1:1",
                                          "--metrics-listen", "127.0.0.1:0", "--auth", "off", "--queues", path},
                                 .output_path = output});
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  EXPECT_TRUE((*gateway)->AwaitExit(absl::Seconds(30)));
  EXPECT_THAT(TailOf(output), HasSubstr(error));
}

TEST_F(DeclaredQueuesTest, AGatewayAloneWaitsForTheQueueService) {
  const std::string path = WriteFile(R"({"queues": [{"name": "orders"}]})");
  const std::string output = dir_.path() + "/gateway.log";
  const std::string address = absl::StrCat("127.0.0.1:", FreePort());
  const std::string queue_port = absl::StrCat(FreePort());
  auto gateway = Program::Start({.argv = {WEIR_BIN_DIR "/weir-gateway", "--listen", address, "--queue-endpoint",
                                          absl::StrCat("127.0.0.1:", queue_port), "--metrics-listen", "127.0.0.1:0", "--auth", "off",
                                          "--queues", path},
                                 .output_path = output});
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  // The wait for its end is the pause between two looks.
  const auto await = [&](const auto& condition) {
    while (!condition() && absl::Now() < deadline && !(*gateway)->AwaitExit(absl::Milliseconds(20))) {
    }
    return condition();
  };
  ASSERT_TRUE(await([&] { return absl::StrContains(TailOf(output), "gateway ready"); })) << TailOf(output);
  EXPECT_EQ(Health(address).status, 503);
  EXPECT_THAT(Health(address).body, HasSubstr("\"status\":\"starting\""));

  WeirUp up(dir_.path());
  ASSERT_TRUE(up.Launch({"--queue-port", queue_port}).ok());
  ASSERT_TRUE(up.AwaitReady().ok()) << up.Output();
  EXPECT_TRUE(await([&] { return Health(address).status == 200; })) << TailOf(output);
  EXPECT_THAT(Ask(address, "GetQueueUrl", {{"QueueName", "orders"}})["QueueUrl"].get<std::string>(), HasSubstr("/orders"));
  EXPECT_THAT(TailOf(output), HasSubstr("a queue of the file was created"));
  (*gateway)->Signal(SIGTERM);
  EXPECT_TRUE((*gateway)->AwaitExit(absl::Seconds(30)));
  EXPECT_TRUE(up.Interrupt()) << up.Output();
}

TEST_F(DeclaredQueuesTest, AGatewayWhoseQueuesAreRefusedEnds) {
  const std::string path = WriteFile(
      R"({"queues": [{"name": "orders", "attributes": {"RedrivePolicy":
          {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:missing", "maxReceiveCount": 3}}}]})");
  WeirUp up(dir_.path());
  ASSERT_TRUE(up.Launch().ok());
  ASSERT_TRUE(up.AwaitReady().ok()) << up.Output();
  const std::string output = dir_.path() + "/gateway.log";
  auto gateway = Program::Start({.argv = {WEIR_BIN_DIR "/weir-gateway", "--listen", "127.0.0.1:0", "--queue-endpoint",
                                          up.endpoint("queue"), "--metrics-listen", "127.0.0.1:0", "--auth", "off", "--queues", path},
                                 .output_path = output});
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  EXPECT_TRUE((*gateway)->AwaitExit(absl::Seconds(30)));
  EXPECT_THAT(TailOf(output), HasSubstr("cannot be what the file says: "));
  EXPECT_THAT(TailOf(output), HasSubstr("Dead letter target does not exist."));
  EXPECT_TRUE(up.Interrupt()) << up.Output();
}

}  // namespace
}  // namespace weir
