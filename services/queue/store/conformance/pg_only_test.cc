// What only a real server can do: hold locks, die, and wait.
#include <pqxx/pqxx>
#include <thread>

#include "services/queue/store/conformance/store_conformance.h"

namespace weir::queue::store {
namespace {

using ::testing::ElementsAre;

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
