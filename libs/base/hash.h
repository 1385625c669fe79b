// Digests, in lower-case hexadecimal.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace weir {

std::string Md5Hex(absl::string_view data);
std::string Sha256Hex(absl::string_view data);
// SHA-256 in base64, as Lambda's CodeSha256.
std::string Sha256Base64(absl::string_view data);

}  // namespace weir
