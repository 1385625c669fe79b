#include "libs/base/account.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace weir {

bool IsAccount(absl::string_view text) {
  constexpr size_t kDigits = 12;
  return text.size() == kDigits && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

}  // namespace weir
