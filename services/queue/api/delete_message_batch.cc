#include <vector>

#include "services/queue/api/calls.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

class DeleteMessageBatchCall final : public grpcx::UnaryCall {
 public:
  DeleteMessageBatchCall(Context& context, grpc::CallbackServerContext* grpc_context,
                         const v1::DeleteMessageBatchRequest& request,
                         v1::DeleteMessageBatchResponse& response)
      : UnaryCall(grpc_context, context.metrics.Method("DeleteMessageBatch")), response_(response) {
    Begin(
        context, [this, &context, &request] { return Submit(context, request); },
        [this](const absl::Status& status) { Finish(status); });
  }

 private:
  absl::Status Submit(Context& context, const v1::DeleteMessageBatchRequest& request) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    WEIR_RETURN_IF_ERROR(CheckBatch(request.entries()));
    core::Delete command{.partition = queue->address.partition};
    for (const v1::DeleteMessageBatchEntry& entry : request.entries()) {
      const absl::StatusOr<core::Receipt> receipt =
          CheckReceiptHandle(entry.receipt_handle(), *queue);
      if (!receipt.ok()) {
        FillFailure(entry.id(), receipt.status(), *response_.add_failed());
        continue;
      }
      command.receipts.push_back(*receipt);
      entries_.push_back(&entry);
    }
    if (command.receipts.empty()) {
      Finish(absl::OkStatus());
      return absl::OkStatus();
    }
    return context.engine.shard(queue->address.shard)
        .Submit(std::move(command),
                [this](core::Reply reply) {
                  OnReply(std::move(reply));
                  return true;
                })
        .status();
  }

  void OnReply(core::Reply reply) {
    const auto deleted = TakeReply<core::DeleteReply>(std::move(reply));
    for (size_t i = 0; deleted.ok() && i < entries_.size(); ++i) {
      const absl::Status status = DeleteError(deleted->outcomes[i], entries_[i]->receipt_handle());
      if (status.ok()) {
        response_.add_successful()->set_id(entries_[i]->id());
      } else {
        FillFailure(entries_[i]->id(), status, *response_.add_failed());
      }
    }
    Finish(deleted.status());
  }

  v1::DeleteMessageBatchResponse& response_;
  std::vector<const v1::DeleteMessageBatchEntry*> entries_;  // those that went to the shard
};

}  // namespace

grpc::ServerUnaryReactor* DeleteMessageBatch(Context& context,
                                             grpc::CallbackServerContext* grpc_context,
                                             const v1::DeleteMessageBatchRequest& request,
                                             v1::DeleteMessageBatchResponse& response) {
  return new DeleteMessageBatchCall(context, grpc_context, request, response);
}

}  // namespace weir::queue::api
