#include "cli/units.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/exit_code.h"

namespace weir::cli {
namespace {

absl::Status BadDuration(absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", text,
      "\" is not a duration: write seconds (60), or a number with a unit of ms, s, m, h or d (60s, "
      "1.5s, 5m, 1h30m)"));
}

// The unit at the front of `text`, which it is removed from; false if there is none.
bool ConsumeUnit(absl::string_view& text, absl::Duration& unit) {
  static const std::pair<absl::string_view, absl::Duration> kUnits[] = {
      {"ms", absl::Milliseconds(1)}, {"s", absl::Seconds(1)}, {"m", absl::Minutes(1)},
      {"h", absl::Hours(1)},         {"d", absl::Hours(24)}};
  for (const auto& [name, duration] : kUnits) {
    if (absl::StartsWith(text, name)) {
      text.remove_prefix(name.size());
      unit = duration;
      return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  absl::string_view rest = text;
  absl::Duration sum = absl::ZeroDuration();
  if (rest.empty()) return BadDuration(text);
  while (!rest.empty()) {
    size_t length = 0;
    while (length < rest.size() && (absl::ascii_isdigit(rest[length]) || rest[length] == '.')) {
      ++length;
    }
    double number = 0;
    if (length == 0 || !absl::SimpleAtod(rest.substr(0, length), &number)) return BadDuration(text);
    const bool first = rest.size() == text.size();
    rest.remove_prefix(length);
    absl::Duration unit = absl::Seconds(1);
    // Only a lone number goes without a unit.
    if (!ConsumeUnit(rest, unit) && !(first && rest.empty())) return BadDuration(text);
    sum += number * unit;
  }
  if (sum > absl::Hours(24 * 36'500)) return BadDuration(text);
  return sum;
}

std::string DurationText(absl::Duration duration) {
  if (duration == absl::ZeroDuration()) return "0s";
  std::string text;
  if (duration < absl::ZeroDuration()) {
    text = "-";
    duration = -duration;
  }
  for (const auto& [unit, name] : {std::pair<absl::Duration, const char*>{absl::Hours(24), "d"},
                                   {absl::Hours(1), "h"},
                                   {absl::Minutes(1), "m"}}) {
    const int64_t count = absl::IDivDuration(duration, unit, &duration);
    if (count > 0) absl::StrAppend(&text, count, name);
  }
  if (duration == absl::ZeroDuration()) return text;
  if (text.empty() && duration < absl::Seconds(1)) {
    return absl::StrCat(std::round(absl::ToDoubleMilliseconds(duration) * 100) / 100, "ms");
  }
  return absl::StrCat(text, std::round(absl::ToDoubleSeconds(duration) * 1000) / 1000, "s");
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return proto;
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp proto;
  absl::Duration since_epoch = time - absl::UnixEpoch();
  proto.set_seconds(absl::IDivDuration(since_epoch, absl::Seconds(1), &since_epoch));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(since_epoch)));
  return proto;
}

std::string FormatTimestamp(const google::protobuf::Timestamp& timestamp) {
  return absl::FormatTime(
      "%Y-%m-%dT%H:%M:%E3SZ",
      absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos()),
      absl::UTCTimeZone());
}

std::string FormatBytes(int64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  if (bytes < 1024 * 1024) return absl::StrFormat("%.1f KiB", static_cast<double>(bytes) / 1024);
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1024 * 1024));
}

absl::StatusOr<KeyValue> ParseKeyValue(absl::string_view option, absl::string_view text) {
  const size_t equals = text.find('=');
  if (equals == absl::string_view::npos || equals == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" for ", option, " is not of the form NAME=VALUE"));
  }
  return KeyValue{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

absl::StatusOr<NamedAttribute> ParseAttribute(absl::string_view text) {
  auto pair = ParseKeyValue("--attribute", text);
  if (!pair.ok()) return pair.status();
  NamedAttribute attribute{.name = pair->key};
  std::string type = "String";
  // Names have no colon.
  if (const size_t colon = pair->key.find(':'); colon != std::string::npos) {
    attribute.name = pair->key.substr(0, colon);
    type = pair->key.substr(colon + 1);
  }
  const std::string base = type.substr(0, type.find('.'));
  if (base != "String" && base != "Number" && base != "Binary") {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", type, "\" in --attribute \"", text,
                     "\" is not a type: write NAME:String=, NAME:Number= or NAME:Binary=, optionally "
                     "with a label (NAME:Number.int=)"));
  }
  attribute.value.set_data_type(type);
  if (base != "Binary") {
    attribute.value.set_string_value(pair->value);
    return attribute;
  }
  std::string bytes;
  if (!absl::Base64Unescape(pair->value, &bytes)) {
    return absl::InvalidArgumentError(absl::StrCat("The Binary value in --attribute \"", text,
                                                   "\" is not base64"));
  }
  attribute.value.set_binary_value(bytes);
  return attribute;
}

std::string FormatAttributeValue(const queue::v1::MessageAttributeValue& value) {
  if (value.value_case() == queue::v1::MessageAttributeValue::kBinaryValue) {
    return absl::Base64Escape(value.binary_value());
  }
  return value.string_value();
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file || std::filesystem::is_directory(path)) {
    return UsageError(absl::StrCat("cannot read the file \"", path, "\""));
  }
  return text.str();
}

absl::StatusOr<std::string> ReadFileOrStdin(const std::string& path) {
  if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  return ReadFile(path);
}

}  // namespace weir::cli
