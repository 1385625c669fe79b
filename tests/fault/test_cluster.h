// Replicas of weir-queue over one private PostgreSQL, with a network in between that tests can break.
//
// Each replica reaches PostgreSQL through a proxy of its own, and peers reach it through another, whose address it advertises. Clients
// talk to it directly.
//
// Not thread-safe, but for the endpoints. Programs die with the thread that started them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/pg/private_postgres.h"
#include "tests/fault/load.h"
#include "tests/fault/queue_process.h"
#include "tests/support/tcp_proxy.h"

namespace weir {

class TestCluster {
 public:
  struct Options {
    std::string folder;  // of PostgreSQL's data and of logs; short, as Unix sockets' paths are
    int replicas = 1;
    int shards = 4;
    int lease_seconds = 10;
    std::vector<std::pair<std::string, std::string>> postgres_settings = {};
    absl::Duration recovery = absl::Seconds(60);  // what takes longer has failed
  };
  static absl::StatusOr<std::unique_ptr<TestCluster>> Start(Options options);

  int size() const { return static_cast<int>(replicas_.size()); }
  // One more, which has the next number and takes calls when this returns.
  absl::StatusOr<int> AddReplica();

  const std::string& name(int replica) const { return replicas_[replica]->name; }
  const std::string& address(int replica) const { return replicas_[replica]->process->address(); }
  // Of clients that talk to this replica.
  Endpoint& endpoint(int replica) { return replicas_[replica]->endpoint; }
  TcpProxy& to_postgres(int replica) { return *replicas_[replica]->to_postgres; }
  TcpProxy& from_peers(int replica) { return *replicas_[replica]->from_peers; }
  // The end of what it wrote.
  std::string Output(int replica) const { return replicas_[replica]->process->Output(); }
  std::string Outputs() const;

  void Kill(int replica);                // kill -9
  absl::Status Interrupt(int replica);   // SIGTERM, and its end
  absl::Status StartAgain(int replica);  // under its name and address
  void Pause(int replica);               // SIGSTOP
  void Resume(int replica);
  bool running(int replica) const { return replicas_[replica]->running; }

  enum class PostgresEnd { kFast, kImmediate, kKill };
  absl::Status EndPostgres(PostgresEnd way);
  absl::Status StartPostgresAgain();

  // Lets everything run for so long. An error when a replica has ended by itself.
  absl::Status Run(absl::Duration duration);
  // Everything runs again, and nothing is between.
  absl::Status Heal();

 private:
  struct Replica {
    std::string name;
    std::unique_ptr<TcpProxy> to_postgres;
    std::unique_ptr<TcpProxy> from_peers;
    std::unique_ptr<QueueProcess> process;
    Endpoint endpoint;
    bool running = false;
  };
  explicit TestCluster(Options options) : options_(std::move(options)) {}

  const Options options_;
  std::unique_ptr<pg::PrivatePostgres> postgres_;
  bool postgres_runs_ = false;
  std::vector<std::unique_ptr<Replica>> replicas_;
  Notification never_;
};

std::string ToString(TestCluster::PostgresEnd way);

}  // namespace weir
