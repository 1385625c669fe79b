#include "libs/grpcx/unary_call.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "libs/grpcx/status.h"

namespace weir::grpcx {

UnaryCall::UnaryCall(grpc::CallbackServerContext* context, MethodMetrics& metrics)
    : metrics_(metrics), started_at_(absl::Now()) {
  deadline_ = std::min(absl::FromChrono(context->deadline()), started_at_ + kDefaultTimeout);
}

void UnaryCall::Finish(const absl::Status& status) {
  metrics_.Finished(status.code(), absl::Now() - started_at_);
  ServerUnaryReactor::Finish(ToGrpcStatus(status));
}

}  // namespace weir::grpcx
