// The exit codes of `weir`, and the one place that turns an error into one.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace weir::cli {

enum class ExitCode : int {
  kOk = 0,
  kRefused = 1,         // the service refused, or what was asked for failed
  kUsage = 2,           // the command line is wrong; nothing was sent
  kUnreachable = 3,     // no service there, not ready, or no answer in time: may be tried again
  kFunctionFailed = 4,  // `function invoke`: the call worked, the function did not
};

// An error of the command line.
absl::Status UsageError(const std::string& sentence);

ExitCode ExitCodeOf(const absl::Status& status);

// "QUEUE_DOES_NOT_EXIST: The queue …" or, without a reason, the message alone.
std::string Describe(const absl::Status& status);

}  // namespace weir::cli
