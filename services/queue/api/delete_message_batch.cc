#include <vector>

#include "services/queue/api/calls.h"
#include "services/queue/api/partitions.h"
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
    BatchParts<core::Delete> parts;
    for (const v1::DeleteMessageBatchEntry& entry : request.entries()) {
      const absl::StatusOr<LocatedReceipt> located =
          CheckReceiptHandle(entry.receipt_handle(), *queue);
      if (!located.ok()) {
        FillFailure(entry.id(), located.status(), *response_.add_failed());
        continue;
      }
      parts.PartFor(located->address, entries_.size()).receipts.push_back(located->receipt);
      entries_.push_back(&entry);
    }
    if (parts.empty()) {
      Finish(absl::OkStatus());
      return absl::OkStatus();
    }
    auto commands = parts.TakeCommands();
    SubmitAll(context.engine, std::move(commands),
              [this, parts = std::move(parts)](std::vector<core::Reply> replies) {
                OnReplies(parts, std::move(replies));
              });
    return absl::OkStatus();
  }

  void OnReplies(const BatchParts<core::Delete>& parts, std::vector<core::Reply> replies) {
    std::vector<absl::Status> outcomes(entries_.size());
    const absl::Status status = parts.Distribute<core::DeleteReply>(
        std::move(replies),
        [&](const std::vector<size_t>& entries, const absl::StatusOr<core::DeleteReply>& reply) {
          for (size_t i = 0; i < entries.size(); ++i) {
            const size_t entry = entries[i];
            outcomes[entry] = reply.ok() ? DeleteError(reply->outcomes[i], entries_[entry]->receipt_handle())
                                         : reply.status();
          }
        });
    for (size_t i = 0; status.ok() && i < entries_.size(); ++i) {
      if (outcomes[i].ok()) {
        response_.add_successful()->set_id(entries_[i]->id());
      } else {
        FillFailure(entries_[i]->id(), outcomes[i], *response_.add_failed());
      }
    }
    Finish(status);
  }

  v1::DeleteMessageBatchResponse& response_;
  std::vector<const v1::DeleteMessageBatchEntry*> entries_;  // those that went to the shards
};

}  // namespace

grpc::ServerUnaryReactor* DeleteMessageBatch(Context& context,
                                             grpc::CallbackServerContext* grpc_context,
                                             const v1::DeleteMessageBatchRequest& request,
                                             v1::DeleteMessageBatchResponse& response) {
  return new DeleteMessageBatchCall(context, grpc_context, request, response);
}

}  // namespace weir::queue::api
