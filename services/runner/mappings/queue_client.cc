#include "services/runner/mappings/queue_client.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/grpcx/channel.h"
#include "libs/grpcx/status.h"
#include "weir/queue/v1/queue_service.grpc.pb.h"

namespace weir::runner::mappings {
namespace {

// Above the wait that a receive asks for: what its answer may take.
constexpr absl::Duration kReceiveSlack = absl::Seconds(10);

class GrpcQueueClient final : public QueueClient {
 public:
  explicit GrpcQueueClient(const std::string& endpoint)
      : endpoint_(endpoint),
        stub_(queue::v1::QueueService::NewStub(
            grpcx::MakeChannel(endpoint, {.own_connection = true}))) {}

  absl::StatusOr<queue::v1::Queue> GetQueue(const queue::v1::QueueRef& queue,
                                            absl::Time deadline) override {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    queue::v1::GetQueueRequest request;
    *request.mutable_queue() = queue;
    queue::v1::GetQueueResponse response;
    WEIR_RETURN_IF_ERROR(Translate(stub_->GetQueue(&context, request, &response)));
    return std::move(*response.mutable_queue());
  }

  absl::StatusOr<std::vector<queue::v1::ReceivedMessage>> Receive(const queue::v1::QueueRef& queue,
                                                                  int max_messages,
                                                                  absl::Duration wait,
                                                                  StopSignal& stop) override {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + wait + kReceiveSlack));
    queue::v1::ReceiveMessagesRequest request;
    *request.mutable_queue() = queue;
    request.set_max_messages(max_messages);
    *request.mutable_wait_time() = google::protobuf::util::TimeUtil::MillisecondsToDuration(
        absl::ToInt64Milliseconds(wait));
    request.add_message_attribute_names("All");
    queue::v1::ReceiveMessagesResponse response;
    grpc::Status status;
    {
      const StopSignal::Hook cancel(stop, [&context] { context.TryCancel(); });
      status = stub_->ReceiveMessages(&context, request, &response);
    }
    WEIR_RETURN_IF_ERROR(Translate(status));
    return std::vector<queue::v1::ReceivedMessage>(
        std::make_move_iterator(response.mutable_messages()->begin()),
        std::make_move_iterator(response.mutable_messages()->end()));
  }

  absl::StatusOr<std::vector<queue::v1::BatchFailure>> Delete(
      const queue::v1::QueueRef& queue, const std::vector<std::string>& handles,
      absl::Time deadline) override {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    queue::v1::DeleteMessageBatchRequest request;
    *request.mutable_queue() = queue;
    for (size_t i = 0; i < handles.size(); ++i) {
      auto& entry = *request.add_entries();
      entry.set_id(absl::StrCat(i));
      entry.set_receipt_handle(handles[i]);
    }
    queue::v1::DeleteMessageBatchResponse response;
    WEIR_RETURN_IF_ERROR(Translate(stub_->DeleteMessageBatch(&context, request, &response)));
    return std::vector<queue::v1::BatchFailure>(response.failed().begin(), response.failed().end());
  }

  absl::Status GiveBack(const queue::v1::QueueRef& queue, const std::vector<std::string>& handles,
                        absl::Time deadline) override {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    queue::v1::ChangeMessageVisibilityBatchRequest request;
    *request.mutable_queue() = queue;
    for (size_t i = 0; i < handles.size(); ++i) {
      auto& entry = *request.add_entries();
      entry.set_id(absl::StrCat(i));
      entry.set_receipt_handle(handles[i]);
      entry.mutable_visibility_timeout();  // zero
    }
    queue::v1::ChangeMessageVisibilityBatchResponse response;
    return Translate(stub_->ChangeMessageVisibilityBatch(&context, request, &response));
  }

 private:
  // The connection's own errors do not say whose they are.
  absl::Status Translate(const grpc::Status& grpc_status) const {
    absl::Status status = grpcx::FromGrpcStatus(grpc_status);
    if (!absl::IsUnavailable(status) || ReasonOf(status) != ErrorReason::kUnspecified) return status;
    return absl::UnavailableError(
        absl::StrCat("The queue service at ", endpoint_, " cannot be reached: ", status.message(), "."));
  }

  const std::string endpoint_;
  const std::unique_ptr<queue::v1::QueueService::Stub> stub_;
};

}  // namespace

std::unique_ptr<QueueClient> MakeGrpcQueueClient(const std::string& endpoint) {
  return std::make_unique<GrpcQueueClient>(endpoint);
}

}  // namespace weir::runner::mappings
