// PostgreSQL connection strings.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace weir::pg {

// `dsn` (URI or keywords) in keyword form with `settings` added where it does not have them itself.
// INVALID_ARGUMENT if libpq cannot read it.
absl::StatusOr<std::string> WithDefaults(
    absl::string_view dsn, const std::vector<std::pair<std::string, std::string>>& settings);

// `dsn` in keyword form with `option` ("-c NAME=VALUE") put before those it has, which win where they set the same.
absl::StatusOr<std::string> WithOption(absl::string_view dsn, absl::string_view option);

// For logs: in keyword form, without the password.
std::string Redacted(absl::string_view dsn);

}  // namespace weir::pg
