// The stores that every test of this folder runs against, and the words that the tests are written in.
//
// A suite is StoreConformance<Backend>, so a test's name is StoreConformance/Pg.CommitWithOldEpochIsFenced.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/pg/migrator.h"
#include "libs/pg/pool.h"
#include "services/queue/schema.gen.h"
#include "services/queue/store/faulty/faulty_queue_store.h"
#include "services/queue/store/memory/memory_queue_store.h"
#include "services/queue/store/pg/pg_queue_store.h"
#include "services/queue/store/queue_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/pg_fixture.h"

namespace weir::queue::store {

inline absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

class MemoryBackend {
 public:
  MoveTaskStore& move_tasks() { return store_; }
  JournalReader& journal() { return store_; }
  RegistryStore& registry() { return store_; }
  LeaseStore& leases() { return store_; }
  ShardLogFactory& logs() { return store_; }

 private:
  FakeClock clock_;
  MemoryQueueStore store_{clock_};
};

// The wrapper without faults: it must change nothing.
class FaultyBackend {
 public:
  JournalReader& journal() { return inner_.journal(); }
  RegistryStore& registry() { return registry_; }
  LeaseStore& leases() { return leases_; }
  ShardLogFactory& logs() { return logs_; }
  MoveTaskStore& move_tasks() { return move_tasks_; }
  FaultInjector& faults() { return faults_; }

 private:
  MemoryBackend inner_;
  FaultInjector faults_;
  FaultyRegistryStore registry_{inner_.registry(), faults_};
  FaultyLeaseStore leases_{inner_.leases(), faults_};
  FaultyShardLogFactory logs_{inner_.logs(), faults_};
  FaultyMoveTaskStore move_tasks_{inner_.move_tasks(), faults_};
};

class PgBackend {
 public:
  PgBackend() : dsn_(MakeTestDatabase()) {
    pg::Pool pool({.dsn = dsn_, .size = 1});
    const absl::Status migrated = pg::Migrate(pool, "queue", schema::Migrations(), Soon());
    WEIR_CHECK(migrated.ok(), migrated.ToString());
    auto store = CreatePgQueueStore({.database_url = dsn_, .drop_lock_timeout = absl::Milliseconds(20)});
    WEIR_CHECK(store.ok(), store.status().ToString());
    store_ = *std::move(store);
  }
  RegistryStore& registry() { return *store_.registry; }
  LeaseStore& leases() { return *store_.leases; }
  ShardLogFactory& logs() { return *store_.logs; }
  JournalReader& journal() { return *store_.journal; }
  MoveTaskStore& move_tasks() { return *store_.move_tasks; }
  const std::string& dsn() const { return dsn_; }

