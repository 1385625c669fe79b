#include "bench/cycle.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/message_ledger.h"
#include "bench/queue_client.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "libs/grpcx/status.h"
#include "weir/queue/v1/queue_service.grpc.pb.h"

namespace weir::bench {
namespace {

using queue::v1::QueueService;

constexpr absl::Duration kWait = absl::Seconds(20);
constexpr absl::Duration kDeadline = absl::Seconds(60);
// Longer than any run of which the latencies are worth reading, so that no message comes twice by
// time.
constexpr int64_t kVisibilitySeconds = 600;

// A queue, and what is in it as far as answers have told.
struct QueueInUse {
  std::string name;
  int64_t messages = 0;  // sends that were answered minus receives
  int sends_running = 0;

  bool Empty() const { return messages <= 0 && sends_running == 0; }
};

// Shared by the cyclers, all on one thread.
struct Run {
  const Options& options;
  MessageLedger ledger;
  Measured measured;
  grpc::CompletionQueue calls;
  bool measuring = false;
  bool stopping = false;
  int running = 0;  // cyclers
  absl::Status error;
};

// Sends, receives, deletes, again; one call at a time. When others have taken its messages it takes
// theirs: it sends again once it has received as many as it sent.
class Cycler {
 public:
  Cycler(Run& run, uint32_t number, QueueInUse& queue, QueueService::Stub& stub)
      : run_(run), number_(number), queue_(queue), stub_(stub) {}

  void Start() {
    ++run_.running;
    PrepareRequests();
    BeginNext();
  }

  // The call has ended.
  void OnDone() {
    const int64_t now = MonotonicNanoseconds();
    const Step step = step_;
    if (!status_.ok() && !(step == Step::kReceive && cancelled_)) {
      return Fail(grpcx::FromGrpcStatus(status_));
    }
    switch (step) {
      case Step::kSend:
        OnSent(now);
        break;
      case Step::kReceive:
        OnReceived(now);
        break;
      case Step::kDelete:
        OnDeleted(now);
        break;
      case Step::kStopped:
        break;
    }
  }

  // Ends a long poll that nobody is going to answer.
  void CancelReceive() {
    if (step_ != Step::kReceive || cancelled_) return;
    cancelled_ = true;
    context_->TryCancel();
  }

  const QueueInUse& queue() const { return queue_; }

 private:
  enum class Step { kSend, kReceive, kDelete, kStopped };

  // What is the same in every call.
  void PrepareRequests() {
    const int batch = run_.options.batch;
    send_.mutable_queue()->set_name(queue_.name);
    send_batch_.mutable_queue()->set_name(queue_.name);
    receive_.mutable_queue()->set_name(queue_.name);
    receive_.set_max_messages(batch);
    receive_.mutable_wait_time()->set_seconds(absl::ToInt64Seconds(kWait));
    delete_.mutable_queue()->set_name(queue_.name);
    delete_batch_.mutable_queue()->set_name(queue_.name);
    for (int i = 0; i < batch; ++i) send_batch_.add_entries()->set_id(absl::StrCat(i));
    sending_.resize(static_cast<size_t>(batch));
  }

  void BeginNext() {
    if (!run_.error.ok()) return Stop();
    if (owed_ > 0) return BeginReceive();
    if (run_.stopping) return Stop();
    BeginSend();
  }

  void Stop() {
    step_ = Step::kStopped;
    --run_.running;
  }

  void Fail(const absl::Status& error) {
    if (run_.error.ok()) run_.error = error;
    if (step_ == Step::kSend) --queue_.sends_running;
    Stop();
  }

  grpc::ClientContext* NewCall(Step step) {
    step_ = step;
    cancelled_ = false;
    context_.emplace();
    context_->set_deadline(absl::ToChronoTime(absl::Now() + kDeadline));
    started_at_ = MonotonicNanoseconds();
    return &*context_;
  }

