#include "bench/peers/address.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace weir::bench {

absl::StatusOr<Address> ParseAddress(absl::string_view text) {
  const size_t colon = text.rfind(':');
  Address address;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(text.substr(colon + 1), &address.port) || address.port < 1 ||
      address.port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("Value \"", text,
                     "\" for target is invalid: must be HOST:PORT, with a port of 1 to 65535."));
  }
  address.host = std::string(text.substr(0, colon));
  return address;
}

}  // namespace weir::bench
