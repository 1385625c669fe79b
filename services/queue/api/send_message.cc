#include "services/queue/api/calls.h"
#include "services/queue/api/message_codec.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

class SendMessageCall final : public grpcx::UnaryCall {
 public:
  SendMessageCall(Context& context, grpc::CallbackServerContext* grpc_context,
                  const v1::SendMessageRequest& request, v1::SendMessageResponse& response)
      : UnaryCall(grpc_context, context.metrics.Method("SendMessage")) {
    if (absl::Status status = Submit(context, request, response); !status.ok()) Finish(status);
  }

 private:
  absl::Status Submit(Context& context, const v1::SendMessageRequest& request,
                      v1::SendMessageResponse& response) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    const store::QueueRecord& record = queue->record;
    core::Send send{.partition = queue->address.partition, .config = queue->config};
    WEIR_ASSIGN_OR_RETURN(
        core::Send::Message message,
        PrepareMessage(request.message(), record, *response.mutable_message()));
    send.messages.push_back(std::move(message));
    return context.engine.shard(queue->address.shard)
        .Submit(std::move(send),
                [this](core::Reply reply) {
                  Finish(TakeReply<core::SendReply>(std::move(reply)).status());
                  return true;
                })
        .status();
  }
};

}  // namespace

absl::StatusOr<core::Send::Message> PrepareMessage(const v1::OutgoingMessage& message,
                                                   const store::QueueRecord& queue,
                                                   v1::SentMessage& sent) {
  WEIR_RETURN_IF_ERROR(
      CheckMessage(message, static_cast<size_t>(queue.attributes.maximum_message_bytes)));
  core::Send::Message prepared;
  if (message.has_delay()) {
    WEIR_ASSIGN_OR_RETURN(prepared.delay,
                          CheckDuration(message.delay(), "message.delay", absl::ZeroDuration(),
                                        absl::Minutes(15), /*whole_seconds=*/true));
  }
  prepared.content = EncodeMessage(message, /*sender_id=*/"", sent);
  return prepared;
}

grpc::ServerUnaryReactor* SendMessage(Context& context, grpc::CallbackServerContext* grpc_context,
                                      const v1::SendMessageRequest& request,
                                      v1::SendMessageResponse& response) {
  return new SendMessageCall(context, grpc_context, request, response);
}

}  // namespace weir::queue::api
