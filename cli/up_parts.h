// What `weir up` is made of beside the services: signals, the data folder's lock, the terminal, the ready file.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace weir::cli {

struct Endpoints {
  std::string queue;
  std::string runner;
  std::string gateway;
  std::string metrics;
  std::string database_url;
  pid_t postgres_pid = 0;  // 0: not ours
};

// The commands to type next; with the endpoints where they are not the defaults.
std::string NextSteps(const Endpoints& endpoints);

enum class Woken { kSignal, kProcessEnded };

// The first SIGINT or SIGTERM asks for a clean end, the second ends the process at once with 130.
// REQUIRES: runtime::BlockTerminationSignals was called; one object a process, which lives until the process ends.
class SignalWatch {
 public:
  SignalWatch();
  bool Requested() const { return AwaitFor(absl::ZeroDuration()); }
  // Whether the end was asked for before the timeout.
  bool AwaitFor(absl::Duration timeout) const;
  // Waits for either; a child that has ended is reaped. 0: for the signal alone.
  Woken AwaitOrExitOf(pid_t pid) const;
  int fd() const { return event_fd_; }

 private:
  const int event_fd_;  // readable from the first signal on; the signal thread's as long as the process lives
};

// A data folder that no other process uses. The lock ends with the process, however it ends.
class DataDir {
 public:
  static absl::StatusOr<std::unique_ptr<DataDir>> Lock(const std::string& path);
  ~DataDir();
  const std::string& path() const { return path_; }  // absolute

 private:
  DataDir(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  const std::string path_;
  const int fd_;
};

// The terminal that `weir up` was started on, apart from stderr, which becomes the log. Thread-safe.
class Terminal {
 public:
  Terminal();
  ~Terminal();
  // Lines of the log, and whatever libraries write to stderr, are appended to `path`; "-": they stay where they are.
  absl::Status SendLogTo(const std::string& path);
  void Print(absl::string_view line);

 private:
  int fd_;
};

// Says what is being done if it lasts longer than a moment.
class SlowStep {
 public:
  SlowStep(Terminal& terminal, std::string description);
  ~SlowStep();

 private:
  Notification done_;
  std::thread thread_;
};

// Tells scripts the endpoints: appears complete, by rename, when everything is ready, and is gone when it no longer is.
class ReadyFile {
 public:
  explicit ReadyFile(std::string path);  // removes an old one; empty: none is wanted
  ~ReadyFile() { Remove(); }
  absl::Status Write(const Endpoints& endpoints) const;
  void Remove() const;

 private:
  const std::string path_;
};

// An error that names `flag` when something listens on the port of 127.0.0.1 already. 0 is free.
absl::Status CheckPortIsFree(absl::string_view flag, int port);

}  // namespace weir::cli
