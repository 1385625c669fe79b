#include <string>
#include <vector>

#include "services/queue/api/calls.h"
#include "services/queue/api/partitions.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

class ChangeMessageVisibilityBatchCall final : public grpcx::UnaryCall {
 public:
  ChangeMessageVisibilityBatchCall(Context& context, grpc::CallbackServerContext* grpc_context,
                                   const v1::ChangeMessageVisibilityBatchRequest& request,
                                   v1::ChangeMessageVisibilityBatchResponse& response)
      : UnaryCall(grpc_context, context.metrics.Method("ChangeMessageVisibilityBatch")),
        response_(response) {
    Begin(
        context, [this, &context, &request] { return Submit(context, request); },
        [this](const absl::Status& status) { Finish(status); });
  }

 private:
  using Parts = BatchParts<core::ChangeVisibility>;

  absl::Status Submit(Context& context, const v1::ChangeMessageVisibilityBatchRequest& request) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    WEIR_RETURN_IF_ERROR(CheckBatch(request.entries()));
    Parts parts;
    for (const auto& entry : request.entries()) {
      const absl::Status added = AddEntry(entry, *queue, parts);
      if (added.ok()) {
        ids_.push_back(entry.id());
      } else {
        FillFailure(entry.id(), added, *response_.add_failed());
      }
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

  absl::Status AddEntry(const v1::ChangeMessageVisibilityBatchEntry& entry,
                        const engine::QueueInfo& queue, Parts& parts) const {
    WEIR_ASSIGN_OR_RETURN(const LocatedReceipt located,
                          CheckReceiptHandle(entry.receipt_handle(), queue));
    WEIR_ASSIGN_OR_RETURN(const absl::Duration timeout,
                          CheckNewVisibility(entry.has_visibility_timeout(),
                                             entry.visibility_timeout()));
    parts.PartFor(located.address, ids_.size()).entries.push_back({located.receipt, timeout});
    return absl::OkStatus();
  }

  void OnReplies(const Parts& parts, std::vector<core::Reply> replies) {
    std::vector<absl::Status> outcomes(ids_.size());
    const absl::Status status = parts.Distribute<core::ChangeVisibilityReply>(
        std::move(replies), [&](const std::vector<size_t>& entries,
                                const absl::StatusOr<core::ChangeVisibilityReply>& reply) {
          for (size_t i = 0; i < entries.size(); ++i) {
            outcomes[entries[i]] = reply.ok() ? VisibilityError(reply->outcomes[i]) : reply.status();
          }
        });
    for (size_t i = 0; status.ok() && i < ids_.size(); ++i) {
      if (outcomes[i].ok()) {
        response_.add_successful()->set_id(ids_[i]);
      } else {
        FillFailure(ids_[i], outcomes[i], *response_.add_failed());
      }
    }
    Finish(status);
  }

  v1::ChangeMessageVisibilityBatchResponse& response_;
  std::vector<std::string> ids_;  // of the entries that went to the shards
};

}  // namespace

grpc::ServerUnaryReactor* ChangeMessageVisibilityBatch(
    Context& context, grpc::CallbackServerContext* grpc_context,
    const v1::ChangeMessageVisibilityBatchRequest& request,
    v1::ChangeMessageVisibilityBatchResponse& response) {
  return new ChangeMessageVisibilityBatchCall(context, grpc_context, request, response);
}

}  // namespace weir::queue::api
