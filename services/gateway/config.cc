#include "services/gateway/config.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/account.h"
#include "services/gateway/wire/credential.h"

namespace weir::gateway {
namespace {

absl::Status Invalid(absl::string_view field, absl::string_view value, absl::string_view allowed) {
  return absl::InvalidArgumentError(absl::StrCat("Value \"", value, "\" for ", field, " is invalid: ", allowed, "."));
}

absl::Status CheckCount(absl::string_view field, int value, int max) {
  if (value >= 1 && value <= max) return absl::OkStatus();
  return Invalid(field, absl::StrCat(value), absl::StrCat("must be between 1 and ", max));
}

}  // namespace

absl::Status Config::Validate() const {
  if (!absl::StrContains(listen, ':')) return Invalid("listen", listen, "must be HOST:PORT, port 0 for any free one");
  if (!absl::StrContains(queue_endpoint, ':')) {
    return Invalid("queue_endpoint", queue_endpoint, "must be HOST:PORT of a queue service");
  }
  const bool is_url = absl::StartsWith(base_url, "http://") || absl::StartsWith(base_url, "https://");
  if (!base_url.empty() && (!is_url || absl::EndsWith(base_url, "/"))) {
    return Invalid("base_url", base_url, "must be http://HOST or https://HOST, without a slash at its end");
  }
  if (!IsAccount(default_account)) {
    return Invalid("default_account", default_account, "an account has 12 digits");
  }
  if (default_region.empty()) return Invalid("default_region", "", "must name a region, such as us-east-1");
  if (auth != "off" && auth != "sigv4") return Invalid("auth", auth, "must be off or sigv4");
  if (auth == "sigv4" && access_keys.empty()) {
    return absl::InvalidArgumentError(
        "Signatures are verified (--auth sigv4, the default), so --access-keys must name the file of access keys, as `weir access-key "
        "create --file FILE` makes it. With --auth off anybody who reaches the port is served.");
  }
  if (auth == "off" && !(access_keys.empty() && access_keys_master.empty())) {
    return Invalid("auth", auth, "must be sigv4 where access keys are given");
  }
  if (absl::Status status = CheckCount("threads", threads, 256); !status.ok()) return status;
  return CheckCount("connections_max", connections_max, 1'000'000);
}

}  // namespace weir::gateway
