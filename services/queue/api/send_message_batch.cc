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
    if (absl::Status status = Submit(context, request, response); !status.ok()) Finish(status);
  }

 private:
  absl::Status Submit(Context& context, const v1::SendMessageBatchRequest& request,
                      v1::SendMessageBatchResponse& response) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    WEIR_RETURN_IF_ERROR(CheckBatch(request.entries()));
    WEIR_RETURN_IF_ERROR(CheckTotalBytes(request));
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
                [this](core::Reply reply) {
                  Finish(TakeReply<core::SendReply>(std::move(reply)).status());
                  return true;
                })
        .status();
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
