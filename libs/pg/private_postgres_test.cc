#include "libs/pg/private_postgres.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <pqxx/pqxx>

#include "libs/pg/child_process.h"
#include "tests/support/pg_fixture.h"

namespace weir::pg {
namespace {

int Count(const PrivatePostgres& server) {
  pqxx::connection connection(server.dsn());
  pqxx::work tx(connection);
  return tx.exec1("SELECT count(*) FROM t")[0].as<int>();
}

void MakeTable(const PrivatePostgres& server) {
  pqxx::connection connection(server.dsn());
  pqxx::work tx(connection);
  tx.exec("CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
  tx.commit();
}

TEST(PrivatePostgresTest, KeepsItsDataOverRestartAndCrash) {
  TempDir dir;
  auto server = PrivatePostgres::Start({.data_dir = dir.path() + "/a b'c"});
  ASSERT_TRUE(server.ok()) << server.status();
  MakeTable(**server);
  ASSERT_TRUE((*server)->Stop().ok());
  ASSERT_TRUE((*server)->StartAgain().ok());
  EXPECT_EQ(Count(**server), 1);
  (*server)->KillHard();
  const absl::Status again = (*server)->StartAgain();
  ASSERT_TRUE(again.ok()) << again;
  EXPECT_EQ(Count(**server), 1);
}

TEST(PrivatePostgresTest, EndsWithTheProcessThatStartedItAndStartsAnewOnTheFolder) {
  TempDir dir;
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    auto server = PrivatePostgres::Start({.data_dir = dir.path()});
    const pid_t pid = server.ok() ? (*server)->pid() : -1;
    if (server.ok()) MakeTable(**server);
    if (write(pipe_fds[1], &pid, sizeof(pid)) != sizeof(pid)) _exit(1);
    pause();
    _exit(0);
  }
  pid_t postmaster = -1;
  ASSERT_EQ(read(pipe_fds[0], &postmaster, sizeof(postmaster)), ssize_t{sizeof(postmaster)});
  ASSERT_GT(postmaster, 0);
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  auto server = PrivatePostgres::Start({.data_dir = dir.path()});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(AwaitExit(postmaster, absl::Seconds(10)));
  EXPECT_EQ(Count(**server), 1);
}

TEST(PrivatePostgresTest, LongPathsGetAShortSocket) {
  TempDir dir;
  auto server = PrivatePostgres::Start({.data_dir = dir.path() + "/" + std::string(120, 'x')});
  ASSERT_TRUE(server.ok()) << server.status();
  MakeTable(**server);
}

}  // namespace
}  // namespace weir::pg
