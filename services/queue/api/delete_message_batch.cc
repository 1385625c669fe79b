#include "services/queue/api/calls.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

class DeleteMessageBatchCall final : public grpcx::UnaryCall {
 public:
  DeleteMessageBatchCall(Context& context, grpc::CallbackServerContext* grpc_context,
                         const v1::DeleteMessageBatchRequest& request,
                         v1::DeleteMessageBatchResponse& response)
      : UnaryCall(grpc_context, context.metrics.Method("DeleteMessageBatch")) {
    if (absl::Status status = Submit(context, request, response); !status.ok()) Finish(status);
  }

 private:
  absl::Status Submit(Context& context, const v1::DeleteMessageBatchRequest& request,
                      v1::DeleteMessageBatchResponse& response) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    WEIR_RETURN_IF_ERROR(CheckBatch(request.entries()));
    core::Delete command{.partition = queue->address.partition};
    for (const v1::DeleteMessageBatchEntry& entry : request.entries()) {
      const absl::StatusOr<core::Receipt> receipt =
          CheckReceiptHandle(entry.receipt_handle(), *queue);
      if (!receipt.ok()) {
        FillFailure(entry.id(), receipt.status(), *response.add_failed());
        continue;
      }
      command.receipts.push_back(*receipt);
      response.add_successful()->set_id(entry.id());
    }
    if (command.receipts.empty()) {
      Finish(absl::OkStatus());
      return absl::OkStatus();
    }
    return context.engine.shard(queue->address.shard)
        .Submit(std::move(command),
                [this](core::Reply reply) {
                  Finish(TakeReply<core::DeleteReply>(std::move(reply)).status());
                  return true;
                })
        .status();
  }
};

}  // namespace

grpc::ServerUnaryReactor* DeleteMessageBatch(Context& context,
                                             grpc::CallbackServerContext* grpc_context,
                                             const v1::DeleteMessageBatchRequest& request,
                                             v1::DeleteMessageBatchResponse& response) {
  return new DeleteMessageBatchCall(context, grpc_context, request, response);
}

}  // namespace weir::queue::api
