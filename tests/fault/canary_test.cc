// A hunt that never finds anything may be blind. Here PostgreSQL acknowledges commits before they are on disk, so a crash loses what
// the service has promised, and the same load and ledger that the other tests rely on must say so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fault/load.h"
#include "tests/fault/test_cluster.h"
#include "tests/support/ledger.h"
#include "tests/support/pg_fixture.h"

namespace weir {
namespace {

constexpr absl::Duration kRecovery = absl::Seconds(30);

TEST(CanaryTest, APostgresThatLosesCommitsIsFoundOut) {
  TempDir dir;
  auto started = TestCluster::Start({.folder = dir.path(),
                                     .postgres_settings = {{"synchronous_commit", "off"},
                                                           {"wal_writer_delay", "10s"},
                                                           {"wal_writer_flush_after", "1GB"}}});
  ASSERT_TRUE(started.ok()) << started.status();
  TestCluster& cluster = **started;
  Ledger ledger;
  Load load({.queues = {{.name = "orders", .visibility_timeout = absl::Seconds(1)}}, .seed = TestSeed()},
            cluster.endpoint(0), ledger);
  absl::Status status = load.CreateQueues(absl::Now() + kRecovery);
  ASSERT_TRUE(status.ok()) << status;
  load.Start();
  ASSERT_TRUE(load.AwaitProgress(500, kRecovery)) << cluster.Outputs();
  status = cluster.EndPostgres(TestCluster::PostgresEnd::kKill);
  ASSERT_TRUE(status.ok()) << status;
  status = cluster.StartPostgresAgain();
  ASSERT_TRUE(status.ok()) << status;
  load.Stop();
  // What it finds is what is left. The queue itself may be among what was lost.
  const absl::Status drained = load.Drain(absl::Seconds(10));
  std::vector<std::string> broken;
  for (const auto& violation : ledger.Check()) broken.push_back(violation.rule);
  EXPECT_THAT(broken, testing::Contains("lost")) << drained;
}

}  // namespace
}  // namespace weir
