#include "libs/pg/pool.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "tests/support/pg_fixture.h"

namespace weir::pg {
namespace {

absl::Time Soon() { return absl::Now() + absl::Seconds(10); }

class PoolTest : public PgTest {};

int BackendOf(pqxx::work& tx) { return tx.exec1("SELECT pg_backend_pid()")[0].as<int>(); }

TEST_F(PoolTest, CommitsWhatWorkDid) {
  Pool pool({.dsn = dsn(), .size = 2});
  ASSERT_TRUE(pool.Run(Soon(), [](pqxx::work& tx) {
                    tx.exec("CREATE TABLE t (n int)");
                    tx.exec("INSERT INTO t VALUES (7)");
                    return absl::OkStatus();
                  }).ok());
  int n = 0;
  ASSERT_TRUE(pool.RunReadOnly(Soon(), [&](pqxx::work& tx) {
                    n = tx.exec1("SELECT n FROM t")[0].as<int>();
                    return absl::OkStatus();
                  }).ok());
  EXPECT_EQ(n, 7);
}

TEST_F(PoolTest, RollsBackWhenWorkFails) {
  Pool pool({.dsn = dsn()});
  const absl::Status status = pool.Run(Soon(), [](pqxx::work& tx) {
    tx.exec("CREATE TABLE t (n int)");
    return absl::AbortedError("no");
  });
  EXPECT_TRUE(absl::IsAborted(status));
  const absl::Status missing = pool.Run(Soon(), [](pqxx::work& tx) {
    tx.exec("SELECT * FROM t");
    return absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsInternal(missing)) << missing;
}

TEST_F(PoolTest, ConnectionCutWhileIdleIsReplaced) {
  Pool pool({.dsn = dsn(), .size = 1});
  int backend = 0;
  ASSERT_TRUE(pool.Run(Soon(), [&](pqxx::work& tx) {
                    backend = tx.exec1("SELECT pg_backend_pid()")[0].as<int>();
                    return absl::OkStatus();
                  }).ok());
  Pool other({.dsn = dsn(), .size = 1});
  ASSERT_TRUE(other.Run(Soon(), [&](pqxx::work& tx) {
                     tx.exec_params("SELECT pg_terminate_backend($1, 5000)", backend);
                     return absl::OkStatus();
                   }).ok());
  EXPECT_TRUE(pool.Run(Soon(), [](pqxx::work& tx) {
                    tx.exec("SELECT 1");
                    return absl::OkStatus();
                  }).ok());
}

TEST_F(PoolTest, ServerThatIsAwayIsUnavailable) {
  Pool pool({.dsn = "postgresql://nobody@127.0.0.1:1/none"});
  const absl::Status status = pool.Run(Soon(), [](pqxx::work&) { return absl::OkStatus(); });
  EXPECT_EQ(ReasonOf(status), ErrorReason::kStoreUnavailable) << status;
}

TEST_F(PoolTest, BusyPoolAnswersAtTheDeadline) {
  Pool pool({.dsn = dsn(), .size = 1});
  ASSERT_TRUE(pool.Run(Soon(), [&](pqxx::work&) {
                    const absl::Status inner = pool.Run(absl::Now() + absl::Milliseconds(20),
                                                        [](pqxx::work&) { return absl::OkStatus(); });
                    EXPECT_TRUE(absl::IsUnavailable(inner)) << inner;
                    return absl::OkStatus();
                  }).ok());
}

TEST_F(PoolTest, BackendThatStallsIsGivenUpAtTheDeadline) {
  Pool pool({.dsn = dsn(), .size = 1});
  int backend = 0;
  const absl::Time begin = absl::Now();
  const absl::Status status = pool.Run(begin + absl::Milliseconds(300), [&](pqxx::work& tx) {
    backend = BackendOf(tx);
    kill(backend, SIGSTOP);
    tx.exec("SELECT 1");
    return absl::OkStatus();
  });
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2));
  EXPECT_EQ(ReasonOf(status), ErrorReason::kStoreUnavailable) << status;
  // Another connection takes its place.
  int other = 0;
  EXPECT_TRUE(pool.Run(Soon(), [&](pqxx::work& tx) {
                    other = BackendOf(tx);
                    return absl::OkStatus();
                  }).ok());
  EXPECT_NE(other, backend);
  kill(backend, SIGCONT);
}

TEST_F(PoolTest, BackendThatStallsWhileIdleIsGivenUpAtTheDeadline) {
  Pool pool({.dsn = dsn(), .size = 1});
  int backend = 0;
  ASSERT_TRUE(pool.Run(Soon(), [&](pqxx::work& tx) {
                    backend = BackendOf(tx);
                    return absl::OkStatus();
                  }).ok());
  kill(backend, SIGSTOP);
  const absl::Time begin = absl::Now();
  const absl::Status status =
      pool.Run(begin + absl::Milliseconds(300), [](pqxx::work&) { return absl::OkStatus(); });
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2));
  EXPECT_EQ(ReasonOf(status), ErrorReason::kStoreUnavailable) << status;
  kill(backend, SIGCONT);
}

TEST_F(PoolTest, CommitThatStallsIsInDoubtAtTheDeadline) {
  Pool pool({.dsn = dsn(), .size = 1});
  int backend = 0;
  const absl::Time begin = absl::Now();
  const absl::Status status = pool.Run(begin + absl::Milliseconds(300), [&](pqxx::work& tx) {
    tx.exec("CREATE TABLE t (n int)");
    backend = BackendOf(tx);
    kill(backend, SIGSTOP);
    return absl::OkStatus();
  });
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2));
  EXPECT_EQ(ReasonOf(status), ErrorReason::kOutcomeUnknown) << status;
  kill(backend, SIGCONT);
}

TEST_F(PoolTest, StatementTimeoutHoldsBesideOptionsOfTheDsn) {
  Pool pool({.dsn = dsn() + (dsn().find('?') == std::string::npos ? "?" : "&") +
                    "options=-c%20work_mem%3D1MB",
             .size = 1,
             .statement_timeout = absl::Seconds(7)});
  const absl::Status status = pool.RunReadOnly(Soon(), [](pqxx::work& tx) {
    EXPECT_EQ(tx.exec1("SHOW statement_timeout")[0].as<std::string>(), "7s");
    EXPECT_EQ(tx.exec1("SHOW work_mem")[0].as<std::string>(), "1MB");
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace weir::pg
