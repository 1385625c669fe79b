// Text of URLs and forms: "Action=SendMessage&MessageBody=a%20b".
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace weir::gateway::wire {

using Parameters = std::vector<std::pair<std::string, std::string>>;

// In their order, decoded: "%41" and '+'. A '%' that begins no escape stands for itself.
Parameters ParseForm(absl::string_view text);
// "%41" alone, for paths.
std::string DecodePercent(absl::string_view text);

// The first parameter of that name; empty: there is none.
absl::string_view Find(const Parameters& parameters, absl::string_view name);

// Whether text is well-formed UTF-8, without surrogates.
bool IsUtf8(absl::string_view text);

}  // namespace weir::gateway::wire
