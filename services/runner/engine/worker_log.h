// Makes log lines of what a worker writes, and gives each to the invocation that wrote it.
//
// Not thread-safe. Bounded: lines are cut at kLineBytesMax, and an invocation that writes more than
// kInvocationBytesMax gets a line that says so and no further ones.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/base/clock.h"
#include "services/runner/core/types.h"
#include "services/runner/engine/invoker.h"

namespace weir::runner::engine {

class WorkerLog {
 public:
  static constexpr size_t kLineBytesMax = 16 << 10;
  static constexpr size_t kInvocationBytesMax = 1 << 20;
  static constexpr size_t kTailBytesMax = 4 << 10;

  // References must outlive it.
  WorkerLog(core::FunctionId function, LogSink& sink, const Clock& clock);

  // From here on lines belong to this invocation. A tail of what was written before (while the
  // function loaded) stays.
  void Begin(absl::string_view request_id);
  // What the worker wrote to stdout or stderr, in pieces as they come.
  void Write(core::LogStream stream, absl::string_view bytes);
  // A line of the runner's own; never left out.
  void Platform(absl::string_view text);
  // Lines that were begun end here.
  void EndLines();
  // Ends the invocation: lines from here on belong to none. Answers the last 4 KiB of its log.
  std::string End();
  // Gives the lines so far to the sink.
  void Flush();

 private:
  void AddLine(core::LogStream stream, absl::string_view text);
  void Append(core::LogStream stream, std::string text);

  const core::FunctionId function_;
  LogSink& sink_;
  const Clock& clock_;
  std::string request_id_;
  std::array<std::string, 2> begun_;  // unfinished lines of stdout and stderr
  size_t written_ = 0;                // by this invocation
  std::string tail_;
  std::vector<core::LogLine> lines_;
  size_t lines_bytes_ = 0;
};

// `text` with U+FFFD for each byte that is not part of UTF-8, and for NUL, which PostgreSQL's text
// cannot hold.
std::string ToUtf8(absl::string_view text);

}  // namespace weir::runner::engine
