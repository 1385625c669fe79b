#include "services/gateway/wire/aws_error.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace weir::gateway::wire {

AwsError SenderError(absl::string_view code, absl::string_view message) {
  return {.code = std::string(code), .query_code = std::string(code), .message = std::string(message)};
}

AwsError CommonError(absl::string_view query_code, absl::string_view json_code, int http_status, absl::string_view message) {
  return {.code = std::string(json_code),
          .query_code = std::string(query_code),
          .http_status = http_status,
          .message = std::string(message),
          .common = true};
}

AwsError FromStatus(const absl::Status& status) {
  ErrorReason reason = ReasonOf(status);
  if (reason == ErrorReason::kUnspecified) {
    const bool away = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsCancelled(status);
    reason = away ? ErrorReason::kStoreUnavailable : ErrorReason::kInternal;
  }
  const ErrorInfo& info = ErrorInfoOf(reason);
  return {.code = std::string(info.aws_code),
          .query_code = std::string(info.aws_query_code),
          .http_status = info.http_status,
          .sender_fault = info.sender_fault,
          .message = std::string(status.message())};
}

AwsError MissingParameter(absl::string_view name) {
  return FromStatus(MakeError(ErrorReason::kMissingParameter,
                              absl::StrCat("The request must contain the parameter ", name, ".")));
}

}  // namespace weir::gateway::wire
