#include "services/queue/config.h"

#include <limits.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace weir::queue {
namespace {

constexpr int kShardsMax = 1024;

absl::Status Invalid(absl::string_view field, absl::string_view value, absl::string_view allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat("Value \"", value, "\" for ", field, " is invalid: ", allowed, "."));
}

// "HOST", "PORT"; an address that is none has no port.
std::pair<std::string, std::string> SplitAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return {address, ""};
  return {address.substr(0, colon), address.substr(colon + 1)};
}

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, HOST_NAME_MAX) == 0 && name[0] != '\0' ? name : "localhost";
}

}  // namespace

std::string Config::AdvertisedAddress(const std::string& bound) const {
  if (!advertise.empty()) return advertise;
  const auto [host, port] = SplitAddress(bound);
  if (port == "0") return "";
  const bool every = host == "0.0.0.0" || host == "[::]" || host == "*";
  return absl::StrCat(every ? HostName() : host, ":", port);
}

std::string DefaultReplica(const std::string& listen) {
  const std::string port = SplitAddress(listen).second;
  // Two with picked ports on one host are told apart by their processes; a restart is a new replica then.
  return absl::StrCat(HostName(), "-", port == "0" ? absl::StrCat("pid", getpid()) : port);
}

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
