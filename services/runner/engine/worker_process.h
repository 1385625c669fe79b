// Starting processes under weir-supervisor, and finding those that a former runner left behind.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace weir::runner::engine {

struct UserIds {
  uid_t user = 0;
  gid_t group = 0;
};

// Whom workers run as when the runner runs as root; nothing when it does not, or when there is no
// user "nobody".
std::optional<UserIds> UnprivilegedUser();

struct ProcessSpec {
  std::vector<std::string> arguments;    // the first is an absolute path
  std::vector<std::string> environment;  // NAME=VALUE; nothing else is passed on
  std::string folder;
  std::optional<UserIds> run_as;
  int64_t memory_mib = 0;  // 0: no limit
};

// The caller closes the descriptors (all non-blocking) and waits for the supervisor, which ends
// after `control` was closed.
struct SupervisedProcess {
  pid_t supervisor = -1;
  int control = -1;  // services/runner/engine/supervisor_protocol.h
  int stdout_pipe = -1;
  int stderr_pipe = -1;
};

// The supervisor kills everything when the calling thread ends: call it from one that lives as long
// as the process may. `token` stands in the supervisor's environment, for KillByToken.
absl::StatusOr<SupervisedProcess> StartSupervised(const std::string& supervisor,
                                                  const std::string& token,
                                                  const ProcessSpec& spec);

// Kills every process that was started with `token` (random, 32 characters or more) in its
// environment, and whoever it started, until none is left or two seconds have passed; answers how
// many there were. Going by the environment and not by a recorded pid means that a pid that was
// given out again is never killed.
int KillByToken(absl::string_view token);

}  // namespace weir::runner::engine
