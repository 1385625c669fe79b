#include "bench/latency.h"

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/message_ledger.h"
#include "bench/postgres.h"
#include "bench/queue_client.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"

namespace weir::bench {
namespace {

// The consumer looks so often whether it is over; a message ends its poll at once.
constexpr absl::Duration kPoll = absl::Seconds(1);
// No message takes so long: it is lost, and the ledger says so.
constexpr absl::Duration kGiveUpAfter = absl::Seconds(30);

// Does `step` at the options' pace, for the warm-up and for the measurement, whose length it
// answers. When a step takes too long those after it follow at once, so the number of steps is
// kept.
absl::StatusOr<absl::Duration> AtPace(const Options& options, CpuMeter& cpu,
                                      std::atomic<bool>& measuring,
                                      const std::function<absl::Status()>& step) {
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

// Receives and deletes until all has come that was sent.
class Consumer {
 public:
  Consumer(const std::string& target, const std::string& queue, MessageLedger& ledger,
           std::atomic<bool>& measuring)
      : client_(target), queue_(queue), ledger_(ledger), measuring_(measuring) {}

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
    while (sent_.load() < 0 || received_ < sent_.load()) {
      WEIR_ASSIGN_OR_RETURN(const auto answer, client_.Receive(queue_, kPoll));
      const int64_t now = MonotonicNanoseconds();
      if (answer.messages().empty()) {
        if (SystemClock().Monotonic() - last_message > kGiveUpAfter) break;
        continue;
      }
      last_message = SystemClock().Monotonic();
      WEIR_RETURN_IF_ERROR(Take(answer, now));
    }
    return absl::OkStatus();
  }

  absl::Status Take(const queue::v1::ReceiveMessagesResponse& answer, int64_t now) {
    std::vector<std::string> receipts;
    std::vector<MessageKey> keys;
    for (const queue::v1::ReceivedMessage& message : answer.messages()) {
      ++received_;
      receipts.push_back(message.receipt_handle());
      const auto key = ledger_.Received(message.body(), IdOfMessage(message.message_id()));
      if (key.has_value()) keys.push_back(*key);
    }
    WEIR_RETURN_IF_ERROR(client_.DeleteMessages(queue_, receipts));
    for (const MessageKey key : keys) {
      const int64_t made_at = ledger_.Deleted(key);
      if (!measuring_.load()) continue;
      measured_.end_to_end.Record(now - made_at);
      ++measured_.cycles;
    }
    return absl::OkStatus();
  }

  QueueClient client_;
  const std::string queue_;
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

absl::StatusOr<Report> RunLatency(const Options& options, CpuMeter& cpu) {
  QueueClient client(options.target);
  const std::string queue = absl::StrCat("weir-bench-", RandomToken(4));
  WEIR_RETURN_IF_ERROR(client.Create(queue));
  MessageLedger ledger(/*senders=*/1, static_cast<size_t>(options.body));
  std::atomic<bool> measuring{false};
  Consumer consumer(options.target, queue, ledger, measuring);
  consumer.Start();
  int64_t sent = 0;
  Measured measured;
  std::string body;
  const auto took = AtPace(options, cpu, measuring, [&]() -> absl::Status {
    const int64_t start = MonotonicNanoseconds();
    const MessageKey key = ledger.Next(/*sender=*/0, start, body);
    WEIR_ASSIGN_OR_RETURN(const queue::v1::SentMessage message, client.Send(queue, body));
    if (measuring.load()) measured.send.Record(MonotonicNanoseconds() - start);
    ledger.Sent(key, IdOfMessage(message.message_id()));
    ++sent;
    return absl::OkStatus();
  });
  WEIR_RETURN_IF_ERROR(consumer.Finish(sent));
  WEIR_RETURN_IF_ERROR(took.status());
  WEIR_RETURN_IF_ERROR(client.Delete(queue));
  measured.Merge(consumer.measured());
  Report report{.workload = "latency", .took = *took, .measured = std::move(measured)};
  report.messages = ledger.Count();
  return report;
}

absl::StatusOr<Report> RunInsertCommit(const Options& options, CpuMeter& cpu) {
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<Postgres> postgres,
                        Postgres::Connect(options.database_url));
  const std::string table = absl::StrCat("weir_bench_", RandomToken(4));
  WEIR_RETURN_IF_ERROR(postgres
                           ->Run(absl::StrCat("CREATE TABLE ", table,
                                              " (id bigserial PRIMARY KEY, body text NOT NULL)"))
                           .status());
  WEIR_RETURN_IF_ERROR(
      postgres->Prepare("insert", absl::StrCat("INSERT INTO ", table, " (body) VALUES ($1)")));
  const std::string body(static_cast<size_t>(options.body), 'x');
  std::atomic<bool> measuring{false};
  Measured measured;
  WEIR_ASSIGN_OR_RETURN(
      const absl::Duration took, AtPace(options, cpu, measuring, [&]() -> absl::Status {
        const int64_t start = MonotonicNanoseconds();
        WEIR_RETURN_IF_ERROR(postgres->RunPrepared("insert", {body.c_str()}).status());
        if (measuring.load()) {
          measured.send.Record(MonotonicNanoseconds() - start);
          ++measured.cycles;
        }
        return absl::OkStatus();
      }));
  WEIR_RETURN_IF_ERROR(postgres->Run(absl::StrCat("DROP TABLE ", table)).status());
  return Report{.workload = "insert-commit", .took = took, .measured = std::move(measured)};
}

}  // namespace weir::bench
