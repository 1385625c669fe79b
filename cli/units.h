// What people write on a command line, as values: durations, message attributes, names of files.
//
// Errors are sentences that name the text and what is allowed.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "weir/queue/v1/message.pb.h"

namespace weir::cli {

// "60" (seconds), "60s", "1.5s", "500ms", "5m", "1h", "2d", "1h30m".
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);
// As ParseDuration reads it: "0s", "30s", "5m", "1h30m", "4d", "1.5s".
std::string DurationText(absl::Duration duration);

google::protobuf::Duration ToProto(absl::Duration duration);
absl::Duration FromProto(const google::protobuf::Duration& duration);
// "2026-01-31T12:00:00.000Z".
std::string FormatTimestamp(const google::protobuf::Timestamp& timestamp);
google::protobuf::Timestamp ToProto(absl::Time time);

// 131072 → "128.0 KiB".
std::string FormatBytes(int64_t bytes);

struct NamedAttribute {
  std::string name;
  queue::v1::MessageAttributeValue value;
};

// "NAME=VALUE", "NAME:TYPE=VALUE" with the type String, Number or Binary, optionally with ".LABEL". A Binary value is base64.
absl::StatusOr<NamedAttribute> ParseAttribute(absl::string_view text);
// The value as ParseAttribute reads it.
std::string FormatAttributeValue(const queue::v1::MessageAttributeValue& value);

struct KeyValue {
  std::string key;
  std::string value;
};
// "KEY=VALUE" of `option`; the value may hold further '='.
absl::StatusOr<KeyValue> ParseKeyValue(absl::string_view option, absl::string_view text);

// What is in a file. An error of usage if it cannot be read.
absl::StatusOr<std::string> ReadFile(const std::string& path);
// The same; "-" is all of stdin.
absl::StatusOr<std::string> ReadFileOrStdin(const std::string& path);

}  // namespace weir::cli
