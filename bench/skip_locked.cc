#include "bench/skip_locked.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "bench/message_ledger.h"
#include "bench/postgres.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"

namespace weir::bench {
namespace {

// As long as it takes others to commit; a service would wait for a notification or poll.
constexpr absl::Duration kPause = absl::Milliseconds(1);

int64_t NowNanoseconds() { return absl::ToInt64Nanoseconds(SystemClock().Monotonic()); }

// A queue, and what is in it as far as commits have told.
struct QueueInUse {
  std::string name;
  std::atomic<int64_t> messages{0};
  std::atomic<int> sends_running{0};
};

struct Run {
  const Options& options;
  const std::string table;
  MessageLedger ledger;
  std::atomic<bool> measuring{false};
  std::atomic<bool> stopping{false};
  Mutex mu;
  absl::Status error ABSL_GUARDED_BY(mu);
  Measured measured ABSL_GUARDED_BY(mu);
};

std::vector<std::string> Schema(const std::string& table) {
  return {absl::StrCat("CREATE TABLE ", table,
                       " (id bigserial PRIMARY KEY, queue text NOT NULL, body text NOT NULL,"
                       " visible_at timestamptz NOT NULL DEFAULT now(),"
                       " receive_count integer NOT NULL DEFAULT 0,"
                       " enqueued_at timestamptz NOT NULL DEFAULT now())"),
          absl::StrCat("CREATE INDEX ON ", table, " (queue, visible_at)")};
}

class Cycler {
 public:
  Cycler(Run& run, uint32_t number, QueueInUse& queue)
      : run_(run), number_(number), queue_(queue) {}

  absl::Status Connect() {
    WEIR_ASSIGN_OR_RETURN(postgres_, Postgres::Connect(run_.options.database_url));
    // The statements are planned while the table is empty, when a scan of it looks cheap.
    WEIR_RETURN_IF_ERROR(postgres_->Run("SET enable_seqscan = off").status());
    std::vector<std::string> rows;
    for (int i = 0; i < run_.options.batch; ++i) rows.push_back(absl::StrCat("($1, $", i + 2, ")"));
    WEIR_RETURN_IF_ERROR(postgres_->Prepare(
        "send", absl::StrCat("INSERT INTO ", run_.table, " (queue, body) VALUES ",
                             absl::StrJoin(rows, ", "), " RETURNING id")));
    WEIR_RETURN_IF_ERROR(postgres_->Prepare(
        "receive",
        absl::StrCat(
            "UPDATE ", run_.table,
            " SET visible_at = now() + interval '10 min', receive_count = receive_count + 1"
            " WHERE id = ANY (ARRAY(SELECT id FROM ",
            run_.table,
            " WHERE queue = $1 AND visible_at <= now() ORDER BY visible_at"
            " LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) RETURNING id, body, receive_count")));
    return postgres_->Prepare(
        "delete", absl::StrCat("DELETE FROM ", run_.table, " WHERE id = ANY ($1::bigint[])"));
  }

  void Loop() {
    absl::Status status;
    while (status.ok() && (owed_ > 0 || !run_.stopping.load())) {
      if (owed_ <= 0) status = Send();
      if (status.ok()) status = Receive();
      if (status.ok() && !keys_.empty()) status = Delete();
      // Others may have taken more than they sent.
      if (run_.stopping.load() && queue_.messages.load() <= 0 && queue_.sends_running.load() == 0) {
        break;
      }
    }
    MutexLock lock(&run_.mu);
    if (run_.error.ok()) run_.error = status;
    if (!status.ok()) run_.stopping.store(true);
    run_.measured.Merge(measured_);
  }

 private:
  absl::Status Send() {
    const int batch = run_.options.batch;
    bodies_.resize(static_cast<size_t>(batch));
    sending_.clear();
    parameters_.assign({queue_.name.c_str()});
    ++queue_.sends_running;
    const int64_t start = NowNanoseconds();
    for (std::string& body : bodies_) {
      sending_.push_back(run_.ledger.Next(number_, start, body));
      parameters_.push_back(body.c_str());
    }
    WEIR_ASSIGN_OR_RETURN(const Postgres::Result sent, postgres_->RunPrepared("send", parameters_));
    if (run_.measuring.load(std::memory_order_relaxed)) {
      measured_.send.Record(NowNanoseconds() - start);
    }
    for (size_t i = 0; i < sending_.size(); ++i) {
      run_.ledger.Sent(sending_[i], Id(sent, static_cast<int>(i)));
    }
    queue_.messages += batch;
    --queue_.sends_running;
    owed_ += batch;
    return absl::OkStatus();
  }

