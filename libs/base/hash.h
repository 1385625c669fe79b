// Digests in text, and hashes that never change: those of absl differ from process to process.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace weir {

// In lower-case hexadecimal.
std::string Md5Hex(absl::string_view data);
std::string Sha256Hex(absl::string_view data);
// SHA-256 in base64, as Lambda's CodeSha256.
std::string Sha256Base64(absl::string_view data);

// FNV-1a of 64 bits. What it decides is stored, so it stays as it is.
uint64_t StableHash(absl::string_view data);
// The finish of SplitMix64: every bit of the answer depends on every bit of `hash`, so a remainder of it is as good as any.
uint64_t MixBits(uint64_t hash);

}  // namespace weir
