#include "cli/up_parts.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/output.h"
#include "libs/runtime/signals.h"

namespace weir::cli {
namespace {

namespace fs = std::filesystem;

// What takes longer is worth a line.
constexpr absl::Duration kMoment = absl::Milliseconds(700);
constexpr int kExitByInterrupt = 130;

absl::Status SystemError(absl::string_view what, const std::string& path) {
  return absl::FailedPreconditionError(absl::StrCat("Cannot ", what, " ", path, ": ", strerror(errno), "."));
}

// The process id in the lock file, as the owner wrote it; empty when it is not there yet.
std::string OwnerOf(int fd) {
  char text[32] = {};
  const ssize_t length = pread(fd, text, sizeof(text) - 1, 0);
  return length > 0 ? absl::StrCat(" (process ", std::string(text, static_cast<size_t>(length)), ")") : "";
}

}  // namespace

std::string NextSteps(const Endpoints& endpoints) {
  std::string text;
  if (endpoints.queue != "127.0.0.1:7801" || endpoints.runner != "127.0.0.1:7802") {
    absl::StrAppend(&text, "  export WEIR_QUEUE_ENDPOINT=", endpoints.queue,
                    " WEIR_RUNNER_ENDPOINT=", endpoints.runner, "\n");
  }
  absl::StrAppend(&text,
                  "  weir queue create orders && weir send orders 'Hello' && weir receive orders --delete\n"
                  "  weir function deploy --help\n");
  return text;
}

SignalWatch::SignalWatch() : event_fd_(eventfd(0, EFD_CLOEXEC)) {
  std::thread([event_fd = event_fd_] {
    runtime::WaitForTerminationSignal();
    eventfd_write(event_fd, 1);
    runtime::WaitForTerminationSignal();
    _exit(kExitByInterrupt);
  }).detach();
}

bool SignalWatch::AwaitFor(absl::Duration timeout) const {
  pollfd event{.fd = event_fd_, .events = POLLIN, .revents = 0};
  return poll(&event, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) > 0;
}

Woken SignalWatch::AwaitOrExitOf(pid_t pid) const {
  const int pid_fd = pid > 0 ? static_cast<int>(syscall(SYS_pidfd_open, pid, 0)) : -1;
  if (pid > 0 && pid_fd < 0) return Woken::kProcessEnded;
  // A negative descriptor is left out by poll.
  pollfd events[] = {{.fd = event_fd_, .events = POLLIN, .revents = 0},
                     {.fd = pid_fd, .events = POLLIN, .revents = 0}};
  while (poll(events, 2, -1) < 0 && errno == EINTR) {
  }
  if (pid_fd >= 0) close(pid_fd);
  if (events[0].revents != 0) return Woken::kSignal;
  waitpid(pid, nullptr, WNOHANG);
  return Woken::kProcessEnded;
}

absl::StatusOr<std::unique_ptr<DataDir>> DataDir::Lock(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path).lexically_normal();
  fs::create_directories(absolute, error);
  if (error) {
    return absl::FailedPreconditionError(absl::StrCat("Cannot make the data folder ", absolute.string(),
                                                      " (--data-dir): ", error.message(), "."));
  }
  const std::string lock_path = (absolute / "lock").string();
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return SystemError("open", lock_path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const std::string owner = OwnerOf(fd);
    close(fd);
    return absl::FailedPreconditionError(
        absl::StrCat("The data folder ", absolute.string(), " is in use by another `weir up`", owner,
                     ". Stop that one, or choose another folder with --data-dir."));
  }
  const std::string pid = absl::StrCat(getpid());
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    const absl::Status failed = SystemError("write", lock_path);
    close(fd);
    return failed;
  }
  return std::unique_ptr<DataDir>(new DataDir(absolute.string(), fd));
}

DataDir::~DataDir() { close(fd_); }

Terminal::Terminal() : fd_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {}

Terminal::~Terminal() {
  // What is printed afterwards goes to the terminal again.
  dup2(fd_, STDERR_FILENO);
  close(fd_);
}

absl::Status Terminal::SendLogTo(const std::string& path) {
  if (path == "-") return absl::OkStatus();
  const int log_fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_fd < 0) return SystemError("write the log to", absl::StrCat(path, " (--log-file)"));
  dup2(log_fd, STDERR_FILENO);
  close(log_fd);
  return absl::OkStatus();
}

void Terminal::Print(absl::string_view line) {
  const std::string text = absl::StrCat(line, "\n");
  // A terminal that went away takes no lines, and that is no reason to end.
  if (write(fd_, text.data(), text.size()) < 0) return;
}

SlowStep::SlowStep(Terminal& terminal, std::string description)
    : thread_([this, &terminal, description = std::move(description)] {
        if (!done_.WaitForNotificationWithTimeout(kMoment)) terminal.Print(description);
      }) {}

SlowStep::~SlowStep() {
  done_.Notify();
  thread_.join();
}

ReadyFile::ReadyFile(std::string path) : path_(std::move(path)) { Remove(); }

absl::Status ReadyFile::Write(const Endpoints& endpoints) const {
  if (path_.empty()) return absl::OkStatus();
  Json document = {{"queue", endpoints.queue},
                   {"runner", endpoints.runner},
                   {"gateway", endpoints.gateway},
                   {"metrics", endpoints.metrics},
                   {"database_url", endpoints.database_url},
                   {"pid", getpid()}};
  if (endpoints.postgres_pid > 0) document["postgres_pid"] = endpoints.postgres_pid;
  const std::string unfinished = absl::StrCat(path_, ".", getpid());
  std::ofstream file(unfinished, std::ios::trunc);
  file << FormatJson(document);
  file.close();
  if (!file) return SystemError("write", absl::StrCat(unfinished, " (--ready-file)"));
  if (rename(unfinished.c_str(), path_.c_str()) != 0) {
    return SystemError("make", absl::StrCat(path_, " (--ready-file)"));
  }
  return absl::OkStatus();
}

void ReadyFile::Remove() const {
  std::error_code ignored;  // it may not be there
  if (!path_.empty()) fs::remove(path_, ignored);
}

absl::Status CheckPortIsFree(absl::string_view flag, int port) {
  if (port == 0) return absl::OkStatus();
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return SystemError("make", "a socket");
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  const int bind_errno = errno;
  close(fd);
  if (bound) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("Cannot listen on 127.0.0.1:", port, " (", flag, "): ", strerror(bind_errno),
                   ". Choose another port, or 0 for any free one."));
}

}  // namespace weir::cli
