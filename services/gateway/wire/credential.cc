#include "services/gateway/wire/credential.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/account.h"

namespace weir::gateway::wire {
std::optional<Credential> ParseCredential(absl::string_view text) {
  // From the end: an access key might hold a slash.
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  if (parts.size() < 5 || parts.back() != "aws4_request") return std::nullopt;
  const size_t n = parts.size();
  const size_t scope_size = parts[n - 4].size() + parts[n - 3].size() + parts[n - 2].size() + parts[n - 1].size() + 4;
  return Credential{.access_key = std::string(text.substr(0, text.size() - scope_size)),
                    .date = parts[n - 4],
                    .region = parts[n - 3],
                    .service = parts[n - 2]};
}

std::optional<Credential> CredentialOfAuthorization(absl::string_view header) {
  if (!absl::ConsumePrefix(&header, "AWS4-HMAC-SHA256 ")) return std::nullopt;
  for (absl::string_view part : absl::StrSplit(header, ',')) {
    part = absl::StripAsciiWhitespace(part);
    if (absl::ConsumePrefix(&part, "Credential=")) return ParseCredential(part);
  }
  return std::nullopt;
}

std::string AccountOf(absl::string_view access_key, absl::string_view default_account) {
  return std::string(IsAccount(access_key) ? access_key : default_account);
}

}  // namespace weir::gateway::wire
