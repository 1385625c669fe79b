#include "absl/strings/str_cat.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/receipt_handle.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

class DeleteMessageCall final : public grpcx::UnaryCall {
 public:
  DeleteMessageCall(Context& context, grpc::CallbackServerContext* grpc_context,
                    const v1::DeleteMessageRequest& request)
      : UnaryCall(grpc_context, context.metrics.Method("DeleteMessage")) {
    Begin(
        context, [this, &context, &request] { return Submit(context, request); },
        [this](const absl::Status& status) { Finish(status); });
  }

 private:
  absl::Status Submit(Context& context, const v1::DeleteMessageRequest& request) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    WEIR_ASSIGN_OR_RETURN(const LocatedReceipt located,
                          CheckReceiptHandle(request.receipt_handle(), *queue));
    return context.engine.shard(located.address.shard)
        .Submit(core::Delete{located.address.partition, {located.receipt}},
                [this, &request](core::Reply reply) {
                  const auto deleted = TakeReply<core::DeleteReply>(std::move(reply));
                  Finish(deleted.ok() ? DeleteError(deleted->outcomes.front(), request.receipt_handle())
                                      : deleted.status());
                  return true;
                })
        .status();
  }
};

}  // namespace

absl::StatusOr<LocatedReceipt> CheckReceiptHandle(absl::string_view handle,
                                                  const engine::QueueInfo& queue) {
  if (handle.empty()) return MissingParameter("receipt_handle");
  const std::optional<ReceiptHandle> parsed = ParseReceiptHandle(handle);
  if (parsed.has_value()) {
    for (const core::PartitionAddress& address : queue.record.partitions) {
      if (address.partition == parsed->partition) return LocatedReceipt{address, parsed->receipt};
    }
  }
  return MakeError(
      ErrorReason::kReceiptHandleInvalid,
      absl::StrCat("The input receipt handle \"", handle, "\" is not a valid receipt handle",
                   parsed.has_value() ? absl::StrCat(" of queue ", queue.record.name.name) : "", "."),
      {{"field", "receipt_handle"}});
}

absl::Status DeleteError(core::DeleteOutcome outcome, absl::string_view handle) {
  // All others are successes: the message is gone, or a newer receiver has it.
  if (outcome != core::DeleteOutcome::kReceiptExpired) return absl::OkStatus();
  return MakeError(ErrorReason::kReceiptHandleExpired,
                   absl::StrCat("Value \"", handle,
                                "\" for receipt_handle is invalid: the receipt handle has expired."),
                   {{"field", "receipt_handle"}});
}

grpc::ServerUnaryReactor* DeleteMessage(Context& context, grpc::CallbackServerContext* grpc_context,
                                        const v1::DeleteMessageRequest& request,
                                        v1::DeleteMessageResponse& response) {
  return new DeleteMessageCall(context, grpc_context, request);
}

}  // namespace weir::queue::api
