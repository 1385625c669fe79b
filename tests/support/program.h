// Programs under test: started, watched, stopped and killed, with everything that they start in turn.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace weir {

// One running program. It is killed when the thread that started it ends. Not thread-safe.
class Program {
 public:
  struct Options {
    std::vector<std::string> argv;  // argv[0] is a path
    // Added to our own; what the program starts inherits it, so it also finds what was left behind.
    std::vector<std::pair<std::string, std::string>> environment;
    std::string output_path;  // stdout and stderr are appended to it
  };
  static absl::StatusOr<std::unique_ptr<Program>> Start(const Options& options);
  ~Program() { KillHard(); }

  pid_t pid() const { return pid_; }
  void Signal(int signal);
  // True: it has ended. The wait for an end that must not come is also how tests let a program run for a while.
  bool AwaitExit(absl::Duration timeout);
  // kill -9, and waits. May be called after its end.
  void KillHard();

 private:
  explicit Program(pid_t pid) : pid_(pid) {}

  pid_t pid_;  // -1: has ended
};

// Processes of this machine at one moment, each held on to, so that a number used again is no confusion. Those that had ended, or
// that we may not look at, are not in it.
class ProcessSet {
 public:
  // Those that were started with "NAME=value" in their environment.
  static ProcessSet WithEnvironment(absl::string_view assignment);

  ProcessSet(ProcessSet&&) = default;
  ProcessSet& operator=(ProcessSet&&) = default;

  size_t size() const { return held_.size(); }
  // Command lines, for people.
  std::vector<std::string> Describe() const;
  // Waits until all of them have ended; answers those that have not in time.
  std::vector<std::string> AwaitGone(absl::Duration timeout) const;

 private:
  struct Held {
    pid_t pid;
    std::shared_ptr<const int> fd;  // of pidfd_open
    std::string command;
  };
  ProcessSet() = default;

  std::vector<Held> held_;
};

// A TCP port of 127.0.0.1 that was free a moment ago.
int FreePort();

// The last `bytes` of a file, for messages of failures.
std::string TailOf(const std::string& path, size_t bytes = 3000);

}  // namespace weir
