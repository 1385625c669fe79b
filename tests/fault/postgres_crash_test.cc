// PostgreSQL goes away under load, in every way, while the queue service stays: what was acknowledged stays, requests are refused
// UNAVAILABLE within their deadlines, and the service recovers by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <random>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "libs/pg/child_process.h"
#include "libs/pg/private_postgres.h"
#include "tests/fault/load.h"
#include "tests/fault/queue_process.h"
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
    auto started = pg::PrivatePostgres::Start(
        // Else a start after a crash first syncs every file of the cluster, which takes seconds.
        {.data_dir = dir_.path() + "/pg", .settings = {{"recovery_init_sync_method", "syncfs"}}});
    ASSERT_TRUE(started.ok()) << started.status();
    postgres_ = *std::move(started);
    queue_ = std::make_unique<QueueProcess>(QueueProcess::Options{
        .database_url = postgres_->dsn(), .output_path = dir_.path() + "/weir-queue.log"});
    ASSERT_TRUE(queue_->Launch().ok());
    const absl::Status ready = queue_->AwaitReady();
    ASSERT_TRUE(ready.ok()) << ready;
    endpoint_.Set(queue_->address());
  }

  // Ends PostgreSQL in one of its ways.
  std::string End(int way) {
    switch (way) {
      case 0:
        postgres_->KillHard();
        return "kill -9 of PostgreSQL";
      case 1:  // immediate shutdown: every backend ends at once
        kill(postgres_->pid(), SIGQUIT);
        EXPECT_TRUE(pg::AwaitExit(postgres_->pid(), absl::Seconds(20)));
        postgres_->KillHard();
        return "immediate shutdown of PostgreSQL";
      default:
        EXPECT_TRUE(postgres_->Stop().ok());
        return "fast shutdown of PostgreSQL";
    }
  }

  void StartAgain() {
    // After kill -9 its backends may live on for a moment, and PostgreSQL does not start beside them.
    absl::Status started;
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    do {
      started = postgres_->StartAgain();
    } while (!started.ok() && absl::Now() < deadline);
    ASSERT_TRUE(started.ok()) << started;
  }

  TempDir dir_;
  std::unique_ptr<pg::PrivatePostgres> postgres_;
  std::unique_ptr<QueueProcess> queue_;
  Endpoint endpoint_;
  Ledger ledger_;
};

TEST_F(PostgresCrashTest, NoPromiseIsBrokenAndTheServiceRecoversByItself) {
  const uint64_t seed = TestSeed();
  const int rounds = EnvironmentOr("WEIR_CRASH_ROUNDS", 6);
  std::mt19937_64 gen(seed);
  Load load({.queues = kQueues, .seed = seed}, endpoint_, ledger_);
  const absl::Status created = load.CreateQueues(absl::Now() + kRecovery);
  ASSERT_TRUE(created.ok()) << created;
  load.Start();
  for (int round = 0; round < rounds; ++round) {
    const absl::Duration busy = absl::Milliseconds(absl::Uniform(gen, 50, 800));
    ASSERT_FALSE(queue_->program().AwaitExit(busy)) << queue_->Output();
    const absl::Duration start = load.Now();
    const std::string way = End(round % 3);
    const absl::Duration away = absl::Milliseconds(absl::Uniform(gen, 0, 600));
    ASSERT_FALSE(queue_->program().AwaitExit(away)) << queue_->Output();
    StartAgain();
    ledger_.Fault(way, {start, load.Now()});
    ASSERT_TRUE(load.AwaitProgress(20, kRecovery))
        << "No send succeeds after " << way << "; weir-queue wrote:\n" << queue_->Output();
  }
  load.Stop();
  const absl::Status drained = load.Drain(kRecovery);
  ASSERT_TRUE(drained.ok()) << drained;

  const auto violations = ledger_.Check();
  EXPECT_TRUE(violations.empty()) << Describe(violations);
  const Ledger::Totals totals = ledger_.totals();
  std::printf("%d rounds: %s\n", rounds, Describe(totals).c_str());
  EXPECT_GT(totals.acknowledged, 20 * rounds);
  EXPECT_GT(totals.surely_failed + totals.unknown_sends, 0);
  EXPECT_GT(totals.dead_lettered, 0);
  for (const auto& [name, count] : load.errors()) {
    std::printf("  %s: %ld\n", name.c_str(), count);
    // A late receipt is refused when its message is gone. All else is UNAVAILABLE, and before the deadline.
    EXPECT_TRUE(absl::StartsWith(name, "UNAVAILABLE ") || name == "NOT_FOUND MESSAGE_DOES_NOT_EXIST" ||
                name == "FAILED_PRECONDITION MESSAGE_NOT_INFLIGHT")
        << name << " came " << count << " times";
  }
  EXPECT_LT(load.slowest_error(), absl::Seconds(5));
}

TEST_F(PostgresCrashTest, WhileItIsAwayEveryCallIsRefusedUnavailableWithinItsDeadline) {
  Load load({.queues = {{.name = "orders"}}}, endpoint_, ledger_);
  ASSERT_TRUE(load.CreateQueues(absl::Now() + kRecovery).ok());
  const auto stub = queue::v1::QueueService::NewStub(endpoint_.channel());
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

  ASSERT_TRUE(postgres_->Stop().ok());
  // Each twice: the first call finds the connection broken, the next finds no connection.
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(call(&Stub::SendMessage, send, queue::v1::SendMessageResponse()),
                testing::StartsWith("UNAVAILABLE "));
    EXPECT_THAT(call(&Stub::ReceiveMessages, receive, queue::v1::ReceiveMessagesResponse()),
                testing::StartsWith("UNAVAILABLE "));
    EXPECT_THAT(call(&Stub::CreateQueue, create, queue::v1::CreateQueueResponse()),
                testing::StartsWith("UNAVAILABLE "));
  }
  StartAgain();
  const absl::Time deadline = absl::Now() + kRecovery;
  std::string answer;
  do {
    answer = call(&Stub::SendMessage, send, queue::v1::SendMessageResponse());
  } while (absl::StartsWith(answer, "UNAVAILABLE") && absl::Now() < deadline);
  EXPECT_EQ(answer, "OK");
}

}  // namespace
}  // namespace weir
