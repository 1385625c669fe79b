// Checks of single fields, shared by the calls. Each answers OK or an error whose sentence names the field, its value and what is
// allowed. The limits are those of Lambda.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "services/runner/core/types.h"
#include "weir/common/v1/namespace.pb.h"
#include "weir/runner/v1/event_source_mapping.pb.h"
#include "weir/runner/v1/function.pb.h"

namespace weir::runner::api {

inline constexpr size_t kPayloadBytesMax = size_t{6} << 20;

absl::Status InvalidField(absl::string_view field, absl::string_view value,
                          absl::string_view allowed);
absl::Status MissingField(absl::string_view field, absl::string_view what);

// Defaults for what is empty: account 000000000000, region us-east-1. With an empty function name.
absl::StatusOr<core::FunctionName> CheckNamespace(const common::v1::Namespace& ns,
                                                  absl::string_view field);
absl::StatusOr<core::FunctionName> CheckFunctionRef(const v1::FunctionRef& ref,
                                                    absl::string_view field);
absl::Status CheckFunctionName(absl::string_view name, absl::string_view field);

// 0 stands for `default_value`.
absl::StatusOr<int32_t> CheckCount(int32_t value, absl::string_view field, int32_t min, int32_t max,
                                   int32_t default_value);

// `base` with what `configuration` sets, each checked.
absl::StatusOr<core::FunctionConfig> ApplyConfiguration(
    const v1::FunctionConfiguration& configuration, core::FunctionConfig base);
absl::StatusOr<core::MappingConfig> ApplyConfiguration(
    const v1::EventSourceMappingConfiguration& configuration, core::MappingConfig base);

// The payload, "{}" for an empty one. PAYLOAD_TOO_LARGE, PAYLOAD_INVALID.
absl::StatusOr<std::string> CheckPayload(const std::string& payload);

}  // namespace weir::runner::api
