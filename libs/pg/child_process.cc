#include "libs/pg/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"

namespace weir::pg {
namespace {

// Between fork and exec: only what is safe after a fork of a process with threads.
[[noreturn]] void BecomeChild(const ChildOptions& options, char* const* argv, int output_fd,
                              pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  setsid();
  if (options.run_as.change) {
    const bool changed = syscall(SYS_setgroups, 0, nullptr) == 0 &&
                         syscall(SYS_setgid, options.run_as.gid) == 0 &&
                         syscall(SYS_setuid, options.run_as.uid) == 0;
    if (!changed) _exit(126);
  }
  // After the change of user, which would clear it.
  if (options.parent_death_signal != 0) {
    prctl(PR_SET_PDEATHSIG, options.parent_death_signal);
    if (getppid() != parent) _exit(125);  // it has ended already
  }
  const int null_fd = open("/dev/null", O_RDONLY);
  dup2(null_fd, STDIN_FILENO);
  dup2(output_fd, STDOUT_FILENO);
  dup2(output_fd, STDERR_FILENO);
  // Nothing else of ours is the child's business.
  syscall(SYS_close_range, 3, ~0U, 0);
  if (chdir("/") != 0) _exit(126);
  execv(argv[0], argv);
  _exit(127);
}

}  // namespace

absl::StatusOr<RunAs> UnprivilegedUser() {
  if (geteuid() != 0) return RunAs{};
  for (const char* name : {"postgres", "nobody"}) {
    if (const passwd* entry = getpwnam(name); entry != nullptr) {
      return RunAs{.change = true, .uid = entry->pw_uid, .gid = entry->pw_gid};
    }
  }
  return absl::FailedPreconditionError(
      "PostgreSQL does not run as root, and there is neither a user \"postgres\" nor \"nobody\" to "
      "run it as.");
}

absl::StatusOr<pid_t> SpawnChild(const ChildOptions& options) {
  std::vector<char*> argv;
  for (const std::string& argument : options.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int output_fd =
      open(options.output_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (output_fd < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("Cannot write ", options.output_path, ": ", strerror(errno)));
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) BecomeChild(options, argv.data(), output_fd, parent);
  const int fork_errno = errno;
  close(output_fd);
  if (pid < 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("Cannot start ", options.argv[0], ": ", strerror(fork_errno)));
  }
  return pid;
}

absl::Status RunChild(const ChildOptions& options) {
  WEIR_ASSIGN_OR_RETURN(const pid_t pid, SpawnChild(options));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(absl::StrJoin(options.argv, " "), " failed (",
                                          WIFEXITED(status) ? "exit status " : "signal ",
                                          WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                                          "); see ", options.output_path));
}

bool AwaitExit(pid_t pid, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return errno == ESRCH;
  bool exited = false;
  while (!exited && absl::Now() < deadline) {
    pollfd poll_fd{.fd = fd, .events = POLLIN, .revents = 0};
    const int64_t left = std::max<int64_t>(1, absl::ToInt64Milliseconds(deadline - absl::Now()));
    exited = poll(&poll_fd, 1, static_cast<int>(left)) > 0;
  }
  close(fd);
  if (exited) waitpid(pid, nullptr, WNOHANG);
  return exited;
}

}  // namespace weir::pg
