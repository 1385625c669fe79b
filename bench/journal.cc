#include "bench/journal.h"

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/message_ledger.h"
#include "bench/postgres.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "services/queue/service.h"
#include "services/queue/store/pg/pg_queue_store.h"

namespace weir::bench {
namespace {

using queue::core::LogNo;
using queue::core::MessageSeq;
using queue::store::AppendBatch;
using queue::store::CommitOutcome;
using queue::store::ShardLog;

constexpr absl::Duration kTimeout = absl::Seconds(30);
constexpr int64_t kSegmentRows = 200'000;  // as ShardOptions
constexpr absl::string_view kReplica = "weir-bench";

// One shard's writer. Used by one thread.
class Writer {
 public:
  Writer(const Options& options, queue::core::ShardId shard, std::unique_ptr<ShardLog> log)
      : options_(options),
        partition_(shard.value() + 1),
        body_(static_cast<size_t>(options.body), 'x'),
        log_(std::move(log)) {}

  absl::Status Open(queue::core::Epoch epoch) {
    WEIR_ASSIGN_OR_RETURN(const ShardLog::Opened opened, log_->Open(epoch));
    next_log_no_ = opened.next_log_no;
    segment_ = opened.active_segment;
    return absl::OkStatus();
  }

  absl::Status Loop(const std::atomic<bool>& measuring, const std::atomic<bool>& stopping) {
    Group group = MakeGroup();
    while (!stopping.load(std::memory_order_relaxed)) {
      group.batch.segment = segment_;
      group.begun_at = MonotonicNanoseconds();
      log_->BeginAppend(group.batch);
      previous_.push_front(std::move(group));
      // previous_ keeps the group where it is until FinishAppend.
      Group next = MakeGroup();
      if (log_->FinishAppend() != CommitOutcome::kCommitted) {
        return absl::UnavailableError("An append was not committed; PostgreSQL's log says why.");
      }
      if (measuring.load(std::memory_order_relaxed)) Measure(MonotonicNanoseconds());
      WEIR_RETURN_IF_ERROR(MaintainSegments());
      if (previous_.size() > 2) previous_.pop_back();
      group = std::move(next);
    }
    return absl::OkStatus();
  }

  const Measured& measured() const { return measured_; }

 private:
  struct Group {
    AppendBatch batch;
    int64_t begun_at = 0;
  };

  Group MakeGroup() {
    Group group;
    const absl::Time now = absl::Now();
    for (int i = 0; i < options_.batch; ++i) {
      const LogNo log_no = TakeLogNo();
      auto content = std::make_shared<queue::core::MessageContent>();
      content->message_id = RandomUuid();
      content->body = body_;
      group.batch.messages.push_back({.log_no = log_no,
                                      .partition = partition_,
                                      .meta = {.seq = MessageSeq(log_no.value()),
                                               .segment = segment_,
                                               .sent_at = now,
                                               .visible_at = now},
                                      .content = std::move(content)});
    }
    AddEvents(0, queue::core::EventKind::kLeased, now, now + absl::Seconds(30), group.batch);
    AddEvents(1, queue::core::EventKind::kAcked, now, absl::InfinitePast(), group.batch);
    return group;
  }

  // Of the messages of the group that was begun `ago` groups before.
  void AddEvents(size_t ago, queue::core::EventKind kind, absl::Time now, absl::Time visible_at,
                 AppendBatch& batch) {
    if (previous_.size() <= ago) return;
    for (const auto& message : previous_[ago].batch.messages) {
      batch.events.push_back({.log_no = TakeLogNo(),
                              .kind = kind,
                              .partition = partition_,
                              .seq = message.meta.seq,
                              .receive_count = 1,
                              .at = now,
                              .visible_at = visible_at});
    }
  }

  LogNo TakeLogNo() { return std::exchange(next_log_no_, LogNo(next_log_no_.value() + 1)); }

