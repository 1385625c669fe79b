// Typed errors between absl::Status and the wire: gRPC code and message, and a google.rpc.ErrorInfo with reason and metadata.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace weir::grpcx {

// An error without a reason gets one that fits its code, so that every error on the wire has a reason.
grpc::Status ToGrpcStatus(const absl::Status& status);

// Keeps reason and metadata of errors that Weir made; an UNAVAILABLE of the connection itself has no reason.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace weir::grpcx
