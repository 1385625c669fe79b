// What only a real server can do: hold locks, die, and wait.
#include <pqxx/pqxx>
#include <thread>

#include "services/queue/store/conformance/store_conformance.h"

namespace weir::queue::store {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class PgStore : public StoreConformance<PgBackend> {
 protected:
  // A session of somebody else.
  pqxx::connection& other() {
    if (other_ == nullptr) other_ = std::make_unique<pqxx::connection>(backend_.dsn());
    return *other_;
  }
  int Count(const std::string& query) {
    pqxx::connection connection(backend_.dsn());
    pqxx::work tx(connection);
    return tx.exec(query)[0][0].as<int>();
  }
  int Tables() {
    return Count("SELECT count(*) FROM pg_tables WHERE schemaname = 'shard_0000' AND tablename LIKE 'messages_%'");
  }
  void KillLogSession() {
    pqxx::work tx(other());
    tx.exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'weir-queue-log' AND datname = current_database()");
  }

  std::unique_ptr<pqxx::connection> other_;
};

TEST_F(PgStore, DropWhileAReaderHoldsTheTableIsPostponedAndDoneLater) {
  Reopen();
  const core::SegmentNo first = active_;
  ASSERT_EQ(Append({Message(1, 1)}), CommitOutcome::kCommitted);
  StartSegment(2);
  const core::SegmentNo second = active_;
  ASSERT_EQ(Append({Message(2, 1)}), CommitOutcome::kCommitted);
  StartSegment(3);
  {
    pqxx::work reader(other());
    reader.exec("SELECT * FROM shard_0000.messages_000001");
    EXPECT_TRUE(log_->DropSegment(first).ok());
    EXPECT_EQ(Tables(), 3);
    EXPECT_THAT(Range(1, 0), ElementsAre(2));  // retired at least
    EXPECT_EQ(Append({Message(3, 1)}), CommitOutcome::kCommitted);
    // Also to who opens it anew.
    EXPECT_EQ(ReopenInNewProcess().segments.size(), 2u);
    EXPECT_THAT(Range(1, 0), ElementsAre(2, 3));
  }
  EXPECT_TRUE(log_->DropSegment(second).ok());
  EXPECT_EQ(Tables(), 1);
  EXPECT_EQ(Count("SELECT count(*) FROM shard_0000.segments"), 1);
}

TEST_F(PgStore, RetiredSegmentIsDroppedAtTheNextOpen) {
  Reopen();
  const core::SegmentNo first = active_;
  StartSegment(1);
  ASSERT_EQ(Append({}, {}, first), CommitOutcome::kCommitted);
  EXPECT_EQ(Tables(), 2);
  ReopenInNewProcess();
  EXPECT_EQ(Tables(), 1);
}

TEST_F(PgStore, AppendAfterTheSessionWasKilledWhileIdleIsRejectedNotInDoubt) {
  Reopen();
  KillLogSession();
  EXPECT_EQ(Append({Message(1, 1)}), CommitOutcome::kRejected);
  EXPECT_EQ(Append({Message(1, 1)}), CommitOutcome::kRejected);
  EXPECT_EQ(Reopen().next_log_no, core::LogNo(1));
  EXPECT_EQ(Append({Message(1, 1)}), CommitOutcome::kCommitted);
}

TEST_F(PgStore, AppendWhoseSessionIsKilledBeforeTheAnswerIsInDoubt) {
  Reopen();
  const AppendBatch batch{.segment = active_, .messages = {Message(1, 1)}};
  {
    // The fence waits for this take-over, and the session dies waiting.
    pqxx::work taker(other());
    taker.exec("UPDATE queue.shards SET epoch = epoch WHERE shard = 0");
    log_->BeginAppend(batch);
    while (Count("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir-queue-log'"
                 " AND datname = current_database() AND wait_event_type = 'Lock'") == 0) {
    }
    taker.exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
               " WHERE application_name = 'weir-queue-log' AND datname = current_database()");
  }
  EXPECT_EQ(log_->FinishAppend(), CommitOutcome::kInDoubt);
  EXPECT_EQ(Reopen().next_log_no, core::LogNo(1));
}

TEST_F(PgStore, AppendThatIsRunningWhenTheShardIsTakenIsFencedOrCommittedBefore) {
  Reopen();
  const AppendBatch batch{.segment = active_, .messages = {Message(1, 1)}};
  {
    pqxx::work taker(other());
    taker.exec("UPDATE queue.shards SET epoch = epoch + 1 WHERE shard = 0");
    log_->BeginAppend(batch);
    while (Count("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir-queue-log'"
                 " AND datname = current_database() AND wait_event_type = 'Lock'") == 0) {
    }
    taker.commit();
  }
  EXPECT_EQ(log_->FinishAppend(), CommitOutcome::kFenced);
  Reopen();
  EXPECT_TRUE(Metas().empty());
}

TEST_F(PgStore, AppendThatPostgresRefusesIsRejectedAndTheRestGoesOn) {
  Reopen();
  // No text in PostgreSQL holds a NUL; the API refuses it before.
  EXPECT_EQ(Append({Message(1, 1, std::string("a\0b", 3))}), CommitOutcome::kRejected);
  Reopen();
  EXPECT_EQ(Append({Message(1, 1)}), CommitOutcome::kCommitted);
}

TEST_F(PgStore, AppendThatWaitsIsEndedByPostgresBeforeTheLeaseIsOver) {
  auto store = CreatePgQueueStore({.database_url = backend_.dsn(), .lease_time = absl::Seconds(1)}).value();
  log_ = store.logs->OpenLog(kShard);
  Reopen();
  pqxx::work taker(other());
  taker.exec("UPDATE queue.shards SET epoch = epoch WHERE shard = 0");
  const absl::Time start = absl::Now();
  EXPECT_EQ(Append({Message(1, 1)}), CommitOutcome::kRejected);
  EXPECT_LT(absl::Now() - start, absl::Seconds(1));
}

