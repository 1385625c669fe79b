#include "services/runner/store/pg/pg_values.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace weir::runner::store {

std::string ToTimestamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%E6S+00", time, absl::UTCTimeZone());
}

absl::Time FromMicros(int64_t micros) { return absl::FromUnixMicros(micros); }

std::string MicrosOf(absl::string_view column) {
  return absl::StrCat("(extract(epoch FROM ", column, ") * 1000000)::bigint");
}

std::string ToJson(const std::map<std::string, std::string>& values) {
  return nlohmann::json(values).dump();
}

std::map<std::string, std::string> FromJson(const std::string& json) {
  return nlohmann::json::parse(json).get<std::map<std::string, std::string>>();
}

std::string WithoutNul(std::string text) {
  if (text.find('\0') == std::string::npos) return text;
  return absl::StrReplaceAll(text, {{absl::string_view("\0", 1), "\xEF\xBF\xBD"}});
}

}  // namespace weir::runner::store
