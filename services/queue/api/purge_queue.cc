#include "services/queue/api/calls.h"

namespace weir::queue::api {
namespace {

class PurgeQueueCall final : public grpcx::UnaryCall {
 public:
  PurgeQueueCall(Context& context, grpc::CallbackServerContext* grpc_context,
                 const v1::PurgeQueueRequest& request, v1::PurgeQueueResponse& response)
      : UnaryCall(grpc_context, context.metrics.Method("PurgeQueue")) {
    if (absl::Status status = Submit(context, request, response); !status.ok()) Finish(status);
  }

 private:
  absl::Status Submit(Context& context, const v1::PurgeQueueRequest& request,
                      v1::PurgeQueueResponse& response) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    return context.engine.shard(queue->address.shard)
        .Submit(core::Purge{queue->address.partition},
                [this, &response](core::Reply reply) {
                  const auto purged = TakeReply<core::PurgeReply>(std::move(reply));
                  if (purged.ok()) response.set_removed_messages(purged->removed);
                  Finish(purged.status());
                  return true;
                })
        .status();
  }
};

}  // namespace

grpc::ServerUnaryReactor* PurgeQueue(Context& context, grpc::CallbackServerContext* grpc_context,
                                     const v1::PurgeQueueRequest& request,
                                     v1::PurgeQueueResponse& response) {
  return new PurgeQueueCall(context, grpc_context, request, response);
}

}  // namespace weir::queue::api
