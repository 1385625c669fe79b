#include "bench/stream.h"

#include <google/protobuf/arena.h>
#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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

constexpr absl::Duration kGiveUp = absl::Seconds(60);
// Longer than any run, so that no message comes twice by time.
constexpr int64_t kVisibilitySeconds = 600;

// What happens when an operation of a stream ends.
struct Tag {
  std::function<void(bool ok)> on_done;
};

// Shared by all streams, all on one thread.
struct Run {
  const Options& options;
  MessageLedger ledger;
  Measured measured;
  grpc::CompletionQueue events;
  bool measuring = false;
  bool stopping = false;
  int producing = 0;        // producers that have not ended
  int running = 0;          // streams that have not ended
  int64_t in_service = 0;   // messages of which neither a refusal nor a delete was answered
  int64_t in_service_max = 0;
  absl::Status error;

  void Fail(const absl::Status& status) {
    if (error.ok()) error = status;
    stopping = true;
  }
};

class Producer {
 public:
  Producer(Run& run, uint32_t number, std::string queue)
      : run_(run), number_(number), queue_(std::move(queue)) {}

  void Start(QueueService::Stub& stub) {
    ++run_.running;
    ++run_.producing;
    stream_ = stub.AsyncProduce(&context_, &run_.events, &started_);
  }

  // Sends if there is something to send and room for it.
  void Proceed() {
    if (busy_ || closed_) return;
    if (run_.stopping) {
      closed_ = busy_ = true;
      stream_->WritesDone(&written_);
      return;
    }
    const auto batch = static_cast<size_t>(run_.options.batch);
    if (unanswered_.size() + batch > static_cast<size_t>(run_.options.outstanding)) return;
    if (run_.in_service >= run_.in_service_max) return;
    Send(batch);
  }

  void Cancel() { context_.TryCancel(); }

 private:
  struct Message {
    MessageKey key;
    int64_t sent_at = 0;
    bool last_of_request = false;
  };

  void OnStarted(bool ok) {
    if (!ok) return End();
    Read();
    request_.mutable_start()->mutable_queue()->set_name(queue_);
    request_.mutable_start()->set_omit_md5(true);
    busy_ = false;
    Proceed();
  }

  void Send(size_t batch) {
    const int64_t now = MonotonicNanoseconds();
    if (request_.messages_size() == 0) {
      for (size_t i = 0; i < batch; ++i) request_.add_messages();
    }
    for (size_t i = 0; i < batch; ++i) {
      std::string& body = *request_.mutable_messages(static_cast<int>(i))->mutable_body();
      unanswered_.push_back({run_.ledger.Next(number_, now, body), now, i + 1 == batch});
    }
    run_.in_service += static_cast<int64_t>(batch);
    busy_ = true;
    stream_->Write(request_, &written_);
    request_.clear_start();
  }

  void OnWritten(bool ok) {
    busy_ = false;
    if (ok) Proceed();  // else the read tells why
  }

  void Read() {
    arena_.Reset();
    response_ = google::protobuf::Arena::CreateMessage<queue::v1::ProduceResponse>(&arena_);
    stream_->Read(response_, &read_);
  }

  void OnRead(bool ok) {
    if (!ok) return End();
    const int64_t now = MonotonicNanoseconds();
    for (const queue::v1::ProduceResult& result : response_->results()) {
      if (unanswered_.empty()) return run_.Fail(absl::InternalError("a result without a message"));
      if (!result.has_sent()) run_.Fail(absl::InternalError(result.failure().message()));
      const Message& message = unanswered_.front();
      run_.ledger.Sent(message.key, IdOfMessage(result.sent().message_id()));
      if (run_.measuring && message.last_of_request) run_.measured.send.Record(now - message.sent_at);
      unanswered_.pop_front();
    }
    Read();
    Proceed();
  }

  void End() {
    if (ended_) return;
    ended_ = true;
    stream_->Finish(&status_, &finished_);
  }

  void OnFinished() {
    closed_ = true;
    --run_.running;
    --run_.producing;
    if (!status_.ok()) return run_.Fail(grpcx::FromGrpcStatus(status_));
    if (!unanswered_.empty()) run_.Fail(absl::InternalError("a stream ended without all answers"));
  }

  Run& run_;
  const uint32_t number_;
  const std::string queue_;
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientAsyncReaderWriter<queue::v1::ProduceRequest, queue::v1::ProduceResponse>>
      stream_;
  Tag started_{[this](bool ok) { OnStarted(ok); }};
  Tag written_{[this](bool ok) { OnWritten(ok); }};
  Tag read_{[this](bool ok) { OnRead(ok); }};
  Tag finished_{[this](bool) { OnFinished(); }};

