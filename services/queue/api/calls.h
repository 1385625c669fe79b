// One function a call: starts it and answers the reactor that gRPC drives. Each is defined in a file of its own name.
//
// `request` and `response` live until the reactor is done.
#pragma once

#include "services/queue/api/call.h"
#include "services/queue/api/message_codec.h"
#include "weir/queue/v1/queue_service.grpc.pb.h"

namespace weir::queue::api {

#define WEIR_QUEUE_CALLS(X)      \
  X(CreateQueue)                 \
  X(GetQueue)                    \
  X(ListQueues)                  \
  X(UpdateQueue)                 \
  X(DeleteQueue)                 \
  X(PurgeQueue)                  \
  X(SendMessage)                 \
  X(SendMessageBatch)            \
  X(ReceiveMessages)             \
  X(DeleteMessage)               \
  X(DeleteMessageBatch)          \
  X(ChangeMessageVisibility)     \
  X(ChangeMessageVisibilityBatch)\
  X(ListDeadLetterSourceQueues)  \
  X(StartMessageMoveTask)        \
  X(ListMessageMoveTasks)        \
  X(CancelMessageMoveTask)       \
  X(PeekMessages)                \
  X(TraceMessage)                \
  X(TagQueue)                    \
  X(UntagQueue)                  \
  X(AddPermission)               \
  X(RemovePermission)            \
  X(ListMessageGroups)

#define WEIR_DECLARE_CALL(Name)                                                          \
  grpc::ServerUnaryReactor* Name(Context& context, grpc::CallbackServerContext* grpc_context, \
                                 const v1::Name##Request& request, v1::Name##Response& response);
WEIR_QUEUE_CALLS(WEIR_DECLARE_CALL)
#undef WEIR_DECLARE_CALL

grpc::ServerBidiReactor<v1::ProduceRequest, v1::ProduceResponse>* Produce(
    Context& context, grpc::CallbackServerContext* grpc_context);
grpc::ServerBidiReactor<v1::ConsumeRequest, v1::ConsumeResponse>* Consume(
    Context& context, grpc::CallbackServerContext* grpc_context);

// Shared by SendMessage, SendMessageBatch and Produce: checks one message, encodes it, fills in the answer to its sender.
absl::StatusOr<core::Send::Message> PrepareMessage(const v1::OutgoingMessage& message,
                                                   const store::QueueRecord& queue,
                                                   v1::SentMessage& sent,
                                                   Digests digests = Digests::kComputed);

// Fills in what the answer to the sender of a FIFO queue's message says of its place: that of the first message, for a duplicate. `i`
// counts the messages of the command.
void FillPlace(const core::SendReply& reply, size_t i, v1::SentMessage& sent);

// Shared by the calls that take receipt handles: the receipt and where it is from, if the handle is one of `queue`.
struct LocatedReceipt {
  core::PartitionAddress address;
  core::Receipt receipt;
};
absl::StatusOr<LocatedReceipt> CheckReceiptHandle(absl::string_view handle,
                                                  const engine::QueueInfo& queue);

// What one entry's outcome is on the wire.
void FillFailure(absl::string_view id, const absl::Status& status, v1::BatchFailure& failure);
absl::Status DeleteError(core::DeleteOutcome outcome, absl::string_view handle);
absl::Status VisibilityError(core::ChangeVisibilityOutcome outcome);
// Required, 0 s to 12 h.
absl::StatusOr<absl::Duration> CheckNewVisibility(bool is_set,
                                                  const google::protobuf::Duration& timeout);

}  // namespace weir::queue::api
