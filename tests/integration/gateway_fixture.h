// A gateway in front of a queue service, both in this process, and a client that speaks either protocol.
//
//   TEST_P(GatewayTest, …) {
//     Must("CreateQueue", {{"QueueName", "orders"}});
//     EXPECT_EQ(Ask("SendMessage", {{"QueueUrl", "nope"}, {"MessageBody", "b"}}).code, "AWS.SimpleQueueService.NonExistentQueue");
//   }
//
// Parameters and answers are JSON whatever the protocol: for Query they are turned into a form, and back from XML, by the shapes of the
// operation.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "services/gateway/service.h"
#include "services/gateway/wire/service.h"
#include "tests/integration/queue_fixture.h"
#include "tests/support/http_client.h"
#include "tests/support/pg_fixture.h"

namespace weir::gateway {

using Json = nlohmann::json;

enum class ClientProtocol { kJson, kQuery };

struct AwsAnswer {
  int status = 0;
  std::string code;     // as the Query protocol has it; empty: no error
  std::string message;  // of an error
  Json output;
};

// One connection of a client with its credentials.
class AwsClient {
 public:
  AwsClient(const std::string& address, ClientProtocol protocol, std::string access_key = "test",
            std::string region = "us-east-1");

  AwsAnswer Call(const std::string& operation, const Json& input);
  // In two steps, to do something while the answer is awaited.
  void Begin(const std::string& operation, const Json& input);
  AwsAnswer End(const std::string& operation, absl::Duration limit = absl::Seconds(30));
  HttpConnection& connection() { return connection_; }

 private:
  const ClientProtocol protocol_;
  const std::string access_key_;
  const std::string region_;
  HttpConnection connection_;
};

class GatewayTest : public PgTest, public testing::WithParamInterface<ClientProtocol> {
 protected:
  void SetUp() override;
  void TearDown() override;

  std::unique_ptr<AwsClient> Client(const std::string& access_key = "test", const std::string& region = "us-east-1") {
    return std::make_unique<AwsClient>(gateway_->address(), GetParam(), access_key, region);
  }
  AwsAnswer Ask(const std::string& operation, const Json& input) { return client_->Call(operation, input); }
  // The output of a call that must succeed.
  Json Must(const std::string& operation, const Json& input);
  void CreateQueue(const std::string& name, const Json& attributes = Json::object());
  // One attribute of a queue.
  std::string Attribute(const std::string& queue, const std::string& name);
  // Waits until so many calls of an operation have ended, in whatever way.
  void AwaitFinished(const std::string& operation, int calls);
  static std::string Arn(const std::string& queue) { return "arn:aws:sqs:us-east-1:000000000000:" + queue; }

  // A gateway of the test's own configuration, which replaces the present one, and its client.
  void StartGateway(Config config);

  observe::Metrics metrics_;
  std::unique_ptr<queue::QueueServerUnderTest> queues_;
  std::unique_ptr<GatewayServer> gateway_;
  std::unique_ptr<AwsClient> client_;
};

}  // namespace weir::gateway
