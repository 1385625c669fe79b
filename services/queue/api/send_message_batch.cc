#include <vector>

#include "absl/strings/str_cat.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/message_codec.h"
#include "services/queue/api/partitions.h"
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
  using Parts = BatchParts<core::Send>;

  absl::Status Submit(Context& context, const v1::SendMessageBatchRequest& request,
                      v1::SendMessageBatchResponse& response) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    WEIR_RETURN_IF_ERROR(CheckBatch(request.entries()));
    WEIR_RETURN_IF_ERROR(CheckTotalBytes(request));
    WEIR_RETURN_IF_ERROR(CheckGroupsAreGiven(request, queue->record.attributes));
    Parts parts;
    // A standard queue's batch is not spread: so it costs one commit, and is stored as a whole or not at all.
    const size_t whole = queue->config->fifo ? 0 : PartitionForSend(context.engine, *queue, "");
    for (const v1::SendMessageBatchEntry& entry : request.entries()) {
      v1::SentMessage sent;
      absl::StatusOr<core::Send::Message> message =
          PrepareMessage(entry.message(), queue->record, sent);
      if (!message.ok()) {
        FillFailure(entry.id(), message.status(), *response.add_failed());
        continue;
      }
      const size_t partition =
          queue->config->fifo
              ? PartitionForSend(context.engine, *queue, message->content->message_group_id)
              : whole;
      core::Send& send = parts.PartFor(queue->record.partitions[partition], results_.size());
      send.config = queue->config;
      send.messages.push_back(*std::move(message));
      v1::SendMessageBatchResult& result = results_.emplace_back();
      result.set_id(entry.id());
      *result.mutable_message() = std::move(sent);
    }
    if (parts.empty()) {
      Finish(absl::OkStatus());
      return absl::OkStatus();
    }
    auto commands = parts.TakeCommands();
    SubmitAll(context.engine, std::move(commands),
              [this, &response, parts = std::move(parts),
               fifo = queue->config->fifo](std::vector<core::Reply> replies) {
                OnReplies(parts, std::move(replies), fifo, response);
              });
    return absl::OkStatus();
  }

  void OnReplies(const Parts& parts, std::vector<core::Reply> replies, bool fifo,
                 v1::SendMessageBatchResponse& response) {
    std::vector<absl::Status> outcomes(results_.size());
    const absl::Status status = parts.Distribute<core::SendReply>(
        std::move(replies),
        [&](const std::vector<size_t>& entries, const absl::StatusOr<core::SendReply>& reply) {
          for (size_t i = 0; i < entries.size(); ++i) {
            outcomes[entries[i]] = reply.status();
            if (reply.ok() && fifo) FillPlace(*reply, i, *results_[entries[i]].mutable_message());
          }
        });
    for (size_t i = 0; status.ok() && i < results_.size(); ++i) {
      if (outcomes[i].ok()) {
        *response.add_successful() = std::move(results_[i]);
      } else {
        FillFailure(results_[i].id(), outcomes[i], *response.add_failed());
      }
    }
    Finish(status);
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

  std::vector<v1::SendMessageBatchResult> results_;  // of the entries that went to the shards
};

}  // namespace

grpc::ServerUnaryReactor* SendMessageBatch(Context& context,
                                           grpc::CallbackServerContext* grpc_context,
                                           const v1::SendMessageBatchRequest& request,
                                           v1::SendMessageBatchResponse& response) {
  return new SendMessageBatchCall(context, grpc_context, request, response);
}

}  // namespace weir::queue::api
