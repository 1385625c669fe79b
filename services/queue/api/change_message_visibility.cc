#include "services/queue/api/calls.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

class ChangeMessageVisibilityCall final : public grpcx::UnaryCall {
 public:
  ChangeMessageVisibilityCall(Context& context, grpc::CallbackServerContext* grpc_context,
                              const v1::ChangeMessageVisibilityRequest& request)
      : UnaryCall(grpc_context, context.metrics.Method("ChangeMessageVisibility")) {
    Begin(
        context, [this, &context, &request] { return Submit(context, request); },
        [this](const absl::Status& status) { Finish(status); });
  }

 private:
  absl::Status Submit(Context& context, const v1::ChangeMessageVisibilityRequest& request) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    WEIR_ASSIGN_OR_RETURN(const LocatedReceipt located,
                          CheckReceiptHandle(request.receipt_handle(), *queue));
    core::ChangeVisibility::Entry entry{.receipt = located.receipt};
    WEIR_ASSIGN_OR_RETURN(entry.timeout, CheckNewVisibility(request.has_visibility_timeout(),
                                                            request.visibility_timeout()));
    return context.engine.shard(located.address.shard)
        .Submit(core::ChangeVisibility{located.address.partition, {entry}},
                [this](core::Reply reply) {
                  const auto outcomes =
                      TakeReply<core::ChangeVisibilityReply>(std::move(reply));
                  Finish(outcomes.ok() ? VisibilityError(outcomes->outcomes.front())
                                       : outcomes.status());
                  return true;
                })
        .status();
  }
};

}  // namespace

absl::StatusOr<absl::Duration> CheckNewVisibility(bool is_set,
                                                  const google::protobuf::Duration& timeout) {
  if (!is_set) return MissingParameter("visibility_timeout");
  return CheckDuration(timeout, "visibility_timeout", absl::ZeroDuration(), absl::Hours(12),
                       /*whole_seconds=*/true);
}

absl::Status VisibilityError(core::ChangeVisibilityOutcome outcome) {
  switch (outcome) {
    case core::ChangeVisibilityOutcome::kChanged:
      break;
    case core::ChangeVisibilityOutcome::kMessageGone:
      return MakeError(ErrorReason::kMessageDoesNotExist,
                       "Message does not exist or is not available for visibility timeout change.");
    case core::ChangeVisibilityOutcome::kBeyondLimit:
      return MakeError(ErrorReason::kInvalidParameterValue,
                       "The new visibility_timeout would keep the message hidden beyond the limit "
                       "[43200 seconds] since it was received.",
                       {{"field", "visibility_timeout"}});
    case core::ChangeVisibilityOutcome::kReceiptExpired:
      return MakeError(ErrorReason::kReceiptHandleExpired, "The receipt handle has expired.",
                       {{"field", "receipt_handle"}});
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ChangeMessageVisibility(Context& context,
                                                  grpc::CallbackServerContext* grpc_context,
                                                  const v1::ChangeMessageVisibilityRequest& request,
                                                  v1::ChangeMessageVisibilityResponse& response) {
  return new ChangeMessageVisibilityCall(context, grpc_context, request);
}

}  // namespace weir::queue::api