  bool busy_ = true;  // a write is under way
  bool closed_ = false;
  bool ended_ = false;
  std::deque<Message> unanswered_;
  queue::v1::ProduceRequest request_;
  google::protobuf::Arena arena_;
  queue::v1::ProduceResponse* response_ = nullptr;
  grpc::Status status_;
};

class Consumer {
 public:
  Consumer(Run& run, std::string queue) : run_(run), queue_(std::move(queue)) {}

  void Start(QueueService::Stub& stub) {
    ++run_.running;
    stream_ = stub.AsyncConsume(&context_, &run_.events, &started_);
  }

  // Sends the deletes that wait; closes the stream when nothing comes any more.
  void Proceed() {
    if (busy_ || closed_) return;
    const int deletes = request_.delete__size();
    if (deletes > 0 || request_.has_start()) {
      if (deletes > 0) deleting_.push_back({deletes, MonotonicNanoseconds()});
      busy_ = true;
      stream_->Write(request_, &written_);
      request_.Clear();
      return;
    }
    if (run_.producing > 0 || (run_.in_service > 0 && run_.error.ok())) return;
    closed_ = busy_ = true;
    stream_->WritesDone(&written_);
  }

  void Cancel() { context_.TryCancel(); }

 private:
  struct Request {
    int deletes = 0;  // not answered yet
    int64_t sent_at = 0;
  };

  void OnStarted(bool ok) {
    if (!ok) return End();
    Read();
    queue::v1::ConsumeStart& start = *request_.mutable_start();
    start.mutable_queue()->set_name(queue_);
    start.mutable_visibility_timeout()->set_seconds(kVisibilitySeconds);
    start.set_omit_md5(true);
    request_.set_add_credit(run_.options.credit);
    busy_ = false;
    Proceed();
  }

  void OnWritten(bool ok) {
    busy_ = false;
    if (ok) Proceed();  // else the read tells why
  }

  void Read() {
    arena_.Reset();
    response_ = google::protobuf::Arena::CreateMessage<queue::v1::ConsumeResponse>(&arena_);
    stream_->Read(response_, &read_);
  }

  void OnRead(bool ok) {
    if (!ok) return End();
    OnDeleted();
    for (const queue::v1::Delivery& delivery : response_->deliveries()) {
      const queue::v1::ReceivedMessage& message = delivery.message();
      keys_.push_back(run_.ledger.Received(message.body(), IdOfMessage(message.message_id())));
      request_.add_delete_(delivery.delivery_id());
    }
    // What is deleted may be replaced.
    request_.set_add_credit(request_.add_credit() + response_->deliveries_size());
    Read();
    Proceed();
  }

  void OnDeleted() {
    if (response_->failures_size() > 0) {
      return run_.Fail(absl::InternalError(response_->failures(0).failure().message()));
    }
    const int64_t now = MonotonicNanoseconds();
    for (const int64_t id : response_->deleted()) {
      const std::optional<MessageKey> key = keys_[static_cast<size_t>(id - first_id_)];
      if (key.has_value()) {
        const int64_t made_at = run_.ledger.Deleted(*key);
        if (run_.measuring) run_.measured.end_to_end.Record(now - made_at);
      }
      // Answered in the order of the requests, so of the ids.
      while (first_id_ <= id) {
        keys_.pop_front();
        ++first_id_;
      }
      if (--deleting_.front().deletes == 0) {
        if (run_.measuring) run_.measured.del.Record(now - deleting_.front().sent_at);
        deleting_.pop_front();
      }
    }
    run_.in_service -= response_->deleted_size();
    if (run_.measuring) run_.measured.cycles += response_->deleted_size();
  }

  void End() {
    if (ended_) return;
    ended_ = true;
    stream_->Finish(&status_, &finished_);
  }

  void OnFinished() {
    closed_ = true;
    --run_.running;
    if (!status_.ok()) run_.Fail(grpcx::FromGrpcStatus(status_));
  }

  Run& run_;
  const std::string queue_;
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientAsyncReaderWriter<queue::v1::ConsumeRequest, queue::v1::ConsumeResponse>>
      stream_;
  Tag started_{[this](bool ok) { OnStarted(ok); }};
  Tag written_{[this](bool ok) { OnWritten(ok); }};
  Tag read_{[this](bool ok) { OnRead(ok); }};
  Tag finished_{[this](bool) { OnFinished(); }};

