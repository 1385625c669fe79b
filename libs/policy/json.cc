#include "libs/policy/json.h"

#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace weir::policy {
namespace {

constexpr size_t kShownBytesMax = 100;

}  // namespace

absl::Status Malformed(absl::string_view where, absl::string_view what) {
  return MakeError(ErrorReason::kInvalidAttributeValue, absl::StrCat(where, where.empty() ? "" : " ", what));
}

absl::StatusOr<Json> ParseJson(absl::string_view text) {
  std::vector<std::set<std::string>> open_objects;
  std::optional<std::string> repeated;
  const auto look = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == Json::parse_event_t::object_end) open_objects.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!open_objects.back().insert(key).second) repeated = key;
    }
    return true;
  };
  Json json;
  try {
    json = Json::parse(text.begin(), text.end(), look);
  } catch (const Json::parse_error& error) {
    return Malformed("The policy", absl::StrCat("is not JSON: see byte ", error.byte, "."));
  } catch (const Json::out_of_range&) {
    return Malformed("The policy", "has a number that is too large.");
  }
  if (repeated.has_value()) {
    return Malformed("The policy", absl::StrCat("has the member ", Shown(*repeated), " twice in one object."));
  }
  return json;
}

absl::StatusOr<std::vector<std::string>> ReadStrings(const Json& json, absl::string_view where) {
  if (json.is_string()) return std::vector<std::string>{json.get<std::string>()};
  if (!json.is_array() || json.empty()) {
    return Malformed(where, "must be a string, or an array with at least one string.");
  }
  std::vector<std::string> strings;
  for (const Json& element : json) {
    if (!element.is_string()) {
      return Malformed(absl::StrCat(where, "[", strings.size(), "]"), "must be a string.");
    }
    strings.push_back(element.get<std::string>());
  }
  return strings;
}

std::string Shown(absl::string_view text) {
  if (text.size() <= kShownBytesMax) return absl::StrCat("\"", text, "\"");
  // Not in the middle of a character.
  size_t end = kShownBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return absl::StrCat("\"", text.substr(0, end), "…\"");
}

}  // namespace weir::policy