  absl::Status Receive() {
    const std::string limit = absl::StrCat(run_.options.batch);
    const int64_t start = NowNanoseconds();
    WEIR_ASSIGN_OR_RETURN(const Postgres::Result received,
                          postgres_->RunPrepared("receive", {queue_.name.c_str(), limit.c_str()}));
    const int count = PQntuples(received.get());
    keys_.clear();
    ids_.clear();
    if (count == 0) {
      ++measured_.empty_receives;
      absl::SleepFor(kPause);
      return absl::OkStatus();
    }
    if (run_.measuring.load(std::memory_order_relaxed)) {
      measured_.receive.Record(NowNanoseconds() - start);
    }
    for (int row = 0; row < count; ++row) {
      const absl::string_view body(PQgetvalue(received.get(), row, 1),
                                   static_cast<size_t>(PQgetlength(received.get(), row, 1)));
      if (const auto key = run_.ledger.Received(body, Id(received, row))) keys_.push_back(*key);
      absl::StrAppend(&ids_, ids_.empty() ? "{" : ",", PQgetvalue(received.get(), row, 0));
    }
    ids_.push_back('}');
    queue_.messages -= count;
    owed_ -= count;
    return absl::OkStatus();
  }

  absl::Status Delete() {
    const int64_t start = NowNanoseconds();
    WEIR_RETURN_IF_ERROR(postgres_->RunPrepared("delete", {ids_.c_str()}).status());
    const int64_t now = NowNanoseconds();
    const bool measuring = run_.measuring.load(std::memory_order_relaxed);
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

  static uint64_t Id(const Postgres::Result& result, int row) {
    uint64_t id = 0;
    return absl::SimpleAtoi(PQgetvalue(result.get(), row, 0), &id) ? id : 0;
  }

  Run& run_;
  const uint32_t number_;
  QueueInUse& queue_;
  std::unique_ptr<Postgres> postgres_;
  Measured measured_;
  int64_t owed_ = 0;  // messages sent minus messages received by this cycler
  std::vector<std::string> bodies_;
  std::vector<MessageKey> sending_;
  std::vector<const char*> parameters_;
  std::vector<MessageKey> keys_;
  std::string ids_;
};

}  // namespace

absl::StatusOr<Report> RunSkipLocked(const Options& options, CpuMeter& cpu) {
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<Postgres> admin,
                        Postgres::Connect(options.database_url));
  Run run{.options = options,
          .table = absl::StrCat("weir_bench_", RandomToken(4)),
          .ledger = MessageLedger(options.connections, static_cast<size_t>(options.body))};
  for (const std::string& statement : Schema(run.table)) {
    WEIR_RETURN_IF_ERROR(admin->Run(statement).status());
  }
  std::vector<QueueInUse> queues(static_cast<size_t>(options.queues));
  for (size_t i = 0; i < queues.size(); ++i) queues[i].name = absl::StrCat("weir-bench-", i);
  std::vector<std::unique_ptr<Cycler>> cyclers;
  for (int i = 0; i < options.connections; ++i) {
    cyclers.push_back(std::make_unique<Cycler>(run, static_cast<uint32_t>(i),
                                               queues[static_cast<size_t>(i) % queues.size()]));
    WEIR_RETURN_IF_ERROR(cyclers.back()->Connect());
  }
  std::vector<std::thread> threads;
  for (auto& cycler : cyclers) threads.emplace_back([&cycler] { cycler->Loop(); });
  absl::SleepFor(absl::Seconds(options.warmup));
  cpu.Start();
  const absl::Duration start = SystemClock().Monotonic();
  run.measuring.store(true);
  absl::SleepFor(absl::Seconds(options.seconds));
  run.measuring.store(false);
  const absl::Duration took = SystemClock().Monotonic() - start;
  cpu.Stop();
  run.stopping.store(true);
  for (std::thread& thread : threads) thread.join();
  MutexLock lock(&run.mu);
  WEIR_RETURN_IF_ERROR(run.error);

  WEIR_ASSIGN_OR_RETURN(const Postgres::Result left,
                        admin->Run(absl::StrCat("SELECT count(*) FROM ", run.table)));
  const std::string rows_left = PQgetvalue(left.get(), 0, 0);
  WEIR_RETURN_IF_ERROR(admin->Run(absl::StrCat("DROP TABLE ", run.table)).status());
  if (rows_left != "0") {
    return absl::InternalError(absl::StrCat(rows_left, " messages are left in the table."));
  }
  Report report{.workload = "skip-locked", .took = took, .measured = std::move(run.measured)};
  report.messages = run.ledger.Count();
  return report;
}

}  // namespace weir::bench
