#include "services/queue/api/calls.h"

namespace weir::queue::api {

grpc::ServerUnaryReactor* DeleteQueue(Context& context, grpc::CallbackServerContext* grpc_context,
                                      const v1::DeleteQueueRequest& request,
                                      v1::DeleteQueueResponse& response) {
  return RunBlocking(context, grpc_context, "DeleteQueue", [&](absl::Time deadline) -> absl::Status {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    return context.engine.DeleteQueue(*queue, deadline);
  });
}

}  // namespace weir::queue::api
