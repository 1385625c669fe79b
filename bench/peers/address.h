// Where a broker listens.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace weir::bench {

struct Address {
  std::string host;
  int port = 0;
};

// Of "HOST:PORT". INVALID_ARGUMENT says what is wrong.
absl::StatusOr<Address> ParseAddress(absl::string_view text);

}  // namespace weir::bench
