#include "services/queue/store/conformance/store_conformance.h"

namespace weir::queue::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A queue with two partitions on the one shard, as far as its tasks know.
template <typename Backend>
class MoveTasksConformance : public StoreConformance<Backend> {
 protected:
  void SetUp() override {
    StoreConformance<Backend>::SetUp();
    queue_ = CreateQueue("dead");
    epoch_ = Acquire("me");
  }

  MoveTaskStore& tasks() { return this->backend_.move_tasks(); }
  core::QueueId CreateQueue(const std::string& name) {
    return this->registry()
        .CreateQueue({.name = {"000000000000", "us-east-1", name}, .shards = {kShard}}, Soon())
        .value()
        .id;
  }
  core::Epoch Acquire(const std::string& replica) {
    return this->leases().AcquireShard(kShard, replica, Soon()).value();
  }

  static std::string Id(int number) { return absl::StrCat("0f8fad5b-d9cb-469f-a165-", 100'000'000'000 + number); }
  absl::Status Start(int number, std::vector<int64_t> partitions = {1, 2}) {
    return StartOf(queue_, number, partitions);
  }
  absl::Status StartOf(core::QueueId queue, int number, std::vector<int64_t> partitions = {1}) {
    NewMoveTask task{.id = Id(number), .source = queue, .source_arn = "arn:dead"};
    for (const int64_t id : partitions) task.partitions.push_back({kShard, core::PartitionId(id), queue});
    return tasks().StartMoveTask(task, Soon());
  }
  absl::StatusOr<MoveTaskPart> Claim(int number, int64_t partition, core::Epoch epoch) {
    return tasks().ClaimMovePart(Id(number), core::PartitionId(partition), epoch, Soon());
  }
  MoveProgress Progress(int number, int64_t partition, int64_t to_move, int64_t moved, bool done = false) {
    return {Id(number), core::PartitionId(partition), epoch_, to_move, moved, done};
  }
  std::vector<bool> Note(const std::vector<MoveProgress>& moves) {
    return tasks().NoteMoves(moves, Soon()).value();
  }
  MoveTaskRecord Newest() {
    const auto found = tasks().ListMoveTasks(queue_, 1, Soon()).value();
    WEIR_CHECK(found.size() == 1, "one task");
    return found[0];
  }
  // Claims and ends the only part of it.
  void End(int number) {
    ASSERT_TRUE(Claim(number, 1, epoch_).ok());
    ASSERT_THAT(Note({Progress(number, 1, 0, 0, true)}), ElementsAre(true));
  }

  core::QueueId queue_;
  core::Epoch epoch_;
};
TYPED_TEST_SUITE(MoveTasksConformance, Backends, BackendNames);

TYPED_TEST(MoveTasksConformance, StartedTaskIsListedWithEverything) {
  const NewMoveTask task{.id = this->Id(1),
                         .source = this->queue_,
                         .source_arn = "arn:dead",
                         .destination_arn = "arn:elsewhere",
                         .max_messages_per_second = 7,
                         .partitions = {{kShard, core::PartitionId(5), this->queue_},
                                        {kShard, core::PartitionId(4), this->queue_}}};
  ASSERT_TRUE(this->tasks().StartMoveTask(task, Soon()).ok());
  const MoveTaskRecord listed = this->Newest();
  EXPECT_EQ(listed.id, this->Id(1));
  EXPECT_EQ(listed.source, this->queue_);
  EXPECT_EQ(listed.source_arn, "arn:dead");
  EXPECT_EQ(listed.destination_arn, "arn:elsewhere");
  EXPECT_EQ(listed.max_messages_per_second, 7);
  EXPECT_EQ(listed.state, MoveTaskState::kRunning);
  EXPECT_TRUE(listed.failure.ok());
  EXPECT_GT(listed.started_at, absl::FromUnixSeconds(1'600'000'000));
  EXPECT_FALSE(listed.ended_at.has_value());
  ASSERT_EQ(listed.parts.size(), 2u);
  EXPECT_EQ(listed.parts[0].partition, core::PartitionId(4));
  EXPECT_EQ(listed.parts[0].shard, kShard);
  EXPECT_EQ(listed.parts[0].epoch, core::Epoch());
  EXPECT_FALSE(listed.parts[0].to_move.has_value());
  EXPECT_EQ(listed.parts[0].moved, 0);
  EXPECT_FALSE(listed.parts[0].done);
  EXPECT_EQ(listed.parts[1].partition, core::PartitionId(5));
  const auto active = this->tasks().ListActiveMoveTasks(Soon()).value();
  ASSERT_EQ(active.size(), 1u);
  EXPECT_EQ(active[0].id, this->Id(1));
  EXPECT_EQ(active[0].parts.size(), 2u);
}

TYPED_TEST(MoveTasksConformance, TaskWithoutDestinationAndRateHasNone) {
  ASSERT_TRUE(this->Start(1).ok());
  EXPECT_EQ(this->Newest().destination_arn, "");
  EXPECT_EQ(this->Newest().max_messages_per_second, 0);
}

TYPED_TEST(MoveTasksConformance, OneActiveTaskASource) {
  const core::QueueId other = this->CreateQueue("other");
  ASSERT_TRUE(this->Start(1, {1}).ok());
  EXPECT_EQ(ReasonOf(this->Start(2)), ErrorReason::kMoveTaskAlreadyRunning);
  EXPECT_TRUE(this->StartOf(other, 3).ok());
  ASSERT_TRUE(this->tasks().CancelMoveTask(this->Id(1), "arn:dead", Soon()).ok());
  EXPECT_EQ(ReasonOf(this->Start(2)), ErrorReason::kMoveTaskAlreadyRunning) << "it is not over yet";
  this->End(1);
  EXPECT_TRUE(this->Start(2).ok());
  EXPECT_EQ(ReasonOf(this->StartOf(core::QueueId(4711), 4)), ErrorReason::kQueueDoesNotExist);
}

TYPED_TEST(MoveTasksConformance, TasksAreListedNewestFirst) {
  ASSERT_TRUE(this->Start(3, {1}).ok());
  this->End(3);
  ASSERT_TRUE(this->Start(1, {1}).ok());
  this->End(1);
  ASSERT_TRUE(this->Start(2, {1, 2}).ok());
  std::vector<std::string> ids;
  const auto newest = this->tasks().ListMoveTasks(this->queue_, 2, Soon()).value();
  for (const MoveTaskRecord& task : newest) ids.push_back(task.id);
  EXPECT_THAT(ids, ElementsAre(this->Id(2), this->Id(1)));
  EXPECT_THAT(this->tasks().ListMoveTasks(this->CreateQueue("other"), 10, Soon()).value(), IsEmpty());
}

TYPED_TEST(MoveTasksConformance, TaskIsCompletedWithItsLastPart) {
  ASSERT_TRUE(this->Start(1).ok());
  EXPECT_EQ(this->Claim(1, 1, this->epoch_).value().epoch, this->epoch_);
  ASSERT_TRUE(this->Claim(1, 2, this->epoch_).ok());
  EXPECT_THAT(this->Note({this->Progress(1, 1, 10, 4), this->Progress(1, 2, 5, 5, true)}), ElementsAre(true, true));
  MoveTaskRecord task = this->Newest();
  EXPECT_EQ(task.state, MoveTaskState::kRunning);
  EXPECT_EQ(task.parts[0].to_move, 10);
  EXPECT_EQ(task.parts[0].moved, 4);
  EXPECT_FALSE(task.parts[0].done);
  EXPECT_TRUE(task.parts[1].done);
  EXPECT_THAT(this->Note({this->Progress(1, 1, 10, 10, true)}), ElementsAre(true));
  task = this->Newest();
  EXPECT_EQ(task.state, MoveTaskState::kCompleted);
  EXPECT_TRUE(task.ended_at.has_value());
  EXPECT_EQ(task.parts[0].moved, 10);
  EXPECT_THAT(this->tasks().ListActiveMoveTasks(Soon()).value(), IsEmpty());
  // Once more, because the answer was lost.
  const absl::Time ended_at = *task.ended_at;
  EXPECT_THAT(this->Note({this->Progress(1, 1, 10, 10, true)}), ElementsAre(true));
  EXPECT_EQ(this->Newest().ended_at, ended_at);
}

TYPED_TEST(MoveTasksConformance, CancelledTaskEndsWhenItsPartsDo) {
  ASSERT_TRUE(this->Start(1).ok());
  ASSERT_TRUE(this->Claim(1, 1, this->epoch_).ok());
  this->Note({this->Progress(1, 1, 10, 4)});
  const auto cancelled = this->tasks().CancelMoveTask(this->Id(1), "arn:dead", Soon());
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state, MoveTaskState::kCancelling);
  EXPECT_EQ(cancelled->parts.at(0).moved, 4);
  EXPECT_EQ(ReasonOf(this->tasks().CancelMoveTask(this->Id(1), "arn:dead", Soon()).status()), ErrorReason::kMoveTaskNotRunning);
  ASSERT_EQ(this->tasks().ListActiveMoveTasks(Soon()).value().size(), 1u);
  EXPECT_EQ(this->tasks().ListActiveMoveTasks(Soon()).value()[0].state, MoveTaskState::kCancelling);
  // Also a part that nobody had begun.
  ASSERT_TRUE(this->Claim(1, 2, this->epoch_).ok());
  this->Note({this->Progress(1, 1, 10, 5, true), this->Progress(1, 2, 0, 0, true)});
  EXPECT_EQ(this->Newest().state, MoveTaskState::kCancelled);
  EXPECT_TRUE(this->Newest().ended_at.has_value());
  EXPECT_EQ(ReasonOf(this->tasks().CancelMoveTask(this->Id(1), "arn:dead", Soon()).status()), ErrorReason::kMoveTaskNotRunning);
}

TYPED_TEST(MoveTasksConformance, UnknownTaskCannotBeCancelled) {
  for (const std::string& id : {this->Id(4711), std::string("no uuid"), std::string()}) {
    EXPECT_EQ(ReasonOf(this->tasks().CancelMoveTask(id, "arn:dead", Soon()).status()), ErrorReason::kMoveTaskDoesNotExist) << id;
  }
}

TYPED_TEST(MoveTasksConformance, ATaskIsCancelledOfItsOwnSourceOnly) {
  ASSERT_TRUE(this->Start(1).ok());
  for (const char* source : {"arn:other", "", "arn:dea", "arn:dead "}) {
    EXPECT_EQ(ReasonOf(this->tasks().CancelMoveTask(this->Id(1), source, Soon()).status()), ErrorReason::kMoveTaskDoesNotExist)
        << source;
  }
  EXPECT_EQ(this->Newest().state, MoveTaskState::kRunning);
}

TYPED_TEST(MoveTasksConformance, FailedTaskKeepsReasonAndMessage) {
  ASSERT_TRUE(this->Start(1).ok());
  ASSERT_TRUE(this->Claim(1, 1, this->epoch_).ok());
  const absl::Status failure = MakeError(ErrorReason::kQueueDoesNotExist, "The destination is \"gone\".");
  ASSERT_TRUE(this->tasks().FailMoveTask(this->Id(1), failure, Soon()).ok());
  // The first failure stays.
  ASSERT_TRUE(this->tasks().FailMoveTask(this->Id(1), MakeError(ErrorReason::kInternal, "late"), Soon()).ok());
  EXPECT_EQ(this->Newest().state, MoveTaskState::kFailed);
  EXPECT_EQ(ReasonOf(this->Newest().failure), ErrorReason::kQueueDoesNotExist);
  EXPECT_EQ(this->Newest().failure.message(), "The destination is \"gone\".");
  EXPECT_TRUE(this->Newest().ended_at.has_value());
  EXPECT_EQ(ReasonOf(this->Claim(1, 2, this->epoch_).status()), ErrorReason::kMoveTaskNotRunning);
  // What had been moved by then counts all the same.
  EXPECT_THAT(this->Note({this->Progress(1, 1, 10, 6)}), ElementsAre(true));
  EXPECT_EQ(this->Newest().parts[0].moved, 6);
  EXPECT_EQ(this->Newest().state, MoveTaskState::kFailed);
  EXPECT_TRUE(this->Start(2).ok());
}

TYPED_TEST(MoveTasksConformance, DeletedSourceFailsItsTaskAndANewQueueOfThatNameIsAnother) {
  ASSERT_TRUE(this->Start(1).ok());
  ASSERT_TRUE(this->registry().DeleteQueue(this->queue_, Soon()).ok());
  EXPECT_EQ(this->Newest().state, MoveTaskState::kFailed);
  EXPECT_EQ(ReasonOf(this->Newest().failure), ErrorReason::kQueueDoesNotExist);
  EXPECT_THAT(std::string(this->Newest().failure.message()), HasSubstr("arn:dead"));
  EXPECT_EQ(ReasonOf(this->Start(2)), ErrorReason::kQueueDoesNotExist);
  const core::QueueId again = this->CreateQueue("dead");
  EXPECT_THAT(this->tasks().ListMoveTasks(again, 10, Soon()).value(), IsEmpty());
  EXPECT_TRUE(this->StartOf(again, 3).ok());
}

TYPED_TEST(MoveTasksConformance, PartIsClaimedByTheOwnerOfItsShardOnly) {
  ASSERT_TRUE(this->Start(1).ok());
  ASSERT_TRUE(this->Claim(1, 1, this->epoch_).ok());
  this->Note({this->Progress(1, 1, 10, 4)});
  const core::Epoch newer = this->Acquire("me");
  EXPECT_EQ(ReasonOf(this->Claim(1, 1, this->epoch_).status()), ErrorReason::kShardNotOwned);
  EXPECT_EQ(ReasonOf(this->Claim(1, 1, newer.Next()).status()), ErrorReason::kShardNotOwned);
  const auto resumed = this->Claim(1, 1, newer);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(resumed->to_move, 10);
  EXPECT_EQ(resumed->moved, 4);
  EXPECT_EQ(resumed->epoch, newer);
  EXPECT_EQ(ReasonOf(this->Claim(1, 3, newer).status()), ErrorReason::kMoveTaskNotRunning);
  EXPECT_EQ(ReasonOf(this->Claim(2, 1, newer).status()), ErrorReason::kMoveTaskNotRunning);
}

TYPED_TEST(MoveTasksConformance, FormerOwnerNotesUntilThePartIsClaimedAnewButEndsNothing) {
  ASSERT_TRUE(this->Start(1, {1}).ok());
  ASSERT_TRUE(this->Claim(1, 1, this->epoch_).ok());
  const core::Epoch newer = this->Acquire("me");
  EXPECT_THAT(this->Note({this->Progress(1, 1, 10, 10, true)}), ElementsAre(false));
  EXPECT_EQ(this->Newest().state, MoveTaskState::kRunning);
  EXPECT_THAT(this->Note({this->Progress(1, 1, 10, 5)}), ElementsAre(true));
  EXPECT_EQ(this->Claim(1, 1, newer).value().moved, 5);
  EXPECT_THAT(this->Note({this->Progress(1, 1, 10, 9), this->Progress(2, 1, 1, 1)}), ElementsAre(false, false));
  EXPECT_EQ(this->Newest().parts[0].moved, 5);
  this->epoch_ = newer;
  EXPECT_THAT(this->Note({this->Progress(1, 1, 10, 10, true)}), ElementsAre(true));
  EXPECT_EQ(this->Newest().state, MoveTaskState::kCompleted);
  EXPECT_EQ(ReasonOf(this->Claim(1, 1, newer).status()), ErrorReason::kMoveTaskNotRunning);
}

TYPED_TEST(MoveTasksConformance, NotingNothingIsFine) { EXPECT_THAT(this->Note({}), IsEmpty()); }

TYPED_TEST(MoveTasksConformance, OnlyTheNewestOfASourceAreKept) {
  const core::QueueId other = this->CreateQueue("other");
  ASSERT_TRUE(this->StartOf(other, 1).ok());
  this->End(1);
  for (int i = 0; i < kMoveTasksKept + 3; ++i) {
    ASSERT_TRUE(this->Start(10 + i, {1}).ok());
    this->End(10 + i);
  }
  ASSERT_TRUE(this->Start(1000, {1}).ok());
  const auto kept = this->tasks().ListMoveTasks(this->queue_, 1000, Soon()).value();
  ASSERT_EQ(kept.size(), static_cast<size_t>(kMoveTasksKept) + 1);
  EXPECT_EQ(kept.front().id, this->Id(1000));
  EXPECT_EQ(kept.back().id, this->Id(13));
  EXPECT_EQ(this->tasks().ListMoveTasks(other, 10, Soon()).value().size(), 1u);
}

}  // namespace
}  // namespace weir::queue::store
