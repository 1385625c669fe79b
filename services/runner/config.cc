#include "services/runner/config.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace weir::runner {
namespace {

constexpr int kWorkersMax = 10'000;
constexpr size_t kRuntimeNameMax = 64;

absl::Status Invalid(absl::string_view field, absl::string_view value, absl::string_view allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat("Value \"", value, "\" for ", field, " is invalid: ", allowed, "."));
}

bool IsRuntimeName(absl::string_view name) {
  return !name.empty() && name.size() <= kRuntimeNameMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
         });
}

absl::Status CheckRuntimes(const std::vector<RuntimeConfig>& runtimes) {
  std::set<std::string> names;
  for (const RuntimeConfig& runtime : runtimes) {
    if (!IsRuntimeName(runtime.name)) {
      return Invalid("runtimes", runtime.name,
                     "a runtime's name has 1 to 64 of A-Z, a-z, 0-9, '.', '-' and '_'");
    }
    if (!names.insert(runtime.name).second) {
      return Invalid("runtimes", runtime.name, "every runtime is configured once");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Config::Validate() const {
  if (!absl::StrContains(listen, ':')) {
    return Invalid("listen", listen, "must be HOST:PORT, port 0 for any free one");
  }
  if (database_url.empty()) {
    return Invalid("database_url", "", "must name a PostgreSQL database, postgresql://USER@HOST/DB");
  }
  if (!absl::StrContains(queue_endpoint, ':')) {
    return Invalid("queue_endpoint", queue_endpoint, "must be HOST:PORT of a queue service");
  }
  if (data_dir.empty()) return Invalid("data_dir", "", "must name a folder of the runner's own");
  if (max_workers < 1 || max_workers > kWorkersMax) {
    return Invalid("max_workers", absl::StrCat(max_workers),
                   absl::StrCat("must be between 1 and ", kWorkersMax));
  }
  if (idle_worker_timeout < absl::Seconds(1) || idle_worker_timeout > absl::Hours(24)) {
    return Invalid("idle_worker_timeout", absl::FormatDuration(idle_worker_timeout),
                   "must be between 1s and 24h");
  }
  return CheckRuntimes(runtimes);
}

}  // namespace weir::runner
