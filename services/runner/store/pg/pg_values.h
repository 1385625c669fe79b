// Values between core types and PostgreSQL's text, shared by the stores.
#pragma once

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace weir::runner::store {

// A timestamptz; microseconds are kept.
std::string ToTimestamp(absl::Time time);
// Of the expression MicrosOf("column").
absl::Time FromMicros(int64_t micros);
std::string MicrosOf(absl::string_view column);

// A JSON object of strings.
std::string ToJson(const std::map<std::string, std::string>& values);
std::map<std::string, std::string> FromJson(const std::string& json);

// PostgreSQL's text holds no NUL: it becomes U+FFFD.
std::string WithoutNul(std::string text);

}  // namespace weir::runner::store
