#include "services/gateway/sqs/sqs_service.h"

#include <grpcpp/grpcpp.h>

#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/grpcx/status.h"
#include "services/gateway/sqs/auto_create.h"
#include "services/gateway/sqs/errors.h"
#include "services/gateway/sqs/foreign_queue.h"
#include "services/gateway/sqs/message_operations.h"
#include "services/gateway/sqs/move_operations.h"
#include "services/gateway/sqs/queue_name.h"
#include "services/gateway/sqs/queue_operations.h"
#include "services/gateway/sqs/running_calls.h"
#include "services/gateway/sqs/shapes.h"
#include "weir/queue/v1/queue_service.grpc.pb.h"

namespace weir::gateway::sqs {
namespace {

using wire::CallContext;
using wire::Outcome;
using wire::Service;
using wire::Shape;
using wire::Value;
using Stub = queue::v1::QueueService::Stub;
using AsyncStub = queue::v1::QueueService::StubInterface::async_interface;

// How long a call may take beyond what it waits for messages; clients give up after a minute.
constexpr absl::Duration kCallTimeout = absl::Seconds(25);
constexpr absl::Duration kWaitMax = absl::Seconds(20);

struct Running {
  AsyncStub& stub;
  RunningCalls& calls;
  const SqsOptions& options;
};

// An operation with its way to the queue service.
struct SqsOperation : wire::Operation {
  std::function<Service::Cancel(const SqsOperation&, Running, const CallContext&, Value, Service::Done)> start;
  // Its queue is created if there is none, where the gateway is to.
  bool creates_queue = false;
};

template <typename Request, typename Response>
using Method = void (AsyncStub::*)(grpc::ClientContext*, const Request*, Response*, std::function<void(grpc::Status)>);
template <typename Request>
using Encode = MaybeError (*)(const Call&, Request&);
template <typename Response>
using Decode = Value (*)(const Call&, const Response&);

// How an operation becomes a gRPC call, and its response an answer.
template <typename Request, typename Response>
struct Translation {
  Method<Request, Response> method;
  Encode<Request> encode;
  Decode<Response> decode;
};

// How the policy of another account's queue is read.
struct PolicyRead {
  grpc::ClientContext context;
  queue::v1::GetQueueRequest request;
  queue::v1::GetQueueResponse response;
};

// What a call needs until it is answered.
template <typename Request, typename Response>
struct Exchange : RunningCall {
  Exchange(absl::string_view operation, const SqsOptions& options, const CallContext& caller, Value input,
           Service::Done done)
      : caller(caller), input(std::move(input)), call{operation, this->caller, options, this->input}, done(std::move(done)) {}

  void TryCancel() override {
    if (policy_read != nullptr) policy_read->context.TryCancel();
    context.TryCancel();
  }

  // The exchange's last step; what it holds of the HTTP side is let go of with it.
  void Finish(Outcome outcome) { std::exchange(done, nullptr)(std::move(outcome)); }

