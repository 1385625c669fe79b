#include "cli/exit_code.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace weir::cli {
namespace {

constexpr char kUsageUrl[] = "weir.dev/usage";

}  // namespace

absl::Status UsageError(const std::string& sentence) {
  absl::Status status = absl::InvalidArgumentError(sentence);
  status.SetPayload(kUsageUrl, absl::Cord("1"));
  return status;
}

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kOk;
  if (status.GetPayload(kUsageUrl).has_value()) return ExitCode::kUsage;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kUnreachable;
    default:
      return ExitCode::kRefused;
  }
}

std::string Describe(const absl::Status& status) {
  const ErrorReason reason = ReasonOf(status);
  if (reason == ErrorReason::kUnspecified) return std::string(status.message());
  return absl::StrCat(ErrorInfoOf(reason).name, ": ", status.message());
}

}  // namespace weir::cli