  void BeginSend() {
    grpc::ClientContext* context = NewCall(Step::kSend);
    ++queue_.sends_running;
    if (run_.options.batch == 1) {
      sending_[0] =
          run_.ledger.Next(number_, started_at_, *send_.mutable_message()->mutable_body());
      send_call_ = stub_.AsyncSendMessage(context, send_, &run_.calls);
      send_call_->Finish(&sent_, &status_, this);
      return;
    }
    for (size_t i = 0; i < sending_.size(); ++i) {
      sending_[i] = run_.ledger.Next(
          number_, started_at_,
          *send_batch_.mutable_entries(static_cast<int>(i))->mutable_message()->mutable_body());
    }
    send_batch_call_ = stub_.AsyncSendMessageBatch(context, send_batch_, &run_.calls);
    send_batch_call_->Finish(&sent_batch_, &status_, this);
  }

  void OnSent(int64_t now) {
    if (run_.measuring) run_.measured.send.Record(now - started_at_);
    if (run_.options.batch == 1) {
      run_.ledger.Sent(sending_[0], IdOfMessage(sent_.message().message_id()));
    } else {
      if (sent_batch_.failed_size() > 0) {
        return Fail(absl::InternalError(sent_batch_.failed(0).message()));
      }
      for (int i = 0; i < sent_batch_.successful_size(); ++i) {
        run_.ledger.Sent(sending_[static_cast<size_t>(i)],
                         IdOfMessage(sent_batch_.successful(i).message().message_id()));
      }
    }
    --queue_.sends_running;
    queue_.messages += run_.options.batch;
    owed_ += run_.options.batch;
    BeginReceive();
  }

  void BeginReceive() {
    // A backlog shall stay as deep as it was, also when a receive had fewer messages than it asked for.
    if (!run_.options.queue.empty()) {
      receive_.set_max_messages(static_cast<int32_t>(std::min<int64_t>(run_.options.batch, owed_)));
    }
    receive_call_ = stub_.AsyncReceiveMessages(NewCall(Step::kReceive), receive_, &run_.calls);
    receive_call_->Finish(&received_, &status_, this);
  }

  void OnReceived(int64_t now) {
    if (!status_.ok()) return Stop();  // cancelled: nothing was left for it
    if (run_.measuring) run_.measured.receive.Record(now - started_at_);
    if (received_.messages_size() == 0) {
      ++run_.measured.empty_receives;
      return BeginNext();
    }
    keys_.clear();
    for (const queue::v1::ReceivedMessage& message : received_.messages()) {
      if (const auto key = run_.ledger.Received(message.body(), IdOfMessage(message.message_id()))) {
        keys_.push_back(*key);
      }
    }
    queue_.messages -= received_.messages_size();
    owed_ -= received_.messages_size();
    BeginDelete();
  }

  void BeginDelete() {
    grpc::ClientContext* context = NewCall(Step::kDelete);
    if (run_.options.batch == 1) {
      *delete_.mutable_receipt_handle() = received_.messages(0).receipt_handle();
      delete_call_ = stub_.AsyncDeleteMessage(context, delete_, &run_.calls);
      delete_call_->Finish(&deleted_, &status_, this);
      return;
    }
    delete_batch_.clear_entries();
    for (int i = 0; i < received_.messages_size(); ++i) {
      queue::v1::DeleteMessageBatchEntry& entry = *delete_batch_.add_entries();
      entry.set_id(absl::StrCat(i));
      *entry.mutable_receipt_handle() = received_.messages(i).receipt_handle();
    }
    delete_batch_call_ = stub_.AsyncDeleteMessageBatch(context, delete_batch_, &run_.calls);
    delete_batch_call_->Finish(&deleted_batch_, &status_, this);
  }

  void OnDeleted(int64_t now) {
    if (run_.options.batch > 1 && deleted_batch_.failed_size() > 0) {
      return Fail(absl::InternalError(deleted_batch_.failed(0).message()));
    }
    for (const MessageKey key : keys_) {
      const int64_t made_at = run_.ledger.Deleted(key);
      if (run_.measuring && made_at != 0) run_.measured.end_to_end.Record(now - made_at);
    }
    if (run_.measuring) {
      run_.measured.del.Record(now - started_at_);
      run_.measured.cycles += static_cast<int64_t>(keys_.size());
    }
    BeginNext();
  }

  Run& run_;
  const uint32_t number_;
  QueueInUse& queue_;
  QueueService::Stub& stub_;

  Step step_ = Step::kStopped;
  int64_t owed_ = 0;  // messages sent minus messages received by this cycler
  int64_t started_at_ = 0;
  bool cancelled_ = false;
  std::optional<grpc::ClientContext> context_;
  grpc::Status status_;
  std::vector<MessageKey> sending_;
  std::vector<MessageKey> keys_;  // of what is being deleted

