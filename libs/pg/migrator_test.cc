#include "libs/pg/migrator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "tests/support/pg_fixture.h"

namespace weir::pg {
namespace {

using testing::HasSubstr;

constexpr Migration kFirst{1, "first", "-- one\nCREATE TABLE a (n int);"};
constexpr Migration kSecond{2, "second", "-- two\nALTER TABLE a ADD COLUMN m int; INSERT INTO a VALUES (1, 2);"};

absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

class MigratorTest : public PgTest {
 protected:
  int Rows() {
    Pool pool({.dsn = dsn()});
    int rows = -1;
    EXPECT_TRUE(pool.Run(Soon(), [&](pqxx::work& tx) {
                      rows = tx.exec1("SELECT count(*) FROM a")[0].as<int>();
                      return absl::OkStatus();
                    }).ok());
    return rows;
  }
};

TEST_F(MigratorTest, AppliesEachOnceAndInOrder) {
  Pool pool({.dsn = dsn()});
  ASSERT_TRUE(Migrate(pool, "x", {kFirst}, Soon()).ok());
  ASSERT_TRUE(Migrate(pool, "x", {kFirst, kSecond}, Soon()).ok());
  ASSERT_TRUE(Migrate(pool, "x", {kFirst, kSecond}, Soon()).ok());
  EXPECT_EQ(Rows(), 1);
}

TEST_F(MigratorTest, SeveralReplicasAtOnceApplyItOnce) {
  std::vector<std::thread> replicas;
  for (int i = 0; i < 4; ++i) {
    replicas.emplace_back([this, dsn = dsn()] {
      Pool pool({.dsn = dsn});
      const absl::Status status = Migrate(pool, "x", {kFirst, kSecond}, Soon());
      EXPECT_TRUE(status.ok()) << status;
    });
  }
  for (std::thread& replica : replicas) replica.join();
  EXPECT_EQ(Rows(), 1);
}

TEST_F(MigratorTest, NewerSchemaIsRefused) {
  Pool pool({.dsn = dsn()});
  ASSERT_TRUE(Migrate(pool, "x", {kFirst, kSecond}, Soon()).ok());
  const absl::Status status = Migrate(pool, "x", {kFirst}, Soon());
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("use a newer Weir"));
}

TEST_F(MigratorTest, ChangedMigrationIsRefused) {
  Pool pool({.dsn = dsn()});
  ASSERT_TRUE(Migrate(pool, "x", {kFirst}, Soon()).ok());
  Migration changed = kFirst;
  changed.sql = "-- one\nCREATE TABLE a (n bigint);";
  EXPECT_TRUE(absl::IsFailedPrecondition(Migrate(pool, "x", {changed}, Soon())));
}

TEST_F(MigratorTest, FailingMigrationLeavesNothingBehind) {
  Pool pool({.dsn = dsn()});
  const Migration broken{2, "broken", "-- no\nINSERT INTO a VALUES (1); SELECT nonsense;"};
  EXPECT_FALSE(Migrate(pool, "x", {kFirst, broken}, Soon()).ok());
  EXPECT_EQ(Rows(), 0);
  EXPECT_TRUE(Migrate(pool, "x", {kFirst, kSecond}, Soon()).ok());
}

}  // namespace
}  // namespace weir::pg
