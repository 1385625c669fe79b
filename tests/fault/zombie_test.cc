// A replica is stopped for longer than its lease (a long pause of the machine, a cut network), another takes its shards, and then the
// first wakes up in the middle of what it was doing. The epoch locks it out: nothing that it still believes reaches the store. Its clients
// are passed on to the new owner.
#include <gtest/gtest.h>

#include <random>

#include "absl/random/random.h"
#include "tests/fault/load.h"
#include "tests/fault/test_cluster.h"
#include "tests/fault/verdict.h"
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
  auto started = TestCluster::Start({.folder = dir.path(), .lease_seconds = kLeaseSeconds});
  ASSERT_TRUE(started.ok()) << started.status();
  TestCluster& cluster = **started;

  // The clients of `current` move to the new owner; those of `left_behind` keep talking to the replica that was stopped.
  int owner = 0;
  Endpoint current;
  Endpoint left_behind;
  current.Set(cluster.address(owner));
  left_behind.Set(cluster.address(owner));
  Ledger ledger;
  Load load({.queues = kQueues, .seed = seed, .call_timeout = absl::Seconds(6)}, current, ledger);
  absl::Status status = load.CreateQueues(absl::Now() + kTakeOver);
  ASSERT_TRUE(status.ok()) << status;
  load.Start();
  load.StartMore(left_behind, 2, 2);

  for (int round = 1; round <= rounds; ++round) {
    ASSERT_TRUE(load.AwaitProgress(50, kTakeOver)) << cluster.Outputs();
    status = cluster.Run(absl::Milliseconds(absl::Uniform(gen, 100, 600)));
    ASSERT_TRUE(status.ok()) << status;
    const absl::Duration start = load.Now();
    cluster.Pause(owner);
    const auto next = cluster.AddReplica();
    ASSERT_TRUE(next.ok()) << next.status();
    current.Set(cluster.address(*next));
    ASSERT_TRUE(load.AwaitProgress(20, kTakeOver)) << cluster.Outputs();
    EXPECT_GE(load.Now() - start, absl::Seconds(kLeaseSeconds) / 2)
        << "The shards of a replica were taken while its lease ran.";
    cluster.Resume(owner);
    ledger.Fault("the owner was stopped, another took over, the owner woke up", {start, load.Now()});
    ASSERT_TRUE(load.AwaitProgress(200, kTakeOver)) << cluster.Outputs();
    status = cluster.Run(absl::Milliseconds(300));
    ASSERT_TRUE(status.ok()) << status;
    cluster.Kill(owner);
    owner = *next;
    left_behind.Set(cluster.address(owner));
  }
  load.Stop();
  status = load.Drain(absl::Seconds(30));
  ASSERT_TRUE(status.ok()) << status;

  ExpectPromisesKept(ledger, load, seed);
}

}  // namespace
}  // namespace weir