  // Requests and answers are kept: their memory is used again by the next call.
  template <typename Response>
  using Call = std::unique_ptr<grpc::ClientAsyncResponseReader<Response>>;
  queue::v1::SendMessageRequest send_;
  queue::v1::SendMessageResponse sent_;
  Call<queue::v1::SendMessageResponse> send_call_;
  queue::v1::SendMessageBatchRequest send_batch_;
  queue::v1::SendMessageBatchResponse sent_batch_;
  Call<queue::v1::SendMessageBatchResponse> send_batch_call_;
  queue::v1::ReceiveMessagesRequest receive_;
  queue::v1::ReceiveMessagesResponse received_;
  Call<queue::v1::ReceiveMessagesResponse> receive_call_;
  queue::v1::DeleteMessageRequest delete_;
  queue::v1::DeleteMessageResponse deleted_;
  Call<queue::v1::DeleteMessageResponse> delete_call_;
  queue::v1::DeleteMessageBatchRequest delete_batch_;
  queue::v1::DeleteMessageBatchResponse deleted_batch_;
  Call<queue::v1::DeleteMessageBatchResponse> delete_batch_call_;
};

absl::Status CreateQueues(QueueService::Stub& stub, std::vector<QueueInUse>& queues) {
  const std::string run_name = RandomToken(4);
  for (size_t i = 0; i < queues.size(); ++i) {
    queues[i].name = absl::StrCat("weir-bench-", run_name, "-", i);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kDeadline));
    context.set_wait_for_ready(true);
    queue::v1::CreateQueueRequest request;
    request.mutable_queue()->set_name(queues[i].name);
    request.mutable_attributes()->mutable_visibility_timeout()->set_seconds(kVisibilitySeconds);
    queue::v1::CreateQueueResponse response;
    WEIR_RETURN_IF_ERROR(grpcx::FromGrpcStatus(stub.CreateQueue(&context, request, &response)));
  }
  return absl::OkStatus();
}

// Messages that the queue counts.
absl::StatusOr<int64_t> CountMessages(QueueService::Stub& stub, const QueueInUse& queue) {
  grpc::ClientContext context;
  queue::v1::GetQueueRequest request;
  request.mutable_queue()->set_name(queue.name);
  queue::v1::GetQueueResponse found;
  WEIR_RETURN_IF_ERROR(grpcx::FromGrpcStatus(stub.GetQueue(&context, request, &found)));
  const queue::v1::QueueStats& stats = found.queue().stats();
  return stats.ready() + stats.in_flight() + stats.delayed();
}

// Receives what is still ready, then deletes the queue. The answer: messages that were still in it.
absl::StatusOr<int64_t> DrainAndDelete(QueueService::Stub& stub, const QueueInUse& queue,
                                       MessageLedger& ledger) {
  while (true) {
    grpc::ClientContext context;
    queue::v1::ReceiveMessagesRequest request;
    request.mutable_queue()->set_name(queue.name);
    request.set_max_messages(10);
    request.mutable_wait_time();
    queue::v1::ReceiveMessagesResponse response;
    WEIR_RETURN_IF_ERROR(grpcx::FromGrpcStatus(stub.ReceiveMessages(&context, request, &response)));
    if (response.messages().empty()) break;
    for (const auto& message : response.messages()) {
      const auto key = ledger.Received(message.body(), IdOfMessage(message.message_id()));
      grpc::ClientContext delete_context;
      queue::v1::DeleteMessageRequest remove;
      remove.mutable_queue()->set_name(queue.name);
      remove.set_receipt_handle(message.receipt_handle());
      queue::v1::DeleteMessageResponse removed;
      WEIR_RETURN_IF_ERROR(
          grpcx::FromGrpcStatus(stub.DeleteMessage(&delete_context, remove, &removed)));
      if (key.has_value()) ledger.Deleted(*key);
    }
  }
  WEIR_ASSIGN_OR_RETURN(const int64_t left, CountMessages(stub, queue));
  grpc::ClientContext context;
  queue::v1::DeleteQueueRequest request;
  request.mutable_queue()->set_name(queue.name);
  queue::v1::DeleteQueueResponse response;
  WEIR_RETURN_IF_ERROR(grpcx::FromGrpcStatus(stub.DeleteQueue(&context, request, &response)));
  return left;
}

