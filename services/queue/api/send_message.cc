#include "services/queue/api/calls.h"
#include "services/queue/api/message_codec.h"
#include "services/queue/api/partitions.h"

namespace weir::queue::api {
namespace {

class SendMessageCall final : public grpcx::UnaryCall {
 public:
  SendMessageCall(Context& context, grpc::CallbackServerContext* grpc_context,
                  const v1::SendMessageRequest& request, v1::SendMessageResponse& response)
      : UnaryCall(grpc_context, context.metrics.Method("SendMessage")) {
    Begin(
        context, [this, &context, &request, &response] { return Submit(context, request, response); },
        [this](const absl::Status& status) { Finish(status); });
  }

 private:
  absl::Status Submit(Context& context, const v1::SendMessageRequest& request,
                      v1::SendMessageResponse& response) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    WEIR_ASSIGN_OR_RETURN(
        core::Send::Message message,
        PrepareMessage(request.message(), queue->record, *response.mutable_message()));
    const core::PartitionAddress& address = queue->record.partitions[PartitionForSend(
        context.engine, *queue, message.content->message_group_id)];
    core::Send send{.partition = address.partition, .config = queue->config};
    send.messages.push_back(std::move(message));
    return context.engine.shard(address.shard)
        .Submit(std::move(send),
                [this, &response, fifo = queue->config->fifo](core::Reply reply) {
                  const auto sent = TakeReply<core::SendReply>(std::move(reply));
                  if (sent.ok() && fifo) FillPlace(*sent, 0, *response.mutable_message());
                  Finish(sent.status());
                  return true;
                })
        .status();
  }
};

}  // namespace

absl::StatusOr<core::Send::Message> PrepareMessage(const v1::OutgoingMessage& message,
                                                   const store::QueueRecord& queue,
                                                   v1::SentMessage& sent, Digests digests) {
  WEIR_RETURN_IF_ERROR(CheckMessage(message, queue.attributes));
  core::Send::Message prepared;
  // In a FIFO queue it is 0, which means the queue's.
  if (message.has_delay() && !queue.attributes.fifo) {
    prepared.delay = absl::Seconds(message.delay().seconds());
  }
  prepared.content = EncodeMessage(message, queue.attributes, /*sender_id=*/"", sent, digests);
  return prepared;
}

void FillPlace(const core::SendReply& reply, size_t i, v1::SentMessage& sent) {
  sent.set_sequence_number(SequenceNumber(reply.seqs[i]));
  if (i < reply.duplicate_of.size() && !reply.duplicate_of[i].empty()) {
    sent.set_message_id(reply.duplicate_of[i]);
  }
}

grpc::ServerUnaryReactor* SendMessage(Context& context, grpc::CallbackServerContext* grpc_context,
                                      const v1::SendMessageRequest& request,
                                      v1::SendMessageResponse& response) {
  return new SendMessageCall(context, grpc_context, request, response);
}

}  // namespace weir::queue::api