  bool busy_ = true;  // a write is under way
  bool closed_ = false;
  bool ended_ = false;
  std::deque<std::optional<MessageKey>> keys_;  // of the deliveries from first_id_ on
  int64_t first_id_ = 1;
  std::deque<Request> deleting_;
  queue::v1::ConsumeRequest request_;  // that comes next
  google::protobuf::Arena arena_;
  queue::v1::ConsumeResponse* response_ = nullptr;
  grpc::Status status_;
};

struct Streams {
  std::vector<std::unique_ptr<Producer>> producers;
  std::vector<std::unique_ptr<Consumer>> consumers;

  void Proceed() {
    for (auto& producer : producers) producer->Proceed();
    for (auto& consumer : consumers) consumer->Proceed();
  }
};

// Serves the streams until `until`, or until all have ended.
void ServeUntil(Run& run, Streams& streams, absl::Time until) {
  const auto deadline = absl::ToChronoTime(until);
  void* tag = nullptr;
  bool ok = false;
  while (run.running > 0) {
    if (run.events.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) return;
    static_cast<Tag*>(tag)->on_done(ok);
    // What a consumer deletes may be what a producer waits for.
    streams.Proceed();
    // A busy completion queue has always something: look at the time as well.
    if (absl::Now() >= until) return;
  }
}

absl::Status CheckOptions(const Options& options) {
  if (options.outstanding < options.batch) {
    return absl::InvalidArgumentError(
        absl::StrCat("Value ", options.outstanding, " for outstanding is invalid: must be at least "
                     "the messages of a request, ", options.batch, "."));
  }
  if (options.batch > 1000 || options.outstanding > 10'000 || options.credit < 1 ||
      options.credit > 10'000 || options.consumers < options.queues) {
    return absl::InvalidArgumentError(
        absl::StrCat("batch must be 1 to 1000 (", options.batch, "), outstanding at most 10000 (",
                     options.outstanding, "), credit 1 to 10000 (", options.credit,
                     "), consumers at least the number of queues (", options.consumers, ")."));
  }
  return absl::OkStatus();
}

Report Measure(Run& run, Streams& streams, CpuMeter& cpu) {
  const absl::Duration took = MeasureWindow(
      run.options, cpu, [&](bool measure) { run.measuring = measure; },
      [&](absl::Duration time) { ServeUntil(run, streams, absl::Now() + time); });
  run.stopping = true;
  streams.Proceed();
  ServeUntil(run, streams, absl::Now() + kGiveUp);
  if (run.running > 0) {
    run.Fail(absl::DeadlineExceededError("not every message came back in time"));
    for (auto& producer : streams.producers) producer->Cancel();
    for (auto& consumer : streams.consumers) consumer->Cancel();
    ServeUntil(run, streams, absl::InfiniteFuture());
  }
  return Report{.workload = "stream", .took = took, .measured = std::move(run.measured)};
}

}  // namespace

absl::StatusOr<Report> RunStream(const Options& options, CpuMeter& cpu) {
  WEIR_RETURN_IF_ERROR(CheckOptions(options));
  const std::vector<std::unique_ptr<QueueService::Stub>> stubs = MakeStubs(options);
  QueueClient client(options.target);
  const std::string run_name = RandomToken(4);
  std::vector<std::string> queues;
  for (int i = 0; i < options.queues; ++i) {
    queues.push_back(absl::StrCat("weir-bench-", run_name, "-", i));
    WEIR_RETURN_IF_ERROR(client.Create(queues.back()));
  }

  Run run{.options = options,
          .ledger = MessageLedger(options.connections, static_cast<size_t>(options.body)),
          .in_service_max = 2LL * options.outstanding * options.connections};
  Streams streams;
  size_t next = 0;
  for (int i = 0; i < options.connections; ++i, ++next) {
    streams.producers.push_back(std::make_unique<Producer>(
        run, static_cast<uint32_t>(i), queues[static_cast<size_t>(i) % queues.size()]));
    streams.producers.back()->Start(*stubs[next % stubs.size()]);
  }
  for (int i = 0; i < options.consumers; ++i, ++next) {
    streams.consumers.push_back(
        std::make_unique<Consumer>(run, queues[static_cast<size_t>(i) % queues.size()]));
    streams.consumers.back()->Start(*stubs[next % stubs.size()]);
  }
  Report report = Measure(run, streams, cpu);
  run.events.Shutdown();
  WEIR_RETURN_IF_ERROR(run.error);
  for (const std::string& queue : queues) WEIR_RETURN_IF_ERROR(client.Delete(queue));
  report.messages = run.ledger.Count();
  return report;
}

}  // namespace weir::bench
