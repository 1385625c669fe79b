#include <algorithm>
#include <atomic>

#include "absl/strings/str_cat.h"
#include "libs/grpcx/peer.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/message_codec.h"
#include "services/queue/api/receipt_handle.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

constexpr int32_t kMaxMessages = 10;
constexpr absl::Duration kMaxWait = absl::Seconds(20);

// A long poll holds no thread: it is parked in the queue's shards until messages come, its time is over or its client goes away.
class ReceiveMessagesCall final : public grpcx::UnaryCall {
 public:
  ReceiveMessagesCall(Context& context, grpc::CallbackServerContext* grpc_context,
                      const v1::ReceiveMessagesRequest& request,
                      v1::ReceiveMessagesResponse& response)
      : UnaryCall(grpc_context, context.metrics.Method("ReceiveMessages")),
        context_(context),
        request_(request),
        response_(response),
        consumer_(grpcx::PeerName(grpc_context->peer())) {
    Begin(
        context, [this] { return std::exchange(tried_, true) ? SubmitAgain() : Submit(); },
        [this](const absl::Status& status) { Finish(status); });
  }

 private:
  using Received = absl::StatusOr<std::vector<engine::PartitionMessages>>;

  absl::Status Submit() {
    WEIR_ASSIGN_OR_RETURN(queue_, FindQueue(context_, request_.queue()));
    WEIR_ASSIGN_OR_RETURN(core::Receive receive, Command());
    // The reply may have come already; gRPC keeps this object until the handler has returned.
    receive_ = context_.engine.Receive(*queue_, std::move(receive),
                                       [this](Received received) { return OnReceived(std::move(received)); });
    return absl::OkStatus();
  }

  // After the queue was looked for. The handler has returned, so nothing may be touched after the submit: this receive cannot be
  // cancelled, but gives its messages back if its client is gone.
  absl::Status SubmitAgain() {
    WEIR_ASSIGN_OR_RETURN(queue_, FindQueue(context_, request_.queue()));
    WEIR_ASSIGN_OR_RETURN(core::Receive receive, Command());
    context_.engine.Receive(*queue_, std::move(receive),
                            [this](Received received) { return OnReceived(std::move(received)); });
    return absl::OkStatus();
  }

  absl::StatusOr<core::Receive> Command() const {
    core::Receive receive{.partition = {}, .config = nullptr, .consumer = consumer_};
    WEIR_ASSIGN_OR_RETURN(receive.attempt_id, AttemptId());
    if (request_.has_max_messages()) {
      receive.max_messages = request_.max_messages();
      if (receive.max_messages < 1 || receive.max_messages > kMaxMessages) {
        return MakeError(ErrorReason::kInvalidParameterValue,
                         absl::StrCat("Value ", receive.max_messages,
                                      " for max_messages is invalid: must be between 1 and ",
                                      kMaxMessages, ", if provided."),
                         {{"field", "max_messages"}});
      }
    }
    if (request_.has_visibility_timeout()) {
      WEIR_ASSIGN_OR_RETURN(receive.visibility_timeout,
                            CheckDuration(request_.visibility_timeout(), "visibility_timeout",
                                          absl::ZeroDuration(), absl::Hours(12),
                                          /*whole_seconds=*/true));
    }
    absl::Duration wait = queue_->record.attributes.receive_wait_time;
    if (request_.has_wait_time()) {
      WEIR_ASSIGN_OR_RETURN(wait, CheckDuration(request_.wait_time(), "wait_time",
                                                absl::ZeroDuration(), kMaxWait,
                                                /*whole_seconds=*/false));
    }
    if (wait > absl::ZeroDuration()) receive.wait_until = context_.engine.Now() + wait;
    return receive;
  }

  absl::StatusOr<std::string> AttemptId() const {
    const std::string& id = request_.receive_request_attempt_id();
    if (id.empty()) return id;
    if (!queue_->config->fifo) {
      return MakeError(ErrorReason::kInvalidParameterValue,
                       absl::StrCat("Value \"", id,
                                    "\" for receive_request_attempt_id is invalid: only FIFO queues know "
                                    "attempts; leave it empty."),
                       {{"field", "receive_request_attempt_id"}});
    }
    WEIR_RETURN_IF_ERROR(CheckToken(id, "receive_request_attempt_id"));
    return id;
  }

  // On a shard's thread. False: the client is gone, and its messages go back.
  bool OnReceived(Received received) {
    if (cancelled_.load()) {
      Finish(absl::CancelledError("The client cancelled the call."));
      return false;
    }
    if (received.ok()) {
      for (const engine::PartitionMessages& messages : *received) Encode(messages);
    }
    Finish(received.status());
    return true;
  }

  void Encode(const engine::PartitionMessages& received) {
    for (const core::ReceivedMessage& message : received.messages) {
      v1::ReceivedMessage& out = *response_.add_messages();
      DecodeMessage(message, request_.message_attribute_names(), queue_->record.name.account, out);
      out.set_receipt_handle(
          FormatReceiptHandle({received.address.shard,
                               received.address.partition,
                               {message.seq, message.receive_count}}));
    }
  }

  // After the handler has returned.
  void OnCancel() override {
    cancelled_.store(true);
    if (receive_ != nullptr) receive_->Cancel();
  }

  Context& context_;
  const v1::ReceiveMessagesRequest& request_;
  v1::ReceiveMessagesResponse& response_;
  const std::string consumer_;
  engine::QueueInfoPtr queue_;
  bool tried_ = false;
  std::shared_ptr<engine::PartitionedReceive> receive_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace

grpc::ServerUnaryReactor* ReceiveMessages(Context& context,
                                          grpc::CallbackServerContext* grpc_context,
                                          const v1::ReceiveMessagesRequest& request,
                                          v1::ReceiveMessagesResponse& response) {
  return new ReceiveMessagesCall(context, grpc_context, request, response);
}

}  // namespace weir::queue::api
