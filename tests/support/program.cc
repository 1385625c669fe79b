#include "tests/support/program.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/base/status_macros.h"
#include "libs/pg/child_process.h"

namespace weir {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Entries that each end in a zero byte.
bool HasEntry(const std::string& entries, const std::string& wanted) {
  return absl::string_view(entries).substr(0, wanted.size() + 1) == wanted + '\0' ||
         entries.find('\0' + wanted + '\0') != std::string::npos;
}

bool Ended(int pid_fd, absl::Duration timeout) {
  pollfd poll_fd{.fd = pid_fd, .events = POLLIN, .revents = 0};
  return poll(&poll_fd, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) > 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Program>> Program::Start(const Options& options) {
  pg::ChildOptions child{.output_path = options.output_path, .parent_death_signal = SIGKILL};
  // env becomes the program, under the same process id.
  child.argv.push_back("/usr/bin/env");
  for (const auto& [name, value] : options.environment) {
    child.argv.push_back(absl::StrCat(name, "=", value));
  }
  child.argv.insert(child.argv.end(), options.argv.begin(), options.argv.end());
  WEIR_ASSIGN_OR_RETURN(const pid_t pid, pg::SpawnChild(child));
  return std::unique_ptr<Program>(new Program(pid));
}

void Program::Signal(int signal) {
  if (pid_ > 0) kill(pid_, signal);
}

bool Program::AwaitExit(absl::Duration timeout) {
  if (pid_ > 0 && pg::AwaitExit(pid_, timeout)) pid_ = -1;
  return pid_ < 0;
}

void Program::KillHard() {
  if (pid_ < 0) return;
  Signal(SIGKILL);
  WEIR_CHECK(AwaitExit(absl::Seconds(30)), "a killed program does not end");
}

ProcessSet ProcessSet::WithEnvironment(absl::string_view assignment) {
  ProcessSet set;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    // Held first and looked at afterwards, so what is looked at is what is held.
    const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (fd < 0) continue;
    std::shared_ptr<const int> held(new int(fd), [](const int* open) {
      close(*open);
      delete open;
    });
    if (!HasEntry(ReadAll(entry.path() / "environ"), std::string(assignment))) continue;
    set.held_.push_back({pid, std::move(held),
                         absl::StrReplaceAll(ReadAll(entry.path() / "cmdline"),
                                             {{absl::string_view("\0", 1), " "}})});
  }
  return set;
}

std::vector<std::string> ProcessSet::Describe() const {
  std::vector<std::string> text;
  for (const Held& held : held_) text.push_back(absl::StrCat(held.pid, ": ", held.command));
  return text;
}

std::vector<std::string> ProcessSet::AwaitGone(absl::Duration timeout) const {
  const absl::Time deadline = absl::Now() + timeout;
  std::vector<std::string> left;
  for (const Held& held : held_) {
    if (!Ended(*held.fd, std::max(deadline - absl::Now(), absl::ZeroDuration()))) {
      left.push_back(absl::StrCat(held.pid, ": ", held.command));
    }
  }
  return left;
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  WEIR_CHECK(fd >= 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof(address);
  WEIR_CHECK(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  WEIR_CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  close(fd);
  return ntohs(address.sin_port);
}

std::string TailOf(const std::string& path, size_t bytes) {
  const std::string all = ReadAll(path);
  return all.size() > bytes ? all.substr(all.size() - bytes) : all;
}

}  // namespace weir