 private:
  const std::string dsn_;
  PgQueueStore store_;
};

using Backends = testing::Types<MemoryBackend, FaultyBackend, PgBackend>;

struct BackendNames {
  template <typename T>
  static std::string GetName(int) {
    if (std::is_same_v<T, MemoryBackend>) return "Memory";
    return std::is_same_v<T, FaultyBackend> ? "Faulty" : "Pg";
  }
};

inline constexpr core::ShardId kShard{0};

inline core::AppendMessage Message(int64_t log_no, int64_t partition, std::string body = "body") {
  core::AppendMessage message;
  message.log_no = core::LogNo(log_no);
  message.partition = core::PartitionId(partition);
  message.meta.seq = core::MessageSeq(log_no);
  message.meta.sent_at = message.meta.visible_at = absl::FromUnixMicros(1'700'000'000'000'001);
  message.content = std::make_shared<core::MessageContent>(
      core::MessageContent{.message_id = absl::StrCat("0f8fad5b-d9cb-469f-a165-", 100'000'000'000 + log_no),
                           .body = std::move(body)});
  return message;
}

inline core::AppendEvent Event(int64_t log_no, core::EventKind kind, int64_t partition, int64_t seq) {
  return {.log_no = core::LogNo(log_no),
          .kind = kind,
          .partition = core::PartitionId(partition),
          .seq = core::MessageSeq(seq),
          .at = absl::FromUnixMicros(1'700'000'001'000'000),
          .visible_at = absl::InfinitePast()};
}

inline std::vector<int64_t> SeqsOf(const std::vector<StoredMessage>& messages) {
  std::vector<int64_t> seqs;
  for (const StoredMessage& message : messages) seqs.push_back(message.meta.seq.value());
  return seqs;
}

// A store with one shard, and a log of it.
template <typename Backend>
class StoreConformance : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(registry().EnsureShards(1, Soon()).value(), 1); }

  RegistryStore& registry() { return backend_.registry(); }
  LeaseStore& leases() { return backend_.leases(); }

  // Takes the shard and opens the fixture's log.
  ShardLog::Opened Reopen() {
    epoch_ = leases().AcquireShard(kShard, "me", Soon()).value();
    if (log_ == nullptr) log_ = backend_.logs().OpenLog(kShard);
    absl::StatusOr<ShardLog::Opened> opened = log_->Open(epoch_);
    WEIR_CHECK(opened.ok(), opened.status().ToString());
    active_ = opened->active_segment;
    return *std::move(opened);
  }
  // A log of another process, as it were.
  ShardLog::Opened ReopenInNewProcess() {
    log_.reset();
    return Reopen();
  }

  CommitOutcome Append(std::vector<core::AppendMessage> messages,
                       std::vector<core::AppendEvent> events = {},
                       std::optional<core::SegmentNo> retire = std::nullopt) {
    return AppendTo(*log_, std::move(messages), std::move(events), retire);
  }
  CommitOutcome AppendTo(ShardLog& log, std::vector<core::AppendMessage> messages,
                         std::vector<core::AppendEvent> events = {},
                         std::optional<core::SegmentNo> retire = std::nullopt) {
    const AppendBatch batch{.segment = active_,
                            .messages = std::move(messages),
                            .events = std::move(events),
                            .retire = retire};
    log.BeginAppend(batch);
    return log.FinishAppend();
  }
  CommitOutcome AppendCopied(std::vector<core::AppendMessage> messages, AppendBatch::Copied copied) {
    const AppendBatch batch{.segment = active_, .messages = std::move(messages), .copied = copied};
    log_->BeginAppend(batch);
    return log_->FinishAppend();
  }
  // All that is left of it.
  absl::StatusOr<std::vector<StoredMessage>> ReadSegment(core::SegmentNo segment) {
    return log_->ReadSegment(segment, 1'000'000, 1 << 30);
  }
  void StartSegment(int64_t first_log_no) {
    active_ = log_->StartSegment(core::LogNo(first_log_no)).value();
  }

  std::vector<int64_t> Range(int64_t partition, int64_t from, size_t max_messages = 1000,
                             size_t max_bytes = 1 << 20) {
    std::vector<int64_t> seqs = SeqsOf(log_->ReadRange(core::PartitionId(partition), core::MessageSeq(from), max_messages,
                                                       max_bytes)
                                           .value());
    const std::vector<int64_t> begun = BegunRange(partition, from, max_messages, max_bytes);
    EXPECT_EQ(begun.empty(), seqs.empty());
    EXPECT_TRUE(begun.size() <= seqs.size() && std::equal(begun.begin(), begun.end(), seqs.begin()))
        << "a read in two steps gave something else: " << testing::PrintToString(begun);
    return seqs;
  }
  std::vector<int64_t> BegunRange(int64_t partition, int64_t from, size_t max_messages = 1000,
                                  size_t max_bytes = 1 << 20) {
    log_->BeginReadRange(core::PartitionId(partition), core::MessageSeq(from), max_messages, max_bytes);
    return SeqsOf(log_->FinishReadRange().value());
  }
  std::vector<StoredMessage> Read(std::vector<std::pair<int64_t, int64_t>> keys) {
    std::vector<ShardLog::MessageKey> wanted;
    for (const auto& [partition, seq] : keys) {
      wanted.push_back({core::PartitionId(partition), core::MessageSeq(seq)});
    }
    std::vector<StoredMessage> read = log_->ReadMessages(wanted).value();
    std::sort(read.begin(), read.end(),
              [](const auto& a, const auto& b) { return a.meta.seq < b.meta.seq; });
    return read;
  }
  struct SeenEvent {
    core::SegmentNo segment;
    core::AppendEvent event;
  };
  std::vector<SeenEvent> Events() {
    std::vector<SeenEvent> events;
    const absl::Status status =
        log_->ReadEvents([&](core::SegmentNo segment, const core::AppendEvent& event) {
          events.push_back({segment, event});
          return absl::OkStatus();
        });
    WEIR_CHECK(status.ok(), status.ToString());
    return events;
  }
  struct SeenMeta {
    core::PartitionId partition;
    core::LogNo log_no;
    core::MessageMeta meta;
  };
  std::vector<SeenMeta> Metas() {
    std::vector<SeenMeta> metas;
    const absl::Status status = log_->ReadMetas(
        [&](core::PartitionId partition, core::LogNo log_no, const core::MessageMeta& meta) {
          metas.push_back({partition, log_no, meta});
          return absl::OkStatus();
        });
    WEIR_CHECK(status.ok(), status.ToString());
    return metas;
  }

  Backend backend_;
  core::Epoch epoch_;
  std::unique_ptr<ShardLog> log_;
  core::SegmentNo active_;
};

}  // namespace weir::queue::store