  const CallContext caller;
  const Value input;
  const Call call;
  Service::Done done;
  Request request;
  Response response;
  std::unique_ptr<PolicyRead> policy_read;  // null: the queue is the caller's own. Set before the call begins, and not changed.
};

bool IsLongPoll(const queue::v1::ReceiveMessagesRequest&) { return true; }
template <typename Request>
bool IsLongPoll(const Request&) {
  return false;
}

// A long poll that the gateway ended. Nothing was received, so the answer is that of a wait in vain.
bool WaitWasEnded(const RunningCall& call, const grpc::Status& status, const RunningCalls& calls) {
  return status.error_code() == grpc::StatusCode::CANCELLED && call.long_poll && calls.draining();
}

// The call itself. gRPC has the exchange from here on, alone.
template <typename Request, typename Response>
void SendRequest(const Translation<Request, Response>& translation, Running running,
                 std::shared_ptr<Exchange<Request, Response>> exchange) {
  auto& state = *exchange;
  const absl::Duration wait = state.long_poll ? kWaitMax : absl::ZeroDuration();
  state.context.set_deadline(absl::ToChronoTime(absl::Now() + kCallTimeout + wait));
  auto on_done = [exchange = std::move(exchange), decode = translation.decode,
                  &calls = running.calls](const grpc::Status& status) mutable {
    if (status.ok() || WaitWasEnded(*exchange, status, calls)) {
      exchange->Finish(decode(exchange->call, exchange->response));
    } else {
      exchange->Finish(Explain(exchange->call, grpcx::FromGrpcStatus(status)));
    }
    calls.Remove(std::move(exchange));
  };
  (running.stub.*translation.method)(&state.context, &state.request, &state.response, std::move(on_done));
}

// The call, if the policy of the queue, which is another account's, allows it. As SendRequest.
template <typename Request, typename Response>
void AskPolicy(const Translation<Request, Response>& translation, Running running,
               std::shared_ptr<Exchange<Request, Response>> exchange) {
  PolicyRead& read = *exchange->policy_read;
  read.context.set_deadline(absl::ToChronoTime(absl::Now() + kCallTimeout));
  auto on_done = [exchange = std::move(exchange), translation, running](const grpc::Status& status) mutable {
    const PolicyRead& answer = *exchange->policy_read;
    const absl::StatusOr<queue::v1::Queue> queue = status.ok() ? absl::StatusOr<queue::v1::Queue>(answer.response.queue())
                                                               : grpcx::FromGrpcStatus(status);
    MaybeError refused = RefuseUnlessAllowed(exchange->call, answer.request.queue(), queue, absl::Now());
    if (!refused.has_value()) return SendRequest(translation, running, std::move(exchange));
    if (WaitWasEnded(*exchange, status, running.calls)) {
      exchange->Finish(translation.decode(exchange->call, exchange->response));
    } else {
      exchange->Finish(*std::move(refused));
    }
    running.calls.Remove(std::move(exchange));
  };
  running.stub.GetQueue(&read.context, &read.request, &read.response, std::move(on_done));
}

template <typename Request, typename Response>
Service::Cancel StartCall(const Translation<Request, Response>& translation, Running running,
                          std::shared_ptr<Exchange<Request, Response>> exchange) {
  MaybeError error = translation.encode(exchange->call, exchange->request);
  const auto foreign = error.has_value() ? std::nullopt : ForeignQueueIn(exchange->call, exchange->request);
  if (foreign.has_value()) {
    error = RefuseUnlessShared(exchange->call, *foreign);
    exchange->policy_read = std::make_unique<PolicyRead>();
    *exchange->policy_read->request.mutable_queue() = *foreign;
  }
  if (error.has_value()) {
    exchange->Finish(*std::move(error));
    return [] {};
  }
  exchange->long_poll = IsLongPoll(exchange->request);
  if (!running.calls.Add(*exchange)) {
    exchange->Finish(translation.decode(exchange->call, exchange->response));
    return [] {};
  }
  const std::weak_ptr<RunningCall> weak = exchange;
  if (foreign.has_value()) {
    AskPolicy(translation, running, std::move(exchange));
  } else {
    SendRequest(translation, running, std::move(exchange));
  }
  return [weak] {
    if (const auto alive = weak.lock()) alive->TryCancel();
  };
}

template <typename Request, typename Response>
SqsOperation Entry(absl::string_view name, const Shape* input, const Shape* output, Method<Request, Response> method,
                   Encode<Request> encode, Decode<Response> decode) {
  const Translation<Request, Response> translation = {method, encode, decode};
  return {{name, input, output},
          [translation](const SqsOperation& operation, Running running, const CallContext& caller, Value parameters,
                        Service::Done done) {
            return StartCall(translation, running,
                             std::make_shared<Exchange<Request, Response>>(operation.name, running.options, caller,
                                                                           std::move(parameters), std::move(done)));
          }};
}

SqsOperation CreatingQueue(SqsOperation operation) {
  operation.creates_queue = true;
  return operation;
}

std::vector<SqsOperation> MakeOperations() {
  using namespace shapes;  // NOLINT: the table is nothing but shapes
  using S = AsyncStub;
  return {
      Entry("CreateQueue", &kCreateQueueInput, &kQueueUrlOutput, &S::CreateQueue, EncodeCreateQueue, DecodeCreateQueue),
      Entry("DeleteQueue", &kOnlyQueueUrl, nullptr, &S::DeleteQueue, EncodeDeleteQueue, DecodeDeleteQueue),
      CreatingQueue(Entry("GetQueueUrl", &kGetQueueUrlInput, &kQueueUrlOutput, &S::GetQueue, EncodeGetQueueUrl,
                          DecodeGetQueueUrl)),
      Entry("ListQueues", &kListQueuesInput, &kListQueuesOutput, &S::ListQueues, EncodeListQueues, DecodeListQueues),
      CreatingQueue(Entry("GetQueueAttributes", &kGetAttributesInput, &kGetAttributesOutput, &S::GetQueue,
                          EncodeGetQueueAttributes, DecodeGetQueueAttributes)),
      Entry("SetQueueAttributes", &kSetAttributesInput, nullptr, &S::UpdateQueue, EncodeSetQueueAttributes,
            DecodeSetQueueAttributes),
      Entry("PurgeQueue", &kOnlyQueueUrl, nullptr, &S::PurgeQueue, EncodePurgeQueue, DecodePurgeQueue),
      Entry("ListDeadLetterSourceQueues", &kListSourcesInput, &kListSourcesOutput, &S::ListDeadLetterSourceQueues,
            EncodeListDeadLetterSourceQueues, DecodeListDeadLetterSourceQueues),
      Entry("TagQueue", &kTagQueueInput, nullptr, &S::TagQueue, EncodeTagQueue, DecodeTagQueue),
      Entry("UntagQueue", &kUntagQueueInput, nullptr, &S::UntagQueue, EncodeUntagQueue, DecodeUntagQueue),
      Entry("ListQueueTags", &kOnlyQueueUrl, &kListTagsOutput, &S::GetQueue, EncodeListQueueTags, DecodeListQueueTags),
      Entry("AddPermission", &kAddPermissionInput, nullptr, &S::AddPermission, EncodeAddPermission, DecodeAddPermission),
      Entry("RemovePermission", &kRemovePermissionInput, nullptr, &S::RemovePermission, EncodeRemovePermission,
            DecodeRemovePermission),
      CreatingQueue(Entry("SendMessage", &kSendMessageInput, &kSendMessageOutput, &S::SendMessage, EncodeSendMessage,
                          DecodeSendMessage)),
      CreatingQueue(Entry("SendMessageBatch", &kSendBatchInput, &kSendBatchOutput, &S::SendMessageBatch,
                          EncodeSendMessageBatch, DecodeSendMessageBatch)),
      CreatingQueue(Entry("ReceiveMessage", &kReceiveInput, &kReceiveOutput, &S::ReceiveMessages, EncodeReceiveMessage,
                          DecodeReceiveMessage)),
      Entry("DeleteMessage", &kDeleteMessageInput, nullptr, &S::DeleteMessage, EncodeDeleteMessage, DecodeDeleteMessage),
      Entry("DeleteMessageBatch", &kDeleteBatchInput, &kDeleteBatchOutput, &S::DeleteMessageBatch,
            EncodeDeleteMessageBatch, DecodeDeleteMessageBatch),
      Entry("ChangeMessageVisibility", &kChangeVisibilityInput, nullptr, &S::ChangeMessageVisibility,
            EncodeChangeMessageVisibility, DecodeChangeMessageVisibility),
      Entry("ChangeMessageVisibilityBatch", &kChangeBatchInput, &kChangeBatchOutput, &S::ChangeMessageVisibilityBatch,
            EncodeChangeMessageVisibilityBatch, DecodeChangeMessageVisibilityBatch),
      Entry("StartMessageMoveTask", &kStartMoveInput, &kStartMoveOutput, &S::StartMessageMoveTask,
            EncodeStartMessageMoveTask, DecodeStartMessageMoveTask),
      Entry("ListMessageMoveTasks", &kListMovesInput, &kListMovesOutput, &S::ListMessageMoveTasks,
            EncodeListMessageMoveTasks, DecodeListMessageMoveTasks),
      Entry("CancelMessageMoveTask", &kCancelMoveInput, &kCancelMoveOutput, &S::CancelMessageMoveTask,
            EncodeCancelMessageMoveTask, DecodeCancelMessageMoveTask),
  };
}

class SqsService final : public Service {
 public:
  SqsService(const std::shared_ptr<grpc::Channel>& channel, const SqsOptions& options)
      : options_(options), stub_(channel), operations_(MakeOperations()) {}
  ~SqsService() override { calls_.EndAll(); }

