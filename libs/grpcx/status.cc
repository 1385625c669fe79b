#include "libs/grpcx/status.h"

#include <string>

#include "libs/base/error.h"
#include "weir/internal/rpc/v1/status.pb.h"

namespace weir::grpcx {
namespace {

constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";

ErrorReason ReasonForCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kCancelled:
      return ErrorReason::kCancelled;
    case absl::StatusCode::kInvalidArgument:
      return ErrorReason::kInvalidParameterValue;
    case absl::StatusCode::kDeadlineExceeded:
      return ErrorReason::kDeadlineExceeded;
    case absl::StatusCode::kNotFound:
      return ErrorReason::kResourceNotFound;
    case absl::StatusCode::kResourceExhausted:
      return ErrorReason::kOverloaded;
    case absl::StatusCode::kUnavailable:
      return ErrorReason::kStoreUnavailable;
    default:
      return ErrorReason::kInternal;
  }
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  ErrorReason reason = ReasonOf(status);
  if (reason == ErrorReason::kUnspecified) reason = ReasonForCode(status.code());

  internal::rpc::v1::ErrorInfo info;
  info.set_reason(std::string(ErrorInfoOf(reason).name));
  info.set_domain(std::string(kErrorDomain));
  for (const auto& [key, value] : MetadataOf(status)) (*info.mutable_metadata())[key] = value;

  internal::rpc::v1::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(std::string(status.message()));
  google::protobuf::Any& any = *details.add_details();
  any.set_type_url(kErrorInfoUrl);
  any.set_value(info.SerializeAsString());
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), details.message(),
                      details.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  internal::rpc::v1::Status details;
  if (details.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& any : details.details()) {
      internal::rpc::v1::ErrorInfo info;
      if (any.type_url() != kErrorInfoUrl || !info.ParseFromString(any.value()) ||
          info.domain() != kErrorDomain) {
        continue;
      }
      const ErrorReason reason = ErrorReasonFromName(info.reason());
      if (reason == ErrorReason::kUnspecified) continue;
      return MakeError(reason, status.error_message(),
                       ErrorMetadata(info.metadata().begin(), info.metadata().end()));
    }
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace weir::grpcx
