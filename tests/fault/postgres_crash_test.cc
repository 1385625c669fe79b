// PostgreSQL goes away under load, in every way, while the queue service stays: what was acknowledged stays, requests are refused
// UNAVAILABLE within their deadlines, and the service recovers by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "tests/fault/load.h"
#include "tests/fault/test_cluster.h"
#include "tests/fault/verdict.h"
#include "tests/support/ledger.h"
#include "tests/support/pg_fixture.h"

namespace weir {
namespace {

constexpr absl::Duration kRecovery = absl::Seconds(30);

const std::vector<LoadQueue> kQueues = {
    {.name = "dead-letters"},
    {.name = "orders", .dead_letter_queue = "dead-letters", .max_receive_count = 2},
    {.name = "mails", .visibility_timeout = absl::Seconds(1)},
    {.name = "bills", .visibility_timeout = absl::Seconds(3)},
};

class PostgresCrashTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = TestCluster::Start({.folder = dir_.path()});
    ASSERT_TRUE(started.ok()) << started.status();
    cluster_ = *std::move(started);
  }

  TempDir dir_;
  std::unique_ptr<TestCluster> cluster_;
  Ledger ledger_;
};

TEST_F(PostgresCrashTest, NoPromiseIsBrokenAndTheServiceRecoversByItself) {
  const uint64_t seed = TestSeed();
  const int rounds = EnvironmentOr("WEIR_CRASH_ROUNDS", 6);
  std::mt19937_64 gen(seed);
  Load load({.queues = kQueues, .seed = seed}, cluster_->endpoint(0), ledger_);
  absl::Status status = load.CreateQueues(absl::Now() + kRecovery);
  ASSERT_TRUE(status.ok()) << status;
  load.Start();
  for (int round = 0; round < rounds; ++round) {
    status = cluster_->Run(absl::Milliseconds(absl::Uniform(gen, 50, 800)));
    ASSERT_TRUE(status.ok()) << status;
    const absl::Duration start = load.Now();
    const auto way = static_cast<TestCluster::PostgresEnd>(round % 3);
    status = cluster_->EndPostgres(way);
    ASSERT_TRUE(status.ok()) << status;
    status = cluster_->Run(absl::Milliseconds(absl::Uniform(gen, 0, 600)));
    ASSERT_TRUE(status.ok()) << status;
    status = cluster_->StartPostgresAgain();
    ASSERT_TRUE(status.ok()) << status;
    ledger_.Fault(ToString(way), {start, load.Now()});
    ASSERT_TRUE(load.AwaitProgress(20, kRecovery))
        << "No send succeeds after " << ToString(way) << "; " << cluster_->Outputs();
  }
  load.Stop();
  status = load.Drain(kRecovery);
  ASSERT_TRUE(status.ok()) << status;

  ExpectPromisesKept(ledger_, load, seed);
  const Ledger::Totals totals = ledger_.totals();
  EXPECT_GT(totals.acknowledged, 20 * rounds);
  EXPECT_GT(totals.surely_failed + totals.unknown_sends, 0);
  EXPECT_GT(totals.dead_lettered, 0);
  for (const auto& [name, count] : load.errors()) {
    // A late receipt is refused when its message is gone. All else is UNAVAILABLE, and before the deadline.
    EXPECT_TRUE(absl::StartsWith(name, "UNAVAILABLE ") || name == "NOT_FOUND MESSAGE_DOES_NOT_EXIST" ||
                name == "FAILED_PRECONDITION MESSAGE_NOT_INFLIGHT")
        << name << " came " << count << " times";
  }
  EXPECT_LT(load.slowest_error(), absl::Seconds(5));
}

TEST_F(PostgresCrashTest, WhileItIsAwayEveryCallIsRefusedUnavailableWithinItsDeadline) {
  Load load({.queues = {{.name = "orders"}}}, cluster_->endpoint(0), ledger_);
  ASSERT_TRUE(load.CreateQueues(absl::Now() + kRecovery).ok());
  const auto stub = queue::v1::QueueService::NewStub(cluster_->endpoint(0).channel());
  const auto call = [&](auto method, auto request, auto response) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(3)));
    return ErrorName(((*stub).*method)(&context, request, &response));
  };
  using Stub = queue::v1::QueueService::Stub;
  queue::v1::SendMessageRequest send;
  send.mutable_queue()->set_name("orders");
  send.mutable_message()->set_body("hello");
  queue::v1::ReceiveMessagesRequest receive;
  receive.mutable_queue()->set_name("orders");
  queue::v1::CreateQueueRequest create;
  create.mutable_queue()->set_name("another");

  ASSERT_TRUE(cluster_->EndPostgres(TestCluster::PostgresEnd::kFast).ok());
  // Each twice: the first call finds the connection broken, the next finds no connection.
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(call(&Stub::SendMessage, send, queue::v1::SendMessageResponse()),
                testing::StartsWith("UNAVAILABLE "));
    EXPECT_THAT(call(&Stub::ReceiveMessages, receive, queue::v1::ReceiveMessagesResponse()),
                testing::StartsWith("UNAVAILABLE "));
    EXPECT_THAT(call(&Stub::CreateQueue, create, queue::v1::CreateQueueResponse()),
                testing::StartsWith("UNAVAILABLE "));
  }
  ASSERT_TRUE(cluster_->StartPostgresAgain().ok());
  const absl::Time deadline = absl::Now() + kRecovery;
  std::string answer;
  do {
    answer = call(&Stub::SendMessage, send, queue::v1::SendMessageResponse());
  } while (absl::StartsWith(answer, "UNAVAILABLE") && absl::Now() < deadline);
  EXPECT_EQ(answer, "OK");
}

}  // namespace
}  // namespace weir
