#include "libs/grpcx/status.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
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

// An error travels in the trailers of a call, and clients refuse trailers beyond 8 KiB, with the reason in them. The message is in there
// twice, once with up to three bytes a byte.
constexpr size_t kMessageBytesMax = 1'200;
constexpr size_t kMetadataBytesMax = 400;

bool StartsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// `text` without its middle if it is longer than `max`: a sentence that quotes a long value still says at its end what is allowed.
std::string Elided(absl::string_view text, size_t max) {
  if (text.size() <= max) return std::string(text);
  size_t head_end = max / 2;
  while (head_end > 0 && !StartsCharacter(text[head_end])) --head_end;
  size_t tail_start = text.size() - max / 2;
  while (tail_start < text.size() && !StartsCharacter(text[tail_start])) ++tail_start;
  return absl::StrCat(text.substr(0, head_end), " … ", text.substr(tail_start));
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  ErrorReason reason = ReasonOf(status);
  if (reason == ErrorReason::kUnspecified) reason = ReasonForCode(status.code());

  internal::rpc::v1::ErrorInfo info;
  info.set_reason(std::string(ErrorInfoOf(reason).name));
  info.set_domain(std::string(kErrorDomain));
  for (const auto& [key, value] : MetadataOf(status)) {
    (*info.mutable_metadata())[Elided(key, kMetadataBytesMax)] = Elided(value, kMetadataBytesMax);
  }

  internal::rpc::v1::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(Elided(status.message(), kMessageBytesMax));
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
