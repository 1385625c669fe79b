// A PostgreSQL server of one's own: for `weir up` on a laptop and for tests.
//
// Runs the distribution's binaries on a data folder of ours, reachable over a Unix socket in that folder alone, so it takes no port
// and nobody else can connect. As root, which PostgreSQL refuses, it runs as user "postgres" (or "nobody"). The server stops when
// the thread that started it ends, also by kill -9 of the process; a start on the same folder waits for a server that is still
// stopping, and crash recovery is PostgreSQL's own.
//
// Not thread-safe.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace weir::pg {

struct PrivatePostgresOptions {
  // Made if it does not exist. Where the server's user may not reach it (root's home, say), the data goes to a folder of that name's
  // hash under /var/tmp; folder() tells.
  std::string data_dir;
  // Further settings of postgresql.conf, such as {"fsync", "off"}.
  std::vector<std::pair<std::string, std::string>> settings;
  absl::Duration start_timeout = absl::Seconds(60);
};

class PrivatePostgres {
 public:
  // Makes the cluster and the database "weir" when they are not there, and returns when the server takes connections.
  // REQUIRES: called on a thread that lives as long as the server shall.
  static absl::StatusOr<std::unique_ptr<PrivatePostgres>> Start(PrivatePostgresOptions options);
  ~PrivatePostgres();  // stops

  // Of database "weir": a URI that any PostgreSQL client takes.
  std::string dsn() const { return DsnOf("weir"); }
  std::string DsnOf(absl::string_view database) const;
  const std::string& folder() const { return folder_; }
  pid_t pid() const { return pid_; }

  // Fast shutdown: open transactions are rolled back. May be called twice.
  absl::Status Stop();
  // For tests: as a crash would end it, and a start after any end.
  void KillHard();
  absl::Status StartAgain();

 private:
  PrivatePostgres() = default;
  absl::Status Launch();
  absl::Status AwaitReady();

  PrivatePostgresOptions options_;
  std::string bin_dir_;
  std::string folder_;      // PGDATA
  std::string socket_dir_;
  bool own_socket_dir_ = false;
  pid_t pid_ = -1;
};

}  // namespace weir::pg
