// The JSON of a policy, and what is said of it when it is wrong.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace weir::policy {

// Keeps the order of members: a document that is changed stays recognisable.
using Json = nlohmann::ordered_json;

// INVALID_ATTRIBUTE_VALUE "Statement[0].Effect must be …": `where`, a space and `what`.
absl::Status Malformed(absl::string_view where, absl::string_view what);

// No member may stand twice in an object: which of them counts would be a matter of who reads it.
absl::StatusOr<Json> ParseJson(absl::string_view text);

// A string, or an array of one and more.
absl::StatusOr<std::vector<std::string>> ReadStrings(const Json& json, absl::string_view where);

// As an error shows it: a string in quotes, cut where it is long.
std::string Shown(absl::string_view text);

}  // namespace weir::policy