// A read that sorted a whole segment would cost a backlog's consumers more than everything else.
TEST_F(PgStore, ReadOfARangeFetchesNoMoreRowsThanItNeeds) {
  Reopen();
  int64_t seq = 0;
  for (int i = 0; i < 3; ++i) {
    std::vector<core::AppendMessage> messages;
    for (int j = 0; j < 1000; ++j) messages.push_back(Message(++seq, 1));
    ASSERT_EQ(Append(std::move(messages)), CommitOutcome::kCommitted);
    if (i < 2) StartSegment(seq + 1);
  }
  // Rows of the first segments in the last one, so that windows have several.
  core::AppendMessage copy = Message(++seq, 1);
  copy.meta.seq = core::MessageSeq(1);
  ASSERT_EQ(AppendCopied({copy}, {core::SegmentNo(1), core::PartitionId(1), core::MessageSeq(1)}),
            CommitOutcome::kCommitted);
  const auto fetched = [&] {
    return Count("SELECT sum(idx_tup_fetch) FROM pg_stat_user_tables WHERE relname LIKE 'messages_%'");
  };
  // Sessions tell what they did by their end at the latest.
  ReopenInNewProcess();
  const int before = fetched();
  constexpr int kReads = 20;
  constexpr int kRows = 2 * kReads * 10;  // in one and in two steps
  for (int i = 0; i < kReads; ++i) {
    EXPECT_THAT(Range(1, 100 * i, 10), SizeIs(10));
  }
  log_.reset();
  const absl::Time give_up = absl::Now() + absl::Seconds(30);
  // More than one of the two sessions could have read. Each look is a connection, which takes its time.
  while (fetched() - before < kRows * 3 / 4 && absl::Now() < give_up) {
  }
  EXPECT_GE(fetched() - before, kRows * 3 / 4);
  EXPECT_LE(fetched() - before, kRows * 2);
}

TEST_F(PgStore, LostReaderIsReplaced) {
  Reopen();
  ASSERT_EQ(Append({Message(1, 1), Message(2, 1)}), CommitOutcome::kCommitted);
  EXPECT_THAT(BegunRange(1, 0, 1), ElementsAre(1));
  for (const bool under_way : {false, true}) {
    if (under_way) log_->BeginReadRange(core::PartitionId(1), core::MessageSeq(0), 1, 1000);
    // The newest of the log's sessions is the reader.
    EXPECT_EQ(Count("SELECT count(pg_terminate_backend(pid, 5000)) FROM (SELECT pid FROM pg_stat_activity WHERE"
                    " application_name = 'weir-queue-log' AND datname = current_database()"
                    " ORDER BY backend_start DESC LIMIT 1) newest"),
              1);
    if (!under_way) log_->BeginReadRange(core::PartitionId(1), core::MessageSeq(0), 1, 1000);
    EXPECT_THAT(SeqsOf(log_->FinishReadRange().value()), ElementsAre(1));
    EXPECT_THAT(BegunRange(1, 2), ElementsAre(2));
    EXPECT_EQ(Append({Message(10 + under_way, 2)}), CommitOutcome::kCommitted) << "the log is still open";
  }
}

TEST_F(PgStore, ReplicasThatStartTogetherMakeTheShardsOnce) {
  PgBackend fresh;
  auto second = CreatePgQueueStore({.database_url = fresh.dsn()}).value();
  absl::StatusOr<int> theirs;
  std::thread other_replica([&] { theirs = second.registry->EnsureShards(40, Soon()); });
  const absl::StatusOr<int> ours = fresh.registry().EnsureShards(70, Soon());
  other_replica.join();
  ASSERT_TRUE(ours.ok()) << ours.status();
  ASSERT_TRUE(theirs.ok()) << theirs.status();
  EXPECT_EQ(*ours, *theirs);
  EXPECT_EQ(fresh.leases().ListShards(Soon()).value().size(), static_cast<size_t>(*ours));
}

TEST_F(PgStore, UnreachableServerIsUnavailableWithinTheDeadline) {
  auto store = CreatePgQueueStore({.database_url = "postgresql://nobody@127.0.0.1:1/none"}).value();
  EXPECT_EQ(ReasonOf(store.registry->ListQueues(Soon()).status()), ErrorReason::kStoreUnavailable);
  EXPECT_EQ(ReasonOf(store.leases->ListShards(Soon()).status()), ErrorReason::kStoreUnavailable);
  auto log = store.logs->OpenLog(kShard);
  EXPECT_EQ(ReasonOf(log->Open(core::Epoch(1)).status()), ErrorReason::kStoreUnavailable);
}

TEST_F(PgStore, CallThatWaitsForALockEndsAtItsDeadline) {
  pqxx::work blocker(other());
  blocker.exec("UPDATE queue.settings SET registry_version = registry_version");
  const absl::Status status =
      registry().DeleteQueue(core::QueueId(1), absl::Now() + absl::Milliseconds(100));
  EXPECT_EQ(ReasonOf(status), ErrorReason::kStoreUnavailable) << status;
}

TEST_F(PgStore, OptionsThatMakeNoSenseAreRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(
      CreatePgQueueStore({.database_url = "x=y=z"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      CreatePgQueueStore({.database_url = "dbname=x", .registry_connections = 0}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      CreatePgQueueStore({.database_url = "dbname=x", .lease_time = absl::ZeroDuration()}).status()));
}

}  // namespace
}  // namespace weir::queue::store
