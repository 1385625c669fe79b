#include "services/queue/api/calls.h"
#include "services/queue/api/queue_codec.h"

namespace weir::queue::api {

grpc::ServerUnaryReactor* GetQueue(Context& context, grpc::CallbackServerContext* grpc_context,
                                   const v1::GetQueueRequest& request,
                                   v1::GetQueueResponse& response) {
  return RunBlocking(context, grpc_context, "GetQueue", [&](absl::Time deadline) -> absl::Status {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    WEIR_ASSIGN_OR_RETURN(const core::PartitionStats stats, context.engine.Stats(*queue, deadline));
    EncodeQueue(*queue, *response.mutable_queue());
    EncodeStats(stats, context.clock.Now(), *response.mutable_queue()->mutable_stats());
    return absl::OkStatus();
  });
}

}  // namespace weir::queue::api
