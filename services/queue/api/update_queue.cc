#include "services/queue/api/calls.h"
#include "services/queue/api/queue_codec.h"

namespace weir::queue::api {
namespace {

// Somebody else may change the queue at the same time; then the change is applied to what they made of it.
constexpr int kAttempts = 5;

absl::StatusOr<engine::QueueInfoPtr> Change(Context& context, const v1::UpdateQueueRequest& request,
                                            absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
  WEIR_ASSIGN_OR_RETURN(const store::QueueAttributes wanted,
                        ApplyAttributes(request.attributes(), queue->record.attributes));
  engine::Registry& registry = context.engine.registry();
  if (request.attributes().has_redrive_policy()) {
    WEIR_RETURN_IF_ERROR(CheckRedriveTarget(registry, queue->record.name, wanted));
  }
  WEIR_RETURN_IF_ERROR(CheckPartitionsChange(queue->record.attributes, wanted));
  if (wanted == queue->record.attributes) return queue;
  return registry.Update(*queue, wanted, deadline);
}

absl::Status Run(Context& context, const v1::UpdateQueueRequest& request,
                 v1::UpdateQueueResponse& response, absl::Time deadline) {
  absl::StatusOr<engine::QueueInfoPtr> changed = Change(context, request, deadline);
  for (int i = 1; i < kAttempts && absl::IsAborted(changed.status()); ++i) {
    changed = Change(context, request, deadline);
  }
  WEIR_RETURN_IF_ERROR(changed.status());
  EncodeQueue(**changed, *response.mutable_queue());
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* UpdateQueue(Context& context, grpc::CallbackServerContext* grpc_context,
                                      const v1::UpdateQueueRequest& request,
                                      v1::UpdateQueueResponse& response) {
  return RunBlocking(context, grpc_context, "UpdateQueue", [&](absl::Time deadline) {
    return Run(context, request, response, deadline);
  });
}

}  // namespace weir::queue::api
