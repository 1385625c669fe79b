#include "bench/queue_client.h"

#include <grpcpp/grpcpp.h>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/grpcx/channel.h"
#include "libs/grpcx/status.h"

namespace weir::bench {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(60);
constexpr int64_t kVisibilitySeconds = 600;

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + kDeadline));
}

}  // namespace

uint64_t IdOfMessage(const std::string& message_id) { return absl::HashOf(message_id) | 1; }

std::vector<std::unique_ptr<queue::v1::QueueService::Stub>> MakeStubs(const Options& options) {
  const std::vector<std::string> targets = absl::StrSplit(options.target, ',');
  std::vector<std::unique_ptr<queue::v1::QueueService::Stub>> stubs;
  for (size_t i = 0; i < static_cast<size_t>(options.channels); ++i) {
    stubs.push_back(queue::v1::QueueService::NewStub(
        grpcx::MakeChannel(targets[i % targets.size()], {.own_connection = true})));
  }
  return stubs;
}

QueueClient::QueueClient(const std::string& target)
    : stub_(queue::v1::QueueService::NewStub(
          grpcx::MakeChannel(target.substr(0, target.find(',')), {.own_connection = true}))) {}

absl::Status QueueClient::Create(const std::string& queue) {
  grpc::ClientContext context;
  SetDeadline(context);
  context.set_wait_for_ready(true);
  queue::v1::CreateQueueRequest request;
  request.mutable_queue()->set_name(queue);
  request.mutable_attributes()->mutable_visibility_timeout()->set_seconds(kVisibilitySeconds);
  queue::v1::CreateQueueResponse response;
  return grpcx::FromGrpcStatus(stub_->CreateQueue(&context, request, &response));
}

absl::Status QueueClient::Delete(const std::string& queue) {
  grpc::ClientContext context;
  SetDeadline(context);
  queue::v1::DeleteQueueRequest request;
  request.mutable_queue()->set_name(queue);
  queue::v1::DeleteQueueResponse response;
  return grpcx::FromGrpcStatus(stub_->DeleteQueue(&context, request, &response));
}

absl::StatusOr<queue::v1::SentMessage> QueueClient::Send(const std::string& queue,
                                                         const std::string& body) {
  grpc::ClientContext context;
  SetDeadline(context);
  queue::v1::SendMessageRequest request;
  request.mutable_queue()->set_name(queue);
  request.mutable_message()->set_body(body);
  queue::v1::SendMessageResponse response;
  WEIR_RETURN_IF_ERROR(grpcx::FromGrpcStatus(stub_->SendMessage(&context, request, &response)));
  return std::move(*response.mutable_message());
}

absl::Status QueueClient::SendBatch(const std::string& queue,
                                    const std::vector<std::string>& bodies) {
  grpc::ClientContext context;
  SetDeadline(context);
  queue::v1::SendMessageBatchRequest request;
  request.mutable_queue()->set_name(queue);
  for (size_t i = 0; i < bodies.size(); ++i) {
    queue::v1::SendMessageBatchEntry& entry = *request.add_entries();
    entry.set_id(absl::StrCat(i));
    entry.mutable_message()->set_body(bodies[i]);
  }
  queue::v1::SendMessageBatchResponse response;
  WEIR_RETURN_IF_ERROR(
      grpcx::FromGrpcStatus(stub_->SendMessageBatch(&context, request, &response)));
  if (response.failed_size() == 0) return absl::OkStatus();
  return absl::InternalError(response.failed(0).message());
}

absl::StatusOr<queue::v1::ReceiveMessagesResponse> QueueClient::Receive(const std::string& queue,
                                                                        absl::Duration wait) {
  grpc::ClientContext context;
  SetDeadline(context);
  queue::v1::ReceiveMessagesRequest request;
  request.mutable_queue()->set_name(queue);
  request.set_max_messages(10);
  request.mutable_wait_time()->set_seconds(absl::ToInt64Seconds(wait));
  queue::v1::ReceiveMessagesResponse response;
  WEIR_RETURN_IF_ERROR(grpcx::FromGrpcStatus(stub_->ReceiveMessages(&context, request, &response)));
  return response;
}

absl::Status QueueClient::DeleteMessages(const std::string& queue,
                                         const std::vector<std::string>& receipts) {
  grpc::ClientContext context;
  SetDeadline(context);
  queue::v1::DeleteMessageBatchRequest request;
  request.mutable_queue()->set_name(queue);
  for (size_t i = 0; i < receipts.size(); ++i) {
    queue::v1::DeleteMessageBatchEntry& entry = *request.add_entries();
    entry.set_id(absl::StrCat(i));
    entry.set_receipt_handle(receipts[i]);
  }
  queue::v1::DeleteMessageBatchResponse response;
  WEIR_RETURN_IF_ERROR(
      grpcx::FromGrpcStatus(stub_->DeleteMessageBatch(&context, request, &response)));
  if (response.failed_size() == 0) return absl::OkStatus();
  return absl::InternalError(response.failed(0).message());
}

}  // namespace weir::bench
