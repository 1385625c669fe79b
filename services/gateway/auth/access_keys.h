// Access keys: whose signature a request may bear, and the account that it then acts for.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace weir::gateway::auth {

struct AccessKey {
  std::string id;      // "AKIA" and 16 characters of A-Z and 2-7
  std::string secret;  // 40 characters; empty where only the rest was asked for
  std::string account;
  std::string description;
  absl::Time created_at;
  bool disabled = false;
};

// What verifies signatures asks. Thread-safe.
class KeySource {
 public:
  virtual ~KeySource() = default;
  // Disabled keys as well: the caller refuses them.
  virtual std::optional<AccessKey> Find(absl::string_view id) = 0;
};

}  // namespace weir::gateway::auth
