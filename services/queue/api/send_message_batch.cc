#include <vector>

#include "absl/strings/str_cat.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/message_codec.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

class SendMessageBatchCall final : public grpcx::UnaryCall {
 public:
  SendMessageBatchCall(Context& context, grpc::CallbackServerContext* grpc_context,
                       const v1::SendMessageBatchRequest& request,
                       v1::SendMessageBatchResponse& response)
      : UnaryCall(grpc_context, context.metrics.Method("SendMessageBatch")) {
    Begin(
        context, [this, &context, &request, &response] { return Submit(context, request, response); },
        [this](const absl::Status& status) { Finish(status); });
  }

 private:
  absl::Status Submit(Context& context, const v1::SendMessageBatchRequest& request,
                      v1::SendMessageBatchResponse& response) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    WEIR_RETURN_IF_ERROR(CheckBatch(request.entries()));
    WEIR_RETURN_IF_ERROR(CheckTotalBytes(request));
    WEIR_RETURN_IF_ERROR(CheckGroupsAreGiven(request, queue->record.attributes));
    core::Send send{.partition = queue->address.partition, .config = queue->config};
    for (const v1::SendMessageBatchEntry& entry : request.entries()) {
      v1::SentMessage sent;
      absl::StatusOr<core::Send::Message> message =
          PrepareMessage(entry.message(), queue->record, sent);
      if (!message.ok()) {
        FillFailure(entry.id(), message.status(), *response.add_failed());
        continue;
      }
      send.messages.push_back(*std::move(message));
      v1::SendMessageBatchResult& result = *response.add_successful();
      result.set_id(entry.id());
      *result.mutable_message() = std::move(sent);
    }
    if (send.messages.empty()) {
      Finish(absl::OkStatus());
      return absl::OkStatus();
    }
    return context.engine.shard(queue->address.shard)
        .Submit(std::move(send),
                [this, &response, fifo = queue->config->fifo](core::Reply reply) {
                  const auto sent = TakeReply<core::SendReply>(std::move(reply));
                  for (int i = 0; sent.ok() && fifo && i < response.successful_size(); ++i) {
                    FillPlace(*sent, static_cast<size_t>(i),
                              *response.mutable_successful(i)->mutable_message());
                  }
                  Finish(sent.status());
                  return true;
                })
        .status();
  }

  // What a FIFO queue requires of every message is missing from the whole batch, as in SQS; what is wrong with one entry is its own.
  static absl::Status CheckGroupsAreGiven(const v1::SendMessageBatchRequest& request,
                                          const store::QueueAttributes& queue) {
    if (!queue.fifo) return absl::OkStatus();
    for (const v1::SendMessageBatchEntry& entry : request.entries()) {
      if (entry.message().message_group_id().empty()) {
        return MakeError(ErrorReason::kInvalidParameterValue,
                         absl::StrCat("The request must contain the parameter message_group_id in every "
                                      "entry; entry ",
                                      entry.id(), " has none."),
                         {{"field", "message.message_group_id"}, {"id", entry.id()}});
      }
      if (entry.message().message_deduplication_id().empty() && !queue.content_based_deduplication) {
        return MakeError(ErrorReason::kInvalidParameterValue,
                         absl::StrCat("The queue should either have content_based_deduplication enabled or "
                                      "message_deduplication_id provided explicitly; entry ",
                                      entry.id(), " has none."),
                         {{"field", "message.message_deduplication_id"}, {"id", entry.id()}});
      }
    }
    return absl::OkStatus();
  }

  static absl::Status CheckTotalBytes(const v1::SendMessageBatchRequest& request) {
    size_t bytes = 0;
    for (const v1::SendMessageBatchEntry& entry : request.entries()) {
      bytes += MessageBytes(entry.message());
    }
    if (bytes <= kBatchBytesMax) return absl::OkStatus();
    return MakeError(ErrorReason::kBatchTooLong,
                     absl::StrCat("Batch requests cannot be longer than ", kBatchBytesMax,
                                  " bytes. You have sent ", bytes, " bytes."));
  }
};

}  // namespace

grpc::ServerUnaryReactor* SendMessageBatch(Context& context,
                                           grpc::CallbackServerContext* grpc_context,
                                           const v1::SendMessageBatchRequest& request,
                                           v1::SendMessageBatchResponse& response) {
  return new SendMessageBatchCall(context, grpc_context, request, response);
}

}  // namespace weir::queue::api