  const wire::ServiceNames& names() const override {
    static constexpr wire::ServiceNames kNames = {.scope = "sqs",
                                                  .json_target = "AmazonSQS",
                                                  .shape_namespace = "com.amazonaws.sqs",
                                                  .xml_namespace = "http://queue.amazonaws.com/doc/2012-11-05/"};
    return kNames;
  }

  const wire::Operation* Find(absl::string_view name) const override {
    for (const SqsOperation& operation : operations_) {
      if (operation.name == name) return &operation;
    }
    return nullptr;
  }

  void AddFromPath(const CallContext& context, const wire::Operation& operation, Value& input) const override {
    const bool takes_url = !operation.input->members.empty() && operation.input->members[0].name == "QueueUrl";
    if (takes_url && context.path.size() > 1 && input["QueueUrl"].absent()) input.Set("QueueUrl", Value(context.path));
  }

  Cancel Start(const wire::Operation& operation, const CallContext& context, Value input, Done done) override {
    if (!options_.auto_create || !static_cast<const SqsOperation&>(operation).creates_queue) {
      return StartOnce(operation, context, std::move(input), std::move(done));
    }
    return StartCreatingQueue([this](const wire::Operation& step, const CallContext& caller, Value parameters,
                                     Done next) { return StartOnce(step, caller, std::move(parameters), std::move(next)); },
                              operation, *Find("CreateQueue"), options_, context, std::move(input), std::move(done));
  }

  void Drain() override { calls_.EndLongPolls(); }

 private:
  Cancel StartOnce(const wire::Operation& operation, const CallContext& context, Value input, Done done) {
    const auto& own = static_cast<const SqsOperation&>(operation);
    return own.start(own, {*stub_.async(), calls_, options_}, context, std::move(input), std::move(done));
  }

  const SqsOptions options_;
  Stub stub_;
  const std::vector<SqsOperation> operations_;
  RunningCalls calls_;
};

}  // namespace

std::unique_ptr<Service> MakeSqsService(const std::shared_ptr<grpc::Channel>& channel, const SqsOptions& options) {
  return std::make_unique<SqsService>(channel, options);
}

}  // namespace weir::gateway::sqs