// The queues of a run: of its own, or the one with a backlog.
absl::StatusOr<std::vector<QueueInUse>> PrepareQueues(QueueService::Stub& stub,
                                                      const Options& options) {
  std::vector<QueueInUse> queues(static_cast<size_t>(options.queues));
  if (options.queue.empty()) {
    WEIR_RETURN_IF_ERROR(CreateQueues(stub, queues));
    return queues;
  }
  queues.resize(1);
  queues[0].name = options.queue;
  queues[0].messages = options.backlog;
  WEIR_ASSIGN_OR_RETURN(const int64_t there, CountMessages(stub, queues[0]));
  if (there != options.backlog) {
    return absl::InvalidArgumentError(
        absl::StrCat("Value ", options.backlog, " for backlog is invalid: queue ", options.queue,
                     " has ", there, " messages."));
  }
  return queues;
}

// Serves the cyclers until `until`, or until all have stopped.
void ServeUntil(Run& run, absl::Time until) {
  const auto deadline = absl::ToChronoTime(until);
  void* tag = nullptr;
  bool ok = false;
  while (run.running > 0) {
    if (run.calls.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) return;
    static_cast<Cycler*>(tag)->OnDone();
    // A busy completion queue has always something: look at the time as well.
    if (absl::Now() >= until) return;
  }
}

// No more sends. A receive whose queue has been emptied would wait for its whole time.
void Finish(Run& run, std::vector<std::unique_ptr<Cycler>>& cyclers) {
  run.stopping = true;
  const absl::Time give_up = absl::Now() + kDeadline;
  while (run.running > 0 && absl::Now() < give_up) {
    for (auto& cycler : cyclers) {
      if (cycler->queue().Empty() || !run.error.ok()) cycler->CancelReceive();
    }
    ServeUntil(run, absl::Now() + absl::Milliseconds(10));
  }
}

}  // namespace

absl::StatusOr<Report> RunCycle(const Options& options, CpuMeter& cpu) {
  if (options.batch > 10) {
    return absl::InvalidArgumentError(
        absl::StrCat("Value ", options.batch, " for batch is invalid: must be 1 to 10."));
  }
  const std::vector<std::unique_ptr<QueueService::Stub>> stubs = MakeStubs(options);
  WEIR_ASSIGN_OR_RETURN(std::vector<QueueInUse> queues, PrepareQueues(*stubs[0], options));

  Run run{.options = options,
          .ledger = MessageLedger(options.connections, static_cast<size_t>(options.body))};
  if (!options.queue.empty()) run.ledger.ExpectBacklog(options.backlog);
  std::vector<std::unique_ptr<Cycler>> cyclers;
  for (int i = 0; i < options.connections; ++i) {
    const auto index = static_cast<size_t>(i);
    cyclers.push_back(std::make_unique<Cycler>(run, static_cast<uint32_t>(i),
                                               queues[index % queues.size()],
                                               *stubs[index / queues.size() % stubs.size()]));
  }
  for (auto& cycler : cyclers) cycler->Start();
  const absl::Duration took = MeasureWindow(
      options, cpu, [&](bool measure) { run.measuring = measure; },
      [&](absl::Duration time) { ServeUntil(run, absl::Now() + time); });
  Finish(run, cyclers);
  WEIR_RETURN_IF_ERROR(run.error);

  Report report{.workload = "cycle", .took = took, .measured = std::move(run.measured)};
  if (!options.queue.empty()) {
    WEIR_ASSIGN_OR_RETURN(const int64_t in_queue, CountMessages(*stubs[0], queues[0]));
    report.messages = run.ledger.Count(in_queue);
    run.calls.Shutdown();
    return report;
  }
  int64_t left = 0;
  for (const QueueInUse& queue : queues) {
    WEIR_ASSIGN_OR_RETURN(const int64_t in_queue, DrainAndDelete(*stubs[0], queue, run.ledger));
    left += in_queue;
  }
  run.calls.Shutdown();
  report.messages = run.ledger.Count();
  if (left > 0) {
    return absl::InternalError(absl::StrCat(
        left,
        " messages are still counted in the queues, although every message that was received "
        "has been deleted."));
  }
  return report;
}

}  // namespace weir::bench
