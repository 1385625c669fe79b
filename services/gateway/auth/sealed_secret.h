// Secrets sealed with AES-256-GCM: who has the file but not the master key learns nothing, and can move no secret to another key.
#pragma once

#include <array>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace weir::gateway::auth {

using MasterKey = std::array<unsigned char, 32>;

// From the operating system's secure generator.
absl::StatusOr<MasterKey> MakeMasterKey();
// As the file of a master key has it: 64 hexadecimal digits and a line feed.
std::string FormatMasterKey(const MasterKey& key);
absl::StatusOr<MasterKey> ParseMasterKey(absl::string_view text);

// A fresh nonce, the ciphertext and the tag, in base64. `context` is bound to it: Unseal needs the same.
absl::StatusOr<std::string> Seal(const MasterKey& key, absl::string_view secret, absl::string_view context);
// An error when it was sealed with another key or for another context, or has been altered.
absl::StatusOr<std::string> Unseal(const MasterKey& key, absl::string_view sealed, absl::string_view context);

}  // namespace weir::gateway::auth
