#include "libs/policy/context.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace weir::policy {

void Context::SetAll(absl::string_view key, std::vector<std::string> values) {
  if (values.empty()) {
    values_.erase(absl::AsciiStrToLower(key));
  } else {
    values_[absl::AsciiStrToLower(key)] = std::move(values);
  }
}

void Context::SetTime(absl::Time now) {
  Set("aws:CurrentTime", absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ", now, absl::UTCTimeZone()));
  Set("aws:EpochTime", absl::StrCat(absl::ToUnixSeconds(now)));
}

const std::vector<std::string>* Context::Find(absl::string_view key) const {
  const auto found = values_.find(absl::AsciiStrToLower(key));
  return found == values_.end() ? nullptr : &found->second;
}

}  // namespace weir::policy
