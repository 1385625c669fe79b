#include "services/queue/config.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace weir::queue {
namespace {

constexpr int kShardsMax = 1024;

absl::Status Invalid(absl::string_view field, absl::string_view value, absl::string_view allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat("Value \"", value, "\" for ", field, " is invalid: ", allowed, "."));
}

}  // namespace

absl::Status Config::Validate() const {
  if (!absl::StrContains(listen, ':')) {
    return Invalid("listen", listen, "must be HOST:PORT, port 0 for any free one");
  }
  if (database_url.empty()) {
    return Invalid("database_url", "", "must name a PostgreSQL database, postgresql://USER@HOST/DB");
  }
  if (replica.empty()) return Invalid("replica", "", "must not be empty");
  if (shards < 1 || shards > kShardsMax) {
    return Invalid("shards", absl::StrCat(shards), absl::StrCat("must be between 1 and ", kShardsMax));
  }
  if (lease_time < absl::Seconds(1) || lease_time > absl::Minutes(5)) {
    return Invalid("lease_time", absl::FormatDuration(lease_time), "must be between 1s and 5m");
  }
  if (registry_connections < 1) {
    return Invalid("registry_connections", absl::StrCat(registry_connections), "must be at least 1");
  }
  return absl::OkStatus();
}

}  // namespace weir::queue
