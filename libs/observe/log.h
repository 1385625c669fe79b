// Structured logs: one JSON object a line on stderr, with "ts", "level", "msg" and the fields given. Thread-safe; a line is written
// with one system call, so lines of threads and processes do not mix.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace weir::observe {

enum class Level { kDebug, kInfo, kWarning, kError };

// Lines below `level` are not written. Default: kInfo.
void SetLogLevel(Level level);
// "debug", "info", "warning", "error"; false for anything else.
bool ParseLogLevel(absl::string_view text, Level& level);

void Log(Level level, absl::string_view message,
         std::initializer_list<std::pair<absl::string_view, std::string>> fields = {});

// The line that Log would write at `unix_millis`, without line feed.
std::string FormatLogLine(
    int64_t unix_millis, Level level, absl::string_view message,
    std::initializer_list<std::pair<absl::string_view, std::string>> fields);

}  // namespace weir::observe
