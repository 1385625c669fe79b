#include "services/runner/engine/worker_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "services/runner/engine/supervisor_protocol.h"

namespace weir::runner::engine {
namespace {

namespace protocol = supervisor;

void Close(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

void AddField(std::string& spec, char tag, absl::string_view text) {
  spec.push_back(tag);
  spec.append(text.data(), text.size());
  spec.push_back('\0');
}

absl::Status StartError(absl::string_view what, int error) {
  return MakeError(ErrorReason::kInternal, absl::StrCat("A worker cannot be started: ", what, ": ",
                                                        std::strerror(error), "."));
}

}  // namespace

std::optional<UserIds> UnprivilegedUser() {
  if (geteuid() != 0) return std::nullopt;
  char buffer[4096];
  passwd entry;
  passwd* found = nullptr;
  if (getpwnam_r("nobody", &entry, buffer, sizeof(buffer), &found) != 0 || found == nullptr) {
    return std::nullopt;
  }
  return UserIds{found->pw_uid, found->pw_gid};
}

absl::StatusOr<SupervisedProcess> StartSupervised(const std::string& supervisor,
                                                  const std::string& token,
                                                  const ProcessSpec& spec) {
  std::string fields;
  for (const std::string& argument : spec.arguments)
    AddField(fields, protocol::kArgument, argument);
  for (const std::string& variable : spec.environment) {
    AddField(fields, protocol::kEnvironment, variable);
  }
  if (!spec.folder.empty()) AddField(fields, protocol::kFolder, spec.folder);
  if (spec.run_as.has_value()) {
    AddField(fields, protocol::kUser, absl::StrCat(spec.run_as->user));
    AddField(fields, protocol::kGroup, absl::StrCat(spec.run_as->group));
  }
  if (spec.memory_mib > 0) AddField(fields, protocol::kMemoryMib, absl::StrCat(spec.memory_mib));
  if (fields.size() > protocol::kSpecBytesMax) return StartError("its environment", E2BIG);

  SupervisedProcess process;
  int control[2] = {-1, -1};
  int out[2] = {-1, -1};
  int err[2] = {-1, -1};
  const auto close_all = [&] {
    for (int* pair : {control, out, err}) {
      Close(pair[0]);
      Close(pair[1]);
    }
  };
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0 ||
      pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
    const int error = errno;
    close_all();
    return StartError("no pipe", error);
  }
  if (send(control[0], fields.data(), fields.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
      static_cast<ssize_t>(fields.size())) {
    const int error = errno;
    close_all();
    return StartError("its environment", error);
  }
  // Only our ends: the worker's stay as programs expect them.
  for (const int fd : {control[0], out[0], err[0]}) fcntl(fd, F_SETFL, O_NONBLOCK | O_RDWR);

  // posix_spawn does not copy our address space, so it takes as long for a large process as for a
  // small one.
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_adddup2(&actions, err[1], 2);
  posix_spawn_file_actions_adddup2(&actions, control[1], protocol::kControlFd);
  posix_spawn_file_actions_addclosefrom_np(&actions, protocol::kControlFd + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string path = supervisor;
  std::string variable = absl::StrCat("WEIR_RUNNER=", token);
  char* const argv[] = {path.data(), nullptr};
  char* const envp[] = {variable.data(), nullptr};
  const int error =
      posix_spawn(&process.supervisor, path.c_str(), &actions, &attributes, argv, envp);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    close_all();
    return StartError(supervisor, error);
  }
  Close(control[1]);
  Close(out[1]);
  Close(err[1]);
  process.control = control[0];
  process.stdout_pipe = out[0];
  process.stderr_pipe = err[0];
  return process;
}

int KillByToken(absl::string_view token) {
  int killed = 0;
  int empty_scans = 0;
  const absl::Time deadline = absl::Now() + absl::Seconds(2);
  for (;;) {
    bool any = false;
    DIR* proc = opendir("/proc");
    if (proc == nullptr) return killed;
    while (const dirent* entry = readdir(proc)) {
      const long pid = std::strtol(entry->d_name, nullptr, 10);
      if (pid <= 1 || pid == getpid()) continue;
      std::ifstream file(absl::StrCat("/proc/", pid, "/environ"), std::ios::binary);
      const std::string environment((std::istreambuf_iterator<char>(file)), {});
      if (!absl::StrContains(environment, token)) continue;
      any = true;
      if (kill(static_cast<pid_t>(pid), SIGKILL) == 0) ++killed;
    }
    closedir(proc);
    // Two in a row: for an instant of its start a program shows no environment.
    empty_scans = any ? 0 : empty_scans + 1;
    if (empty_scans == 2 || absl::Now() > deadline) return killed;
    // A killed process keeps its environment until it has come to its end; nothing tells when that
    // is.
    absl::SleepFor(absl::Milliseconds(2));
  }
}

}  // namespace weir::runner::engine
