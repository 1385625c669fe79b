#include "services/runner/api/call.h"

namespace weir::runner::api {
namespace {

class BlockingCall final : public grpcx::UnaryCall {
 public:
  BlockingCall(Context& context, grpc::CallbackServerContext* grpc_context,
               absl::string_view method, std::function<absl::Status(absl::Time)> work)
      : UnaryCall(grpc_context, context.metrics.Method(method)), work_(std::move(work)) {
    if (!context.blocking.Post([this] { Finish(work_(deadline())); })) Finish(TooManyCalls());
  }

 private:
  const std::function<absl::Status(absl::Time)> work_;
};

}  // namespace

absl::Status TooManyCalls() {
  return MakeError(ErrorReason::kOverloaded,
                   "Too many calls are waiting for the store; slow down and try again.");
}

grpc::ServerUnaryReactor* RunBlocking(Context& context, grpc::CallbackServerContext* grpc_context,
                                      absl::string_view method,
                                      std::function<absl::Status(absl::Time)> work) {
  return new BlockingCall(context, grpc_context, method, std::move(work));
}

}  // namespace weir::runner::api
