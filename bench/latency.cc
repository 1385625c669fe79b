#include "bench/latency.h"

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/blocking_cycle.h"
#include "bench/paced.h"
#include "bench/postgres.h"
#include "bench/queue_client.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"

namespace weir::bench {
namespace {

// The consumer looks so often whether it is over; a message ends its poll at once.
constexpr absl::Duration kPoll = absl::Seconds(1);

class GrpcClient final : public BlockingClient {
 public:
  GrpcClient(const std::string& target, std::string queue) : client_(target), queue_(std::move(queue)) {}

  absl::Status Send(const std::vector<std::string>& bodies, std::vector<uint64_t>& ids) override {
    for (const std::string& body : bodies) {
      WEIR_ASSIGN_OR_RETURN(const queue::v1::SentMessage sent, client_.Send(queue_, body));
      ids.push_back(IdOfMessage(sent.message_id()));
    }
    return absl::OkStatus();
  }

  // As many as the queue service gives at once, which is not more than `max`.
  absl::Status Receive(int /*max*/, std::vector<ReceivedMessage>& received) override {
    WEIR_ASSIGN_OR_RETURN(received_, client_.Receive(queue_, kPoll));
    for (const queue::v1::ReceivedMessage& message : received_.messages()) {
      received.push_back({.body = message.body(), .id = IdOfMessage(message.message_id())});
    }
    return absl::OkStatus();
  }

  absl::Status DeleteReceived() override {
    std::vector<std::string> receipts;
    for (const queue::v1::ReceivedMessage& message : received_.messages()) receipts.push_back(message.receipt_handle());
    return client_.DeleteMessages(queue_, receipts);
  }

 private:
  QueueClient client_;
  const std::string queue_;
  queue::v1::ReceiveMessagesResponse received_;
};

}  // namespace

absl::StatusOr<Report> RunLatency(const Options& options, CpuMeter& cpu) {
  QueueClient client(options.target);
  const std::string queue = absl::StrCat("weir-bench-", RandomToken(4));
  WEIR_RETURN_IF_ERROR(client.Create(queue));
  GrpcClient sender(options.target, queue);
  GrpcClient consumer(options.target, queue);
  WEIR_ASSIGN_OR_RETURN(Report report, RunPaced("latency", options, cpu, sender, consumer));
  WEIR_RETURN_IF_ERROR(client.Delete(queue));
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
