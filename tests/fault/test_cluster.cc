#include "tests/fault/test_cluster.h"

#include <signal.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/pg/child_process.h"

namespace weir {
namespace {

constexpr absl::Duration kEnd = absl::Seconds(30);

}  // namespace

std::string ToString(TestCluster::PostgresEnd way) {
  switch (way) {
    case TestCluster::PostgresEnd::kFast:
      return "fast shutdown of PostgreSQL";
    case TestCluster::PostgresEnd::kImmediate:
      return "immediate shutdown of PostgreSQL";
    case TestCluster::PostgresEnd::kKill:
      return "kill -9 of PostgreSQL";
  }
  return "?";
}

absl::StatusOr<std::unique_ptr<TestCluster>> TestCluster::Start(Options options) {
  std::unique_ptr<TestCluster> cluster(new TestCluster(std::move(options)));
  auto settings = cluster->options_.postgres_settings;
  // Else a start after a crash first syncs every file of the cluster, which takes seconds.
  settings.emplace_back("recovery_init_sync_method", "syncfs");
  WEIR_ASSIGN_OR_RETURN(cluster->postgres_,
                        pg::PrivatePostgres::Start({.data_dir = cluster->options_.folder + "/pg",
                                                    .settings = std::move(settings)}));
  cluster->postgres_runs_ = true;
  while (cluster->size() < cluster->options_.replicas) {
    WEIR_RETURN_IF_ERROR(cluster->AddReplica().status());
  }
  return cluster;
}

absl::StatusOr<int> TestCluster::AddReplica() {
  const int number = size();
  auto replica = std::make_unique<Replica>();
  replica->name = absl::StrCat("replica-", number);
  // Its socket is in its folder, where that is short enough.
  WEIR_ASSIGN_OR_RETURN(replica->to_postgres,
                        TcpProxy::Start(postgres_->folder() + "/.s.PGSQL.5432"));
  const std::string address = absl::StrCat("127.0.0.1:", FreePort());
  WEIR_ASSIGN_OR_RETURN(replica->from_peers, TcpProxy::Start(address));
  replica->process = std::make_unique<QueueProcess>(QueueProcess::Options{
      .address = address,
      .advertise = replica->from_peers->address(),
      .database_url = absl::StrCat("postgresql://weir@", replica->to_postgres->address(), "/weir"),
      .replica = replica->name,
      .shards = options_.shards,
      .lease_seconds = options_.lease_seconds,
      .output_path = absl::StrCat(options_.folder, "/", replica->name, ".log")});
  replicas_.push_back(std::move(replica));
  WEIR_RETURN_IF_ERROR(StartAgain(number));
  return number;
}

std::string TestCluster::Outputs() const {
  std::string text;
  for (const auto& replica : replicas_) {
    absl::StrAppend(&text, replica->name, " wrote:\n", replica->process->Output(), "\n");
  }
  return text;
}

void TestCluster::Kill(int replica) {
  replicas_[replica]->running = false;
  replicas_[replica]->process->program().KillHard();
}

absl::Status TestCluster::Interrupt(int replica) {
  replicas_[replica]->running = false;
  Program& program = replicas_[replica]->process->program();
  program.Signal(SIGTERM);
  if (program.AwaitExit(kEnd)) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat(name(replica), " does not end on SIGTERM; it wrote:\n", Output(replica)));
}

absl::Status TestCluster::StartAgain(int replica) {
  QueueProcess& process = *replicas_[replica]->process;
  WEIR_RETURN_IF_ERROR(process.Launch());
  WEIR_RETURN_IF_ERROR(process.AwaitReady(options_.recovery));
  replicas_[replica]->running = true;
  // A channel of before may be waiting before it tries again.
  replicas_[replica]->endpoint.Set(process.address());
  return absl::OkStatus();
}

void TestCluster::Pause(int replica) { replicas_[replica]->process->program().Signal(SIGSTOP); }

void TestCluster::Resume(int replica) { replicas_[replica]->process->program().Signal(SIGCONT); }

absl::Status TestCluster::EndPostgres(PostgresEnd way) {
  postgres_runs_ = false;
  switch (way) {
    case PostgresEnd::kFast: {
      // Its last checkpoint takes as long as a busy disk makes it. Clients are cut off all the same, and the start waits for its end.
      const absl::Status stopped = postgres_->Stop();
      return absl::IsDeadlineExceeded(stopped) ? absl::OkStatus() : stopped;
    }
    case PostgresEnd::kImmediate:  // every backend ends at once
      kill(postgres_->pid(), SIGQUIT);
      if (!pg::AwaitExit(postgres_->pid(), kEnd)) {
        return absl::DeadlineExceededError("PostgreSQL does not end on SIGQUIT.");
      }
      break;
    case PostgresEnd::kKill:
      break;
  }
  postgres_->KillHard();
  return absl::OkStatus();
}

absl::Status TestCluster::StartPostgresAgain() {
  WEIR_RETURN_IF_ERROR(postgres_->StartAgain());
  postgres_runs_ = true;
  return absl::OkStatus();
}

absl::Status TestCluster::Run(absl::Duration duration) {
  never_.WaitForNotificationWithTimeout(duration);
  for (const auto& replica : replicas_) {
    if (!replica->running || !replica->process->program().AwaitExit(absl::ZeroDuration())) continue;
    return absl::InternalError(absl::StrCat(replica->name, " has ended by itself; it wrote:\n",
                                            replica->process->Output()));
  }
  return absl::OkStatus();
}

absl::Status TestCluster::Heal() {
  for (const auto& replica : replicas_) {
    for (TcpProxy* proxy : {replica->to_postgres.get(), replica->from_peers.get()}) {
      proxy->CutAfterRequests(0);
      proxy->Heal();
    }
  }
  if (!postgres_runs_) WEIR_RETURN_IF_ERROR(StartPostgresAgain());
  for (int i = 0; i < size(); ++i) {
    Resume(i);
    if (!running(i)) WEIR_RETURN_IF_ERROR(StartAgain(i));
  }
  return absl::OkStatus();
}

}  // namespace weir
