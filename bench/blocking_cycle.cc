#include "bench/blocking_cycle.h"

#include <atomic>
#include <thread>
#include <utility>

#include "bench/message_ledger.h"
#include "libs/base/mutex.h"
#include "libs/base/status_macros.h"

namespace weir::bench {
namespace {

// A queue, and what is in it as far as answers have told.
struct QueueInUse {
  std::atomic<int64_t> messages{0};
  std::atomic<int> sends_running{0};

  bool Empty() const { return messages.load() <= 0 && sends_running.load() == 0; }
};

struct Run {
  const Options& options;
  MessageLedger ledger;
  std::atomic<bool> measuring{false};
  std::atomic<bool> stopping{false};
  std::atomic<bool> failed{false};
  Mutex mu;
  absl::Status error ABSL_GUARDED_BY(mu);
  Measured measured ABSL_GUARDED_BY(mu);
};

class Cycler {
 public:
  Cycler(Run& run, uint32_t number, QueueInUse& queue, std::unique_ptr<BlockingClient> client)
      : run_(run), number_(number), queue_(queue), client_(std::move(client)) {
    bodies_.resize(static_cast<size_t>(run.options.batch));
  }

  void Loop() {
    absl::Status status;
    while (status.ok() && !run_.failed.load() && (owed_ > 0 || !run_.stopping.load())) {
      status = SendReceiveDelete();
      // Others may have taken more than they sent.
      if (run_.stopping.load() && queue_.Empty()) break;
    }
    MutexLock lock(&run_.mu);
    if (run_.error.ok()) run_.error = status;
    if (!status.ok()) run_.failed.store(true);
    run_.measured.Merge(measured_);
  }

 private:
  absl::Status SendReceiveDelete() {
    if (owed_ <= 0) WEIR_RETURN_IF_ERROR(Send());
    WEIR_RETURN_IF_ERROR(Receive());
    return received_.empty() ? absl::OkStatus() : Delete();
  }

  absl::Status Send() {
    sending_.clear();
    ids_.clear();
    ++queue_.sends_running;
    const int64_t start = MonotonicNanoseconds();
    for (std::string& body : bodies_) sending_.push_back(run_.ledger.Next(number_, start, body));
    const absl::Status sent = client_->Send(bodies_, ids_);
    if (sent.ok() && Measuring()) measured_.send.Record(MonotonicNanoseconds() - start);
    if (sent.ok()) {
      for (size_t i = 0; i < sending_.size(); ++i) run_.ledger.Sent(sending_[i], ids_[i]);
      queue_.messages += run_.options.batch;
      owed_ += run_.options.batch;
    }
    --queue_.sends_running;
    return sent;
  }

  absl::Status Receive() {
    received_.clear();
    keys_.clear();
    const int64_t start = MonotonicNanoseconds();
    WEIR_RETURN_IF_ERROR(client_->Receive(run_.options.batch, received_));
    if (received_.empty()) {
      ++measured_.empty_receives;
      return absl::OkStatus();
    }
    if (Measuring()) measured_.receive.Record(MonotonicNanoseconds() - start);
    for (const ReceivedMessage& message : received_) {
      if (const auto key = run_.ledger.Received(message.body, message.id)) keys_.push_back(*key);
    }
    queue_.messages -= static_cast<int64_t>(received_.size());
    owed_ -= static_cast<int64_t>(received_.size());
    return absl::OkStatus();
  }

  absl::Status Delete() {
    const int64_t start = MonotonicNanoseconds();
    WEIR_RETURN_IF_ERROR(client_->DeleteReceived());
    const int64_t now = MonotonicNanoseconds();
    const bool measuring = Measuring();
    for (const MessageKey key : keys_) {
      const int64_t made_at = run_.ledger.Deleted(key);
      if (measuring) measured_.end_to_end.Record(now - made_at);
    }
    if (measuring) {
      measured_.del.Record(now - start);
      measured_.cycles += static_cast<int64_t>(keys_.size());
    }
    return absl::OkStatus();
  }

  bool Measuring() const { return run_.measuring.load(std::memory_order_relaxed); }

  Run& run_;
  const uint32_t number_;
  QueueInUse& queue_;
  const std::unique_ptr<BlockingClient> client_;
  Measured measured_;
  int64_t owed_ = 0;  // messages sent minus messages received by this cycler
  std::vector<std::string> bodies_;
  std::vector<MessageKey> sending_;
  std::vector<uint64_t> ids_;
  std::vector<ReceivedMessage> received_;
  std::vector<MessageKey> keys_;  // of what is being deleted
};

}  // namespace

absl::StatusOr<Report> RunBlockingCycles(absl::string_view workload, const Options& options,
                                         CpuMeter& cpu, const MakeBlockingClient& make_client) {
  Run run{.options = options,
          .ledger = MessageLedger(options.connections, static_cast<size_t>(options.body))};
  std::vector<QueueInUse> queues(static_cast<size_t>(options.queues));
  std::vector<std::unique_ptr<Cycler>> cyclers;
  for (int i = 0; i < options.connections; ++i) {
    const int queue = i % options.queues;
    WEIR_ASSIGN_OR_RETURN(std::unique_ptr<BlockingClient> client, make_client(queue));
    cyclers.push_back(std::make_unique<Cycler>(
        run, static_cast<uint32_t>(i), queues[static_cast<size_t>(queue)], std::move(client)));
  }
  std::vector<std::thread> threads;
  for (auto& cycler : cyclers) threads.emplace_back([&cycler] { cycler->Loop(); });
  const absl::Duration took = MeasureWindow(options, cpu, run.measuring);
  run.stopping.store(true);
  for (std::thread& thread : threads) thread.join();
  MutexLock lock(&run.mu);
  WEIR_RETURN_IF_ERROR(run.error);
  Report report{.workload = workload, .took = took, .measured = std::move(run.measured)};
  report.messages = run.ledger.Count();
  return report;
}

}  // namespace weir::bench