  void Measure(int64_t now) {
    measured_.send.Record(now - previous_[0].begun_at);
    if (previous_.size() > 2) {
      measured_.end_to_end.Record(now - previous_[2].begun_at);
      measured_.cycles += options_.batch;
    }
  }

  absl::Status MaintainSegments() {
    const AppendBatch& batch = previous_[0].batch;
    rows_ += static_cast<int64_t>(batch.messages.size() + batch.events.size());
    if (retired_.has_value() && --groups_until_drop_ == 0) {
      WEIR_RETURN_IF_ERROR(log_->DropSegment(*std::exchange(retired_, std::nullopt)));
    }
    if (rows_ < kSegmentRows) return absl::OkStatus();
    rows_ = 0;
    retired_ = segment_;
    groups_until_drop_ = 3;  // then every message of the old one is deleted
    WEIR_ASSIGN_OR_RETURN(segment_, log_->StartSegment(next_log_no_));
    return absl::OkStatus();
  }

  const Options& options_;
  const queue::core::PartitionId partition_;
  const std::string body_;
  std::unique_ptr<ShardLog> log_;
  LogNo next_log_no_;
  queue::core::SegmentNo segment_;
  int64_t rows_ = 0;
  std::optional<queue::core::SegmentNo> retired_;
  int groups_until_drop_ = 0;
  std::deque<Group> previous_;  // newest first
  Measured measured_;
};

absl::StatusOr<Report> RunOn(const std::string& database_url, const Options& options,
                             CpuMeter& cpu) {
  WEIR_RETURN_IF_ERROR(queue::MigrateSchema(database_url));
  WEIR_ASSIGN_OR_RETURN(const queue::store::PgQueueStore store,
                        queue::store::CreatePgQueueStore({.database_url = database_url}));
  WEIR_RETURN_IF_ERROR(
      store.registry->EnsureShards(options.shards, absl::Now() + kTimeout).status());
  std::vector<std::unique_ptr<Writer>> writers;
  for (int i = 0; i < options.shards; ++i) {
    const queue::core::ShardId shard(i);
    WEIR_ASSIGN_OR_RETURN(const queue::core::Epoch epoch,
                          store.leases->AcquireShard(shard, kReplica, absl::Now() + kTimeout));
    writers.push_back(std::make_unique<Writer>(options, shard, store.logs->OpenLog(shard)));
    WEIR_RETURN_IF_ERROR(writers.back()->Open(epoch));
  }
  std::atomic<bool> measuring{false};
  std::atomic<bool> stopping{false};
  std::vector<absl::Status> ends(writers.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < writers.size(); ++i) {
    threads.emplace_back([&, i] { ends[i] = writers[i]->Loop(measuring, stopping); });
  }
  Report report{.workload = "journal", .took = MeasureWindow(options, cpu, measuring)};
  stopping.store(true);
  for (std::thread& thread : threads) thread.join();
  report.has_calls = false;
  for (size_t i = 0; i < writers.size(); ++i) {
    WEIR_RETURN_IF_ERROR(ends[i]);
    report.measured.Merge(writers[i]->measured());
  }
  return report;
}

}  // namespace

absl::StatusOr<Report> RunJournal(const Options& options, CpuMeter& cpu) {
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<Postgres> admin,
                        Postgres::Connect(options.database_url));
  const std::string database = absl::StrCat("weir_bench_", RandomToken(4));
  WEIR_ASSIGN_OR_RETURN(const std::string database_url,
                        WithDatabase(options.database_url, database));
  WEIR_RETURN_IF_ERROR(admin->Run(absl::StrCat("CREATE DATABASE ", database)).status());
  absl::StatusOr<Report> report = RunOn(database_url, options, cpu);
  const absl::Status dropped =
      admin->Run(absl::StrCat("DROP DATABASE ", database, " WITH (FORCE)")).status();
  if (report.ok() && !dropped.ok()) return dropped;
  return report;
}

}  // namespace weir::bench
