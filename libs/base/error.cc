#include "libs/base/error.h"

#include <optional>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace weir {
namespace {

// Payload: the reason's number, then alternating keys and values, separated by NUL, which no key or value holds.
constexpr char kPayloadUrl[] = "weir.dev/error";
constexpr char kSeparator = '\0';

std::optional<std::vector<std::string>> PayloadFields(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value()) return std::nullopt;
  return std::vector<std::string>(absl::StrSplit(std::string(*payload), kSeparator));
}

}  // namespace

absl::Status MakeError(ErrorReason reason, absl::string_view message,
                       const ErrorMetadata& metadata) {
  absl::Status status(ErrorInfoOf(reason).code, message);
  std::string payload = absl::StrCat(static_cast<int>(reason));
  for (const auto& [key, value] : metadata) {
    payload += kSeparator;
    payload += key;
    payload += kSeparator;
    payload += value;
  }
  status.SetPayload(kPayloadUrl, absl::Cord(payload));
  return status;
}

ErrorReason ReasonOf(const absl::Status& status) {
  const auto fields = PayloadFields(status);
  int number = 0;
  if (!fields.has_value() || !absl::SimpleAtoi((*fields)[0], &number)) {
    return ErrorReason::kUnspecified;
  }
  return static_cast<ErrorReason>(number);
}

ErrorMetadata MetadataOf(const absl::Status& status) {
  ErrorMetadata metadata;
  const auto fields = PayloadFields(status);
  if (!fields.has_value()) return metadata;
  for (size_t i = 1; i + 1 < fields->size(); i += 2) metadata[(*fields)[i]] = (*fields)[i + 1];
  return metadata;
}

}  // namespace weir
