#include <string>
#include <vector>

#include "services/queue/api/calls.h"
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
  absl::Status Submit(Context& context, const v1::ChangeMessageVisibilityBatchRequest& request) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    WEIR_RETURN_IF_ERROR(CheckBatch(request.entries()));
    core::ChangeVisibility command{.partition = queue->address.partition};
    for (const auto& entry : request.entries()) {
      const auto checked = CheckEntry(entry, *queue);
      if (checked.ok()) {
        command.entries.push_back(*checked);
        ids_.push_back(entry.id());
      } else {
        FillFailure(entry.id(), checked.status(), *response_.add_failed());
      }
    }
    if (command.entries.empty()) {
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

  static absl::StatusOr<core::ChangeVisibility::Entry> CheckEntry(
      const v1::ChangeMessageVisibilityBatchEntry& entry, const engine::QueueInfo& queue) {
    core::ChangeVisibility::Entry checked;
    WEIR_ASSIGN_OR_RETURN(checked.receipt, CheckReceiptHandle(entry.receipt_handle(), queue));
    WEIR_ASSIGN_OR_RETURN(checked.timeout, CheckNewVisibility(entry.has_visibility_timeout(),
                                                              entry.visibility_timeout()));
    return checked;
  }

  void OnReply(core::Reply reply) {
    const auto changed = TakeReply<core::ChangeVisibilityReply>(std::move(reply));
    if (changed.ok()) {
      for (size_t i = 0; i < ids_.size(); ++i) {
        const absl::Status status = VisibilityError(changed->outcomes[i]);
        if (status.ok()) {
          response_.add_successful()->set_id(ids_[i]);
        } else {
          FillFailure(ids_[i], status, *response_.add_failed());
        }
      }
    }
    Finish(changed.status());
  }

  v1::ChangeMessageVisibilityBatchResponse& response_;
  std::vector<std::string> ids_;  // of the entries that went to the shard
};

}  // namespace

grpc::ServerUnaryReactor* ChangeMessageVisibilityBatch(
    Context& context, grpc::CallbackServerContext* grpc_context,
    const v1::ChangeMessageVisibilityBatchRequest& request,
    v1::ChangeMessageVisibilityBatchResponse& response) {
  return new ChangeMessageVisibilityBatchCall(context, grpc_context, request, response);
}

}  // namespace weir::queue::api
