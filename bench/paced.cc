#include "bench/paced.h"

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "bench/message_ledger.h"
#include "libs/base/clock.h"
#include "libs/base/status_macros.h"

namespace weir::bench {
namespace {

// No message takes so long: it is lost, and the ledger says so.
constexpr absl::Duration kGiveUpAfter = absl::Seconds(30);
constexpr int kReceiveMax = 10;

// Receives and deletes until all has come that was sent.
class Consumer {
 public:
  Consumer(BlockingClient& client, MessageLedger& ledger, std::atomic<bool>& measuring)
      : client_(client), ledger_(ledger), measuring_(measuring) {}

  void Start() {
    thread_ = std::thread([this] { status_ = Loop(); });
  }
  // `sent`: how many messages there are, now that the sender has ended.
  absl::Status Finish(int64_t sent) {
    sent_.store(sent);
    thread_.join();
    return status_;
  }
  Measured& measured() { return measured_; }

 private:
  absl::Status Loop() {
    absl::Duration last_message = SystemClock().Monotonic();
    std::vector<ReceivedMessage> messages;
    while (sent_.load() < 0 || received_ < sent_.load()) {
      messages.clear();
      WEIR_RETURN_IF_ERROR(client_.Receive(kReceiveMax, messages));
      if (messages.empty()) {
        if (SystemClock().Monotonic() - last_message > kGiveUpAfter) break;
        continue;
      }
      last_message = SystemClock().Monotonic();
      WEIR_RETURN_IF_ERROR(Take(messages));
    }
    return absl::OkStatus();
  }

  absl::Status Take(const std::vector<ReceivedMessage>& messages) {
    std::vector<MessageKey> keys;
    for (const ReceivedMessage& message : messages) {
      ++received_;
      if (const auto key = ledger_.Received(message.body, message.id)) keys.push_back(*key);
    }
    const int64_t now = MonotonicNanoseconds();
    WEIR_RETURN_IF_ERROR(client_.DeleteReceived());
    for (const MessageKey key : keys) {
      const int64_t made_at = ledger_.Deleted(key);
      if (!measuring_.load()) continue;
      measured_.end_to_end.Record(now - made_at);
      ++measured_.cycles;
    }
    return absl::OkStatus();
  }

  BlockingClient& client_;
  MessageLedger& ledger_;
  const std::atomic<bool>& measuring_;
  std::atomic<int64_t> sent_{-1};
  std::thread thread_;
  // Of the thread, until it has ended.
  int64_t received_ = 0;
  Measured measured_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<absl::Duration> AtPace(const Options& options, CpuMeter& cpu,
                                      std::atomic<bool>& measuring,
                                      absl::FunctionRef<absl::Status()> step) {
  const absl::Duration interval = absl::Seconds(1) / options.rate;
  absl::Duration next = SystemClock().Monotonic();
  const auto run_until = [&](absl::Duration end) -> absl::Status {
    for (; next < end; next += interval) {
      absl::SleepFor(next - SystemClock().Monotonic());
      WEIR_RETURN_IF_ERROR(step());
    }
    return absl::OkStatus();
  };
  WEIR_RETURN_IF_ERROR(run_until(next + absl::Seconds(options.warmup)));
  cpu.Start();
  measuring.store(true);
  const absl::Duration start = SystemClock().Monotonic();
  WEIR_RETURN_IF_ERROR(run_until(next + absl::Seconds(options.seconds)));
  measuring.store(false);
  cpu.Stop();
  return SystemClock().Monotonic() - start;
}

absl::StatusOr<Report> RunPaced(absl::string_view workload, const Options& options, CpuMeter& cpu,
                                BlockingClient& sender, BlockingClient& client) {
  MessageLedger ledger(/*senders=*/1, static_cast<size_t>(options.body));
  std::atomic<bool> measuring{false};
  Consumer consumer(client, ledger, measuring);
  consumer.Start();
  int64_t sent = 0;
  Measured measured;
  std::vector<std::string> bodies(1);
  std::vector<uint64_t> ids;
  const auto took = AtPace(options, cpu, measuring, [&]() -> absl::Status {
    ids.clear();
    const int64_t start = MonotonicNanoseconds();
    const MessageKey key = ledger.Next(/*sender=*/0, start, bodies[0]);
    WEIR_RETURN_IF_ERROR(sender.Send(bodies, ids));
    if (measuring.load()) measured.send.Record(MonotonicNanoseconds() - start);
    ledger.Sent(key, ids[0]);
    ++sent;
    return absl::OkStatus();
  });
  WEIR_RETURN_IF_ERROR(consumer.Finish(sent));
  WEIR_RETURN_IF_ERROR(took.status());
  measured.Merge(consumer.measured());
  Report report{.workload = workload, .took = *took, .measured = std::move(measured)};
  report.messages = ledger.Count();
  return report;
}

}  // namespace weir::bench
