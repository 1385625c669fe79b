// Accounts, as AWS numbers them.
#pragma once

#include "absl/strings/string_view.h"

namespace weir {

// 12 digits.
bool IsAccount(absl::string_view text);

}  // namespace weir
