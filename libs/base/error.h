// Typed errors: an absl::Status that carries a reason from the closed table in proto/weir/common/v1/errors.json.
//
// The reason decides the gRPC code, the AWS code and the retry advice; the message is one sentence that names the field, its
// value and what is allowed. libs/grpcx puts the reason on the wire as google.rpc.ErrorInfo.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "weir/errors.gen.h"

namespace weir {

using ErrorMetadata = std::map<std::string, std::string>;

// A status with the reason's gRPC code. Metadata is for programs (the limit, the name of the resource).
absl::Status MakeError(ErrorReason reason, absl::string_view message,
                       const ErrorMetadata& metadata = {});

// The reason that MakeError put in, or kUnspecified for a status that has none.
ErrorReason ReasonOf(const absl::Status& status);
ErrorMetadata MetadataOf(const absl::Status& status);

}  // namespace weir
