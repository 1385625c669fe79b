#include "cli/lab_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace weir::cli {
namespace {

[[noreturn]] void BecomeProgram(char* const* argv, int output, pid_t parent, bool detached) {
  if (detached) setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(125);
  dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execvp(argv[0], argv);
  _exit(127);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LabProcess>> LabProcess::Start(const std::vector<std::string>& argv,
                                                              bool detached) {
  std::vector<char*> raw;
  for (const std::string& argument : argv) raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ResourceExhaustedError(strerror(errno));
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) BecomeProgram(raw.data(), ends[1], parent, detached);
  const int fork_errno = errno;
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    return absl::ResourceExhaustedError(absl::StrCat("Cannot start ", argv[0], ": ", strerror(fork_errno)));
  }
  return std::unique_ptr<LabProcess>(new LabProcess(pid, ends[0]));
}

LabProcess::~LabProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    Await(absl::Seconds(10));
  }
  close(output_);
}

absl::Status LabProcess::ReadLines(const SignalWatch& signals, absl::Time deadline,
                                   const std::function<bool(absl::string_view)>& on_line) {
  std::string pending;
  while (true) {
    pollfd events[] = {{.fd = output_, .events = POLLIN, .revents = 0},
                       {.fd = signals.fd(), .events = POLLIN, .revents = 0}};
    const absl::Duration left = std::max(absl::ZeroDuration(), deadline - absl::Now());
    const int ready = poll(events, 2, static_cast<int>(absl::ToInt64Milliseconds(left)));
    if (ready == 0) return absl::DeadlineExceededError("it took too long");
    if (ready < 0) continue;  // interrupted
    if (events[1].revents != 0) return absl::CancelledError("interrupted");
    char buffer[4096];
    const ssize_t length = read(output_, buffer, sizeof(buffer));
    if (length <= 0) {
      if (!pending.empty()) on_line(pending);
      return absl::OkStatus();
    }
    pending.append(buffer, static_cast<size_t>(length));
    for (size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
      const std::string line = pending.substr(0, end);
      pending.erase(0, end + 1);
      if (on_line(line)) return absl::OkStatus();
    }
  }
}

void LabProcess::Signal(int signal_number) const {
  if (pid_ > 0) kill(pid_, signal_number);
}

int LabProcess::Await(absl::Duration timeout) {
  const int pid_fd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  pollfd event{.fd = pid_fd, .events = POLLIN, .revents = 0};
  const bool ended = poll(&event, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) > 0;
  close(pid_fd);
  if (!ended) return -1;
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace weir::cli
