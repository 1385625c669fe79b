#include "services/queue/api/calls.h"
#include "services/queue/api/change_queue.h"
#include "services/queue/api/queue_codec.h"

namespace weir::queue::api {
namespace {

absl::StatusOr<store::QueueAttributes> Wanted(Context& context, const v1::UpdateQueueRequest& request,
                                              const engine::QueueInfo& queue) {
  WEIR_ASSIGN_OR_RETURN(store::QueueAttributes wanted,
                        ApplyAttributes(request.attributes(), queue.record.attributes));
  if (request.attributes().has_redrive_policy()) {
    WEIR_RETURN_IF_ERROR(CheckRedriveTarget(context.engine.registry(), queue.record.name, wanted));
  }
  WEIR_RETURN_IF_ERROR(CheckPartitionsChange(queue.record.attributes, wanted));
  return wanted;
}

}  // namespace

grpc::ServerUnaryReactor* UpdateQueue(Context& context, grpc::CallbackServerContext* grpc_context,
                                      const v1::UpdateQueueRequest& request,
                                      v1::UpdateQueueResponse& response) {
  return RunBlocking(context, grpc_context, "UpdateQueue", [&](absl::Time deadline) -> absl::Status {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr changed,
                          ChangeAttributes(context, request.queue(), deadline, [&](const engine::QueueInfo& queue) {
                            return Wanted(context, request, queue);
                          }));
    EncodeQueue(*changed, *response.mutable_queue());
    return absl::OkStatus();
  });
}

}  // namespace weir::queue::api
