// Segments come and go while the service works, whoever reads them, and leave nothing for VACUUM.
#include <string>
#include <vector>

#include "tests/integration/engine_on_pg_fixture.h"

namespace weir::queue {
namespace {

class HousekeepingTest : public EngineOnPgTest {
 protected:
  // Sends, receives and deletes, so that segments fill and empty.
  void Cycle(const std::string& name, int messages) {
    for (int i = 0; i < messages; ++i) {
      Send(name);
      const std::vector<core::Receipt> receipts = Receive(name, 1);
      ASSERT_EQ(receipts.size(), 1u);
      Do(core::Delete{Queue(name)->address.partition, receipts});
    }
  }
  int64_t Tables() {
    return Count("SELECT count(*) FROM pg_tables WHERE schemaname = 'shard_0000' AND tablename LIKE 'messages_%'");
  }
};

TEST_F(HousekeepingTest, WhoReadsASegmentAsPgDumpDoesHoldsUpNobody) {
  CreateQueue("jobs");
  Cycle("jobs", 5);
  pqxx::connection dump(dsn());
  {
    pqxx::work reader(dump);
    reader.exec("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    reader.exec("LOCK TABLE shard_0000.messages_000001, shard_0000.events_000001 IN ACCESS SHARE MODE");
    const int64_t rows = reader.exec("SELECT count(*) FROM shard_0000.messages_000001")[0][0].as<int64_t>();
    EXPECT_GT(rows, 0);
    Cycle("jobs", 200);
    // Retired at once, and still there for its reader.
    EXPECT_GT(Count("SELECT max(segment) FROM shard_0000.segments"), 10);
    EXPECT_EQ(Count("SELECT count(*) FROM shard_0000.segments WHERE segment = 1 AND retired"), 1);
    EXPECT_GE(reader.exec("SELECT count(*) FROM shard_0000.messages_000001")[0][0].as<int64_t>(), rows);
    EXPECT_EQ(Count("SELECT count(*) FROM queue.messages('jobs')"), 0);
  }
  Cycle("jobs", 50);
  EXPECT_EQ(Count("SELECT count(*) FROM shard_0000.segments WHERE segment = 1"), 0);
  EXPECT_LE(Tables(), 3);
}

TEST_F(HousekeepingTest, LoadLeavesNoDeadRows) {
  CreateQueue("idle");
  CreateQueue("jobs");
  for (int i = 0; i < 20; ++i) Send("idle");  // copied forward again and again
  Cycle("jobs", 300);
  engine_.reset();  // a session tells its numbers when it ends
  while (Count("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir-queue-log'"
               " AND datname = current_database()") > 0) {
  }
  EXPECT_GT(Count("SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE schemaname = 'shard_0000'"
                  " AND relname ~ '^(messages|events)_'"),
            0);
  EXPECT_EQ(Count("SELECT sum(n_dead_tup + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
                  " WHERE schemaname = 'shard_0000' AND relname ~ '^(messages|events)_'"),
            0);
}

TEST_F(HousekeepingTest, SurvivorsAreCopiedInSlicesAndCountOnceAfterRestarts) {
  CreateQueue("idle");
  CreateQueue("jobs");
  for (int i = 0; i < 35; ++i) Send("idle");
  const std::vector<core::Receipt> hidden = Receive("idle", 3);
  ASSERT_EQ(hidden.size(), 3u);
  for (int round = 0; round < 30; ++round) {
    Cycle("jobs", 11 + round % 5);
    // At whatever moment of a copy.
    Restart();
    EXPECT_EQ(Count("SELECT count(*) FROM queue.messages('idle')"), 35);
    EXPECT_EQ(Count("SELECT count(*) FROM queue.messages('idle') WHERE state = 'in_flight'"), 3);
    const auto stats = engine_->Stats(*Queue("idle"), Soon()).value();
    ASSERT_EQ(stats.ready, 32);
    ASSERT_EQ(stats.in_flight, 3);
  }
  EXPECT_GT(Count("SELECT min(segment) FROM shard_0000.segments"), 5);
  EXPECT_EQ(Receive("idle", 10).size(), 10u);
  Do(core::Delete{Queue("idle")->address.partition, hidden});
  EXPECT_EQ(engine_->Stats(*Queue("idle"), Soon()).value().in_flight, 10);
}

}  // namespace
}  // namespace weir::queue
