// Faults that lie: the store did it, and we are told that it did not, or that nobody knows.
#include "services/queue/store/conformance/store_conformance.h"

namespace weir::queue::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StoreFaults : public StoreConformance<FaultyBackend> {
 protected:
  FaultInjector& faults() { return backend_.faults(); }
};

TEST_F(StoreFaults, InDoubtAppendThatWasWrittenIsFoundAtTheNextOpen) {
  Reopen();
  faults().ScriptAppends({AppendFault::kInDoubtWritten});
  EXPECT_EQ(Append({Message(1, 1)}), CommitOutcome::kInDoubt);
  EXPECT_EQ(Append({Message(2, 1)}), CommitOutcome::kRejected);
  EXPECT_EQ(Reopen().next_log_no, core::LogNo(2));
  EXPECT_THAT(Range(1, 0), ElementsAre(1));
}

TEST_F(StoreFaults, InDoubtAppendThatWasNotWrittenIsNotFound) {
  Reopen();
  faults().ScriptAppends({AppendFault::kInDoubtNotWritten});
  EXPECT_EQ(Append({Message(1, 1)}), CommitOutcome::kInDoubt);
  EXPECT_EQ(Reopen().next_log_no, core::LogNo(1));
  EXPECT_THAT(Range(1, 0), IsEmpty());
}

TEST_F(StoreFaults, RejectedAndFencedAppendsWriteNothing) {
  for (const auto& [fault, outcome] : {std::pair(AppendFault::kRejected, CommitOutcome::kRejected),
                                       std::pair(AppendFault::kFenced, CommitOutcome::kFenced)}) {
    Reopen();
    faults().ScriptAppends({fault});
    EXPECT_EQ(Append({Message(1, 1)}), outcome);
    Reopen();
    EXPECT_THAT(Metas(), IsEmpty());
  }
}

TEST_F(StoreFaults, SegmentThatWasStartedButFailedIsTheActiveOneAfterOpen) {
  Reopen();
  const core::SegmentNo first = active_;
  faults().ScriptCalls(FaultPoint::kSegment, {CallFault::kDoneButFailed});
  EXPECT_FALSE(log_->StartSegment(core::LogNo(1)).ok());
  EXPECT_EQ(Append({Message(1, 1)}), CommitOutcome::kRejected);
  const ShardLog::Opened opened = Reopen();
  EXPECT_GT(opened.active_segment, first);
  EXPECT_EQ(Append({Message(1, 1)}), CommitOutcome::kCommitted);
}

TEST_F(StoreFaults, QueueThatWasCreatedButFailedExistsAtTheRetry) {
  faults().ScriptCalls(FaultPoint::kRegistry, {CallFault::kDoneButFailed});
  const QueueName name{"000000000000", "us-east-1", "jobs"};
  EXPECT_EQ(ReasonOf(registry().CreateQueue({.name = name, .shards = {kShard}}, Soon()).status()),
            ErrorReason::kStoreUnavailable);
  EXPECT_EQ(ReasonOf(registry().CreateQueue({.name = name, .shards = {kShard}}, Soon()).status()),
            ErrorReason::kQueueAlreadyExists);
  EXPECT_EQ(registry().ListQueues(Soon()).value().size(), 1u);
}

TEST_F(StoreFaults, MoveTaskThatWasStartedButFailedRunsAtTheRetry) {
  const core::QueueId queue =
      registry().CreateQueue({.name = {"000000000000", "us-east-1", "dead"}, .shards = {kShard}}, Soon()).value().id;
  const NewMoveTask task{.id = "0f8fad5b-d9cb-469f-a165-100000000001",
                         .source = queue,
                         .source_arn = "arn:dead",
                         .partitions = {{kShard, core::PartitionId(1), queue}}};
  faults().ScriptCalls(FaultPoint::kMoveTasks, {CallFault::kDoneButFailed});
  EXPECT_EQ(ReasonOf(backend_.move_tasks().StartMoveTask(task, Soon())), ErrorReason::kStoreUnavailable);
  EXPECT_EQ(ReasonOf(backend_.move_tasks().StartMoveTask(task, Soon())), ErrorReason::kMoveTaskAlreadyRunning);
}

TEST_F(StoreFaults, ShardThatWasTakenButFailedHasANewEpochAndMayBeTakenAgain) {
  Reopen();
  faults().ScriptCalls(FaultPoint::kLease, {CallFault::kDoneButFailed});
  EXPECT_FALSE(leases().AcquireShard(kShard, "me", Soon()).ok());
  EXPECT_EQ(Append({Message(1, 1)}), CommitOutcome::kFenced);
  Reopen();
  EXPECT_EQ(Append({Message(1, 1)}), CommitOutcome::kCommitted);
}

}  // namespace
}  // namespace weir::queue::store
