// Starting a program as another user, and waiting for it. Used for PostgreSQL's programs only.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace weir::pg {

// Whom PostgreSQL's programs run as: ourselves, or as root somebody else.
struct RunAs {
  bool change = false;
  uid_t uid = 0;
  gid_t gid = 0;
};
absl::StatusOr<RunAs> UnprivilegedUser();

struct ChildOptions {
  std::vector<std::string> argv;  // argv[0] is a path
  RunAs run_as;
  std::string output_path;  // stdout and stderr are appended to it
  // Sent to the child when the calling thread ends; 0: none.
  int parent_death_signal = 0;
};

// A session of its own, so that a Ctrl-C of the terminal does not reach it.
absl::StatusOr<pid_t> SpawnChild(const ChildOptions& options);
// Runs it to its end; an error unless it exits with 0.
absl::Status RunChild(const ChildOptions& options);

// Waits until process `pid` (a child or not) has ended; false at the deadline. A child is reaped.
bool AwaitExit(pid_t pid, absl::Duration timeout);

}  // namespace weir::pg
