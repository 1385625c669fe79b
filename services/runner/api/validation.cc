#include "services/runner/api/validation.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/account.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace weir::runner::api {
namespace {

constexpr size_t kFunctionNameMax = 64;
constexpr size_t kRuntimeMax = 64;
constexpr size_t kHandlerMax = 128;
constexpr size_t kDescriptionMax = 256;
constexpr size_t kEnvironmentBytesMax = 4'096;
constexpr int32_t kConcurrencyMax = 1'000;
constexpr int32_t kBatchSizeMax = 10'000;
constexpr int32_t kBatchSizeWithoutWindowMax = 10;

bool IsNameCharacter(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; }

bool IsRegion(absl::string_view text) {
  return !text.empty() && text.size() <= 32 && absl::ascii_islower(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
         });
}

// Of valid UTF-8, which proto3 guarantees.
size_t Characters(absl::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

bool HasNul(absl::string_view text) { return text.find('\0') != absl::string_view::npos; }

absl::StatusOr<absl::Duration> CheckSeconds(const google::protobuf::Duration& duration,
                                            absl::string_view field, absl::Duration min,
                                            absl::Duration max) {
  const absl::Duration value =
      absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
  if (value < min || value > max || duration.nanos() != 0) {
    return InvalidField(field, absl::FormatDuration(value),
                        absl::StrCat("must be between ", absl::FormatDuration(min), " and ",
                                     absl::FormatDuration(max), ", in whole seconds"));
  }
  return value;
}

absl::Status CheckRange(int32_t value, absl::string_view field, int32_t min, int32_t max,
                        bool zero_too) {
  if ((zero_too && value == 0) || (value >= min && value <= max)) return absl::OkStatus();
  return InvalidField(field, absl::StrCat(value),
                      absl::StrCat("must be ", zero_too ? "0 or " : "", "between ", min, " and ", max));
}

absl::Status CheckHandler(absl::string_view handler) {
  const bool printable = std::none_of(handler.begin(), handler.end(), [](char c) {
    return absl::ascii_isspace(c) || absl::ascii_iscntrl(c);
  });
  if (!handler.empty() && Characters(handler) <= kHandlerMax && printable) return absl::OkStatus();
  return InvalidField("configuration.handler", handler,
                      "a handler has 1 to 128 characters without white space");
}

absl::Status CheckVariableName(absl::string_view name) {
  const bool well_formed =
      name.size() >= 2 && absl::ascii_isalpha(name[0]) &&
      std::all_of(name.begin(), name.end(),
                  [](char c) { return absl::ascii_isalnum(c) || c == '_'; });
  if (well_formed && !absl::StartsWith(name, "AWS_LAMBDA_")) return absl::OkStatus();
  return InvalidField("configuration.environment.variables", name,
                      "a name has a letter, then letters, digits and '_', at least two characters, "
                      "and neither starts with AWS_LAMBDA_ nor is _HANDLER");
}

absl::Status CheckEnvironment(const v1::Environment& environment) {
  size_t bytes = 0;
  for (const auto& [name, value] : environment.variables()) {
    WEIR_RETURN_IF_ERROR(CheckVariableName(name));
    if (HasNul(value)) {
      return InvalidField(absl::StrCat("configuration.environment.variables[", name, "]"), value,
                          "a value holds no NUL");
    }
    bytes += name.size() + value.size();
  }
  if (bytes <= kEnvironmentBytesMax) return absl::OkStatus();
  return InvalidField("configuration.environment.variables", absl::StrCat(bytes, " bytes"),
                      absl::StrCat("names and values together have at most ", kEnvironmentBytesMax,
                                   " bytes"));
}

absl::Status CheckDescription(absl::string_view description) {
  if (Characters(description) <= kDescriptionMax && !HasNul(description)) return absl::OkStatus();
  return InvalidField("configuration.description", description,
                      "a description has at most 256 characters, and no NUL");
}

absl::Status CheckRuntimeName(absl::string_view runtime) {
  const bool well_formed =
      std::all_of(runtime.begin(), runtime.end(), [](char c) { return IsNameCharacter(c) || c == '.'; });
  if (!runtime.empty() && runtime.size() <= kRuntimeMax && well_formed) return absl::OkStatus();
  return InvalidField("configuration.runtime", runtime,
                      "must be the name of a runtime as ListRuntimes answers it");
}

}  // namespace

absl::Status InvalidField(absl::string_view field, absl::string_view value,
                          absl::string_view allowed) {
  return MakeError(
      ErrorReason::kInvalidParameterValue,
      absl::StrCat("Value \"", value, "\" for ", field, " is invalid: ", allowed, "."),
      {{"field", std::string(field)}});
}

absl::Status MissingField(absl::string_view field, absl::string_view what) {
  return MakeError(ErrorReason::kMissingParameter,
                   absl::StrCat("The request must ", what, " in ", field, "."),
                   {{"field", std::string(field)}});
}

absl::StatusOr<core::FunctionName> CheckNamespace(const common::v1::Namespace& ns,
                                                  absl::string_view field) {
  core::FunctionName name{.account = ns.account().empty() ? "000000000000" : ns.account(),
                          .region = ns.region().empty() ? "us-east-1" : ns.region()};
  if (!IsAccount(name.account)) {
    return InvalidField(absl::StrCat(field, ".account"), name.account, "an account has 12 digits");
  }
  if (!IsRegion(name.region)) {
    return InvalidField(absl::StrCat(field, ".region"), name.region,
                        "a region has 1 to 32 of a-z, 0-9 and '-' and starts with a letter");
  }
  return name;
}

