#include <atomic>
#include <optional>

#include "absl/time/clock.h"
#include "services/runner/api/calls.h"
#include "services/runner/api/runner_codec.h"
#include "services/runner/api/validation.h"

namespace weir::runner::api {
namespace {

// Looks up the function and takes a slot on a thread for calls that wait for the store; runs it on one of the threads for those
// that have a slot, of which there is one for each. So a call that must be refused is refused at once.
class InvokeFunctionCall final : public grpcx::UnaryCall {
 public:
  InvokeFunctionCall(Context& context, grpc::CallbackServerContext* grpc_context,
                     const v1::InvokeFunctionRequest& request, v1::InvokeFunctionResponse& response)
      : UnaryCall(grpc_context, context.metrics.Method("InvokeFunction")),
        context_(context),
        request_(request),
        response_(response),
        caller_deadline_(absl::FromChrono(grpc_context->deadline())) {
    if (!context.blocking.Post([this] { Admit(); })) Finish(TooManyCalls());
  }

 private:
  void Admit() {
    if (absl::Status status = TakeSlot(); !status.ok()) {
      Finish(status);
      return;
    }
    if (!context_.invocations.Post([this] { Run(); })) {
      slot_.reset();
      Finish(MakeError(ErrorReason::kShuttingDown, "The runner is stopping."));
    }
  }

  absl::Status TakeSlot() {
    WEIR_ASSIGN_OR_RETURN(const core::FunctionName name,
                          CheckFunctionRef(request_.function(), "function"));
    WEIR_ASSIGN_OR_RETURN(payload_, CheckPayload(request_.payload()));
    WEIR_ASSIGN_OR_RETURN(function_, context_.functions.FindFunction(name, deadline()));
    WEIR_ASSIGN_OR_RETURN(slot_, context_.invoker.TryAcquireSlot(*function_));
    return absl::OkStatus();
  }

  void Run() {
    engine::Slot slot = *std::exchange(slot_, std::nullopt);
    if (cancelled_.load()) {
      slot = engine::Slot();
      Finish(MakeError(ErrorReason::kCancelled, "The caller cancelled the call."));
      return;
    }
    const auto result = context_.invoker.Invoke(
        std::move(slot), function_, {.payload = std::move(payload_), .deadline = caller_deadline_});
    if (result.ok()) {
      EncodeInvocation(*result, request_.include_log_tail(), *response_.mutable_invocation());
    }
    Finish(result.status());
  }

  void OnCancel() override { cancelled_.store(true); }

  Context& context_;
  const v1::InvokeFunctionRequest& request_;
  v1::InvokeFunctionResponse& response_;
  const absl::Time caller_deadline_;
  std::atomic<bool> cancelled_{false};
  std::string payload_;
  core::FunctionPtr function_;
  std::optional<engine::Slot> slot_;
};

}  // namespace

grpc::ServerUnaryReactor* InvokeFunction(Context& context, grpc::CallbackServerContext* grpc_context,
                                         const v1::InvokeFunctionRequest& request,
                                         v1::InvokeFunctionResponse& response) {
  return new InvokeFunctionCall(context, grpc_context, request, response);
}

}  // namespace weir::runner::api
