// Takes the lines that functions log and writes them to the store, many at a time: while one group is being written the next one
// gathers, so lines wait for nothing when it is quiet.
//
// Thread-safe. Append never blocks: the buffer is bounded, and when the store is away for long the oldest lines go, leaving a line
// that says how many. A group whose outcome is unknown is written again: a line may then appear twice, but none is lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/runner/logs/log_feed.h"
#include "services/runner/store/runner_store.h"

namespace weir::runner::logs {

struct LogWriterOptions {
  size_t buffer_bytes_max = 16u << 20;
  size_t buffer_lines_max = 100'000;
  size_t group_lines_max = 1'000;
  size_t group_bytes_max = 1u << 20;
  // Lines of the days that ended so long ago are removed.
  absl::Duration retention = absl::Hours(7 * 24);
  absl::Duration trim_interval = absl::Hours(1);
  absl::Duration retry_min = absl::Milliseconds(100);
  absl::Duration retry_max = absl::Seconds(5);
};

// What the writer measures. Thread-safe.
class LogMetrics {
 public:
  virtual ~LogMetrics() = default;
  virtual void LinesWritten(size_t lines) = 0;
  virtual void LinesLost(size_t lines) = 0;
};

class LogWriter {
 public:
  // References must outlive this.
  LogWriter(LogWriterOptions options, store::LogStore& store, LogFeed& feed, LogMetrics& metrics,
            const Clock& clock);
  ~LogWriter() { Stop(); }

  void Start();
  void Append(std::vector<core::LogLine> lines);

  // Waits until what was appended before is in the store; false: it was not by `deadline`, or the writer stopped.
  bool Flush(absl::Time deadline);

  // Tries once more to write what is there, then ends. May be called twice.
  void Stop();

 private:
  struct Group {
    std::vector<core::LogLine> lines;
    uint64_t appended = 0;  // of these, the lines that Append brought
  };

  void Run();
  void TrimIfDue();
  // Waits for lines, the next trim or the end. Empty: nothing to write now.
  Group NextGroup();
  // False: not written.
  bool Write(const Group& group);
  // True: the writer is done.
  bool Written(Group& group);
  // True: the writer shall end, with the group unwritten.
  bool WaitToRetry(absl::Duration backoff);
  void DropOldestLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Lines that say how many were lost, ahead of those that follow.
  void AddLossesLocked(Group& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const LogWriterOptions options_;
  store::LogStore& store_;
  LogFeed& feed_;
  LogMetrics& metrics_;
  const Clock& clock_;

  Mutex mu_;
  CondVar changed_;  // lines came, were written, or the end was asked for
  std::deque<core::LogLine> buffer_ ABSL_GUARDED_BY(mu_);
  size_t buffer_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<core::FunctionId, int64_t> lost_ ABSL_GUARDED_BY(mu_);
  uint64_t appended_ ABSL_GUARDED_BY(mu_) = 0;  // lines, ever
  uint64_t settled_ ABSL_GUARDED_BY(mu_) = 0;   // of these, written or dropped
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::Duration next_trim_;                    // of the writer's thread; monotonic
  std::thread thread_;
};

}  // namespace weir::runner::logs
