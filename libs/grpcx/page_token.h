// Opaque page tokens: the last key of the page before, and a hash of what the pages must have in common.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace weir::grpcx {

// `query` names the call and its parameters; a token made for another query is refused.
std::string FormatPageToken(absl::string_view after, absl::string_view query);

// The key after which the page starts; empty for an empty token. PAGE_TOKEN_INVALID.
absl::StatusOr<std::string> ParsePageToken(absl::string_view token, absl::string_view query);

}  // namespace weir::grpcx
