// A replica is stopped for longer than its lease (a long pause of the machine, a cut network), another takes its shards, and then the
// first wakes up in the middle of what it was doing. The epoch locks it out: nothing that it still believes reaches the store.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <random>

#include "absl/random/random.h"
#include "libs/pg/private_postgres.h"
#include "tests/fault/load.h"
#include "tests/fault/queue_process.h"
#include "tests/support/ledger.h"
#include "tests/support/pg_fixture.h"

namespace weir {
namespace {

constexpr int kLeaseSeconds = 2;
constexpr absl::Duration kTakeOver = absl::Seconds(40);

const std::vector<LoadQueue> kQueues = {
    {.name = "dead-letters"},
    {.name = "orders", .dead_letter_queue = "dead-letters", .max_receive_count = 2},
    {.name = "mails", .visibility_timeout = absl::Seconds(1)},
    {.name = "bills", .visibility_timeout = absl::Seconds(3)},
};

TEST(ZombieTest, AReplicaThatWakesAfterItsShardsWereTakenWritesNothing) {
  const uint64_t seed = TestSeed();
  const int rounds = EnvironmentOr("WEIR_CRASH_ROUNDS", 2);
  std::mt19937_64 gen(seed);
  TempDir dir;
  auto postgres = pg::PrivatePostgres::Start({.data_dir = dir.path() + "/pg"});
  ASSERT_TRUE(postgres.ok()) << postgres.status();

  const auto options = [&](const std::string& name) {
    return QueueProcess::Options{.database_url = (*postgres)->dsn(),
                                 .replica = name,
                                 .lease_seconds = kLeaseSeconds,
                                 .output_path = absl::StrCat(dir.path(), "/", name, ".log")};
  };
  auto owner = std::make_unique<QueueProcess>(options("replica-0"));
  ASSERT_TRUE(owner->Launch().ok());
  absl::Status status = owner->AwaitReady();
  ASSERT_TRUE(status.ok()) << status;

  // The clients of `current` move to the new owner; those of `left_behind` keep talking to the replica that was stopped.
  Endpoint current;
  Endpoint left_behind;
  current.Set(owner->address());
  left_behind.Set(owner->address());
  Ledger ledger;
  Load load({.queues = kQueues, .seed = seed, .call_timeout = absl::Seconds(6)}, current, ledger);
  status = load.CreateQueues(absl::Now() + kTakeOver);
  ASSERT_TRUE(status.ok()) << status;
  load.Start();
  load.StartMore(left_behind, 2, 2);

  for (int round = 1; round <= rounds; ++round) {
    ASSERT_TRUE(load.AwaitProgress(50, kTakeOver)) << owner->Output();
    const absl::Duration busy = absl::Milliseconds(absl::Uniform(gen, 100, 600));
    ASSERT_FALSE(owner->program().AwaitExit(busy)) << owner->Output();
    const absl::Duration start = load.Now();
    owner->program().Signal(SIGSTOP);
    auto next = std::make_unique<QueueProcess>(options(absl::StrCat("replica-", round)));
    ASSERT_TRUE(next->Launch().ok());
    status = next->AwaitReady(kTakeOver);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_GE(load.Now() - start, absl::Seconds(kLeaseSeconds) / 2)
        << "The shards of a replica were taken while its lease ran.";
    current.Set(next->address());
    ASSERT_TRUE(load.AwaitProgress(20, kTakeOver)) << next->Output();
    owner->program().Signal(SIGCONT);
    ledger.Fault("the owner was stopped, another took over, the owner woke up", {start, load.Now()});
    ASSERT_TRUE(load.AwaitProgress(200, kTakeOver)) << next->Output();
    ASSERT_FALSE(owner->program().AwaitExit(absl::Milliseconds(300))) << owner->Output();
    owner->program().KillHard();
    owner = std::move(next);
    left_behind.Set(owner->address());
  }
  load.Stop();
  status = load.Drain(absl::Seconds(30));
  ASSERT_TRUE(status.ok()) << status;

  const auto violations = ledger.Check();
  EXPECT_TRUE(violations.empty()) << Describe(violations);
  const Ledger::Totals totals = ledger.totals();
  std::printf("%d rounds: %s\n", rounds, Describe(totals).c_str());
  for (const auto& [name, count] : load.errors()) std::printf("  %s: %ld\n", name.c_str(), count);
  EXPECT_GT(load.errors().count("UNAVAILABLE SHARD_NOT_OWNED") +
                load.errors().count("UNAVAILABLE SHARD_RECOVERING"),
            0)
      << "No request met the woken replica.";
}

}  // namespace
}  // namespace weir