absl::Status CheckFunctionName(absl::string_view name, absl::string_view field) {
  if (!name.empty() && name.size() <= kFunctionNameMax &&
      std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return absl::OkStatus();
  }
  return InvalidField(field, name, "a function name has 1 to 64 of A-Z, a-z, 0-9, '-' and '_'");
}

absl::StatusOr<core::FunctionName> CheckFunctionRef(const v1::FunctionRef& ref,
                                                    absl::string_view field) {
  WEIR_ASSIGN_OR_RETURN(core::FunctionName name,
                        CheckNamespace(ref.namespace_(), absl::StrCat(field, ".namespace")));
  if (ref.name().empty()) return MissingField(absl::StrCat(field, ".name"), "name a function");
  WEIR_RETURN_IF_ERROR(CheckFunctionName(ref.name(), absl::StrCat(field, ".name")));
  name.name = ref.name();
  return name;
}

absl::StatusOr<int32_t> CheckCount(int32_t value, absl::string_view field, int32_t min, int32_t max,
                                   int32_t default_value) {
  if (value == 0) return default_value;
  WEIR_RETURN_IF_ERROR(CheckRange(value, field, min, max, /*zero_too=*/true));
  return value;
}

absl::StatusOr<core::FunctionConfig> ApplyConfiguration(
    const v1::FunctionConfiguration& configuration, core::FunctionConfig base) {
  if (configuration.has_runtime()) {
    WEIR_RETURN_IF_ERROR(CheckRuntimeName(configuration.runtime()));
    base.runtime = configuration.runtime();
  }
  if (configuration.has_handler()) {
    WEIR_RETURN_IF_ERROR(CheckHandler(configuration.handler()));
    base.handler = configuration.handler();
  }
  if (configuration.has_timeout()) {
    WEIR_ASSIGN_OR_RETURN(base.timeout, CheckSeconds(configuration.timeout(), "configuration.timeout",
                                                     absl::Seconds(1), absl::Seconds(900)));
  }
  if (configuration.has_memory_mib()) {
    WEIR_RETURN_IF_ERROR(CheckRange(configuration.memory_mib(), "configuration.memory_mib", 128,
                                    10'240, /*zero_too=*/false));
    base.memory_mib = configuration.memory_mib();
  }
  if (configuration.has_environment()) {
    WEIR_RETURN_IF_ERROR(CheckEnvironment(configuration.environment()));
    const auto& variables = configuration.environment().variables();
    base.environment = std::map<std::string, std::string>(variables.begin(), variables.end());
  }
  if (configuration.has_concurrency_limit()) {
    WEIR_RETURN_IF_ERROR(CheckRange(configuration.concurrency_limit(),
                                    "configuration.concurrency_limit", 1, kConcurrencyMax,
                                    /*zero_too=*/true));
    base.concurrency_limit = configuration.concurrency_limit();
  }
  if (configuration.has_description()) {
    WEIR_RETURN_IF_ERROR(CheckDescription(configuration.description()));
    base.description = configuration.description();
  }
  return base;
}

absl::StatusOr<core::MappingConfig> ApplyConfiguration(
    const v1::EventSourceMappingConfiguration& configuration, core::MappingConfig base) {
  if (configuration.has_batch_size()) {
    WEIR_RETURN_IF_ERROR(CheckRange(configuration.batch_size(), "configuration.batch_size", 1,
                                    kBatchSizeMax, /*zero_too=*/false));
    base.batch_size = configuration.batch_size();
  }
  if (configuration.has_maximum_batching_window()) {
    WEIR_ASSIGN_OR_RETURN(base.maximum_batching_window,
                          CheckSeconds(configuration.maximum_batching_window(),
                                       "configuration.maximum_batching_window",
                                       absl::ZeroDuration(), absl::Seconds(300)));
  }
  if (configuration.has_enabled()) base.enabled = configuration.enabled();
  if (configuration.has_maximum_concurrency()) {
    WEIR_RETURN_IF_ERROR(CheckRange(configuration.maximum_concurrency(),
                                    "configuration.maximum_concurrency", 2, kConcurrencyMax,
                                    /*zero_too=*/true));
    base.maximum_concurrency = configuration.maximum_concurrency();
  }
  if (configuration.has_report_batch_item_failures()) {
    base.report_batch_item_failures = configuration.report_batch_item_failures();
  }
  if (base.batch_size > kBatchSizeWithoutWindowMax &&
      base.maximum_batching_window < absl::Seconds(1)) {
    return InvalidField("configuration.batch_size", absl::StrCat(base.batch_size),
                        "above 10 it needs a maximum_batching_window of at least 1s");
  }
  return base;
}

absl::StatusOr<std::string> CheckPayload(const std::string& payload) {
  if (payload.empty()) return std::string("{}");
  if (payload.size() > kPayloadBytesMax) {
    return MakeError(ErrorReason::kPayloadTooLarge,
                     absl::StrCat("Value of ", payload.size(), " bytes for payload is too large: at most ",
                                  kPayloadBytesMax, " bytes are allowed."),
                     {{"field", "payload"}, {"max_bytes", absl::StrCat(kPayloadBytesMax)}});
  }
  if (!nlohmann::json::accept(payload)) {
    return MakeError(ErrorReason::kPayloadInvalid,
                     absl::StrCat("Value \"", payload, "\" for payload is invalid: must be JSON in UTF-8."),
                     {{"field", "payload"}});
  }
  return payload;
}

}  // namespace weir::runner::api
