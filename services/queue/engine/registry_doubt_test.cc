// Changes that the store made although it could not say so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "services/queue/engine/registry.h"
#include "services/queue/store/faulty/faulty_queue_store.h"
#include "services/queue/store/memory/memory_queue_store.h"
#include "tests/support/fake_clock.h"

namespace weir::queue::engine {
namespace {

using store::CallFault;
using store::FaultPoint;

constexpr absl::Time kDeadline = absl::InfiniteFuture();

class RegistryDoubtTest : public testing::Test {
 protected:
  RegistryDoubtTest() { EXPECT_TRUE(memory_.EnsureShards(2, kDeadline).ok()); }

  static store::QueueName Name(const std::string& name) {
    return {.account = "000000000000", .region = "us-east-1", .name = name};
  }
  void NextChangeIsMadeButFails() {
    faults_.ScriptCalls(FaultPoint::kRegistry, {CallFault::kDoneButFailed});
  }

  FakeClock clock_;
  store::MemoryQueueStore memory_{clock_};
  store::FaultInjector faults_;
  store::FaultyRegistryStore store_{memory_, faults_};
  Registry registry_{store_, 2};
};

TEST_F(RegistryDoubtTest, CreateThatFailedIsFoundByTheRetry) {
  NextChangeIsMadeButFails();
  EXPECT_TRUE(absl::IsUnavailable(registry_.Create(Name("jobs"), {}, kDeadline).status()));
  EXPECT_EQ(registry_.Find(Name("jobs")), nullptr);
  EXPECT_EQ(ReasonOf(registry_.Create(Name("jobs"), {}, kDeadline).status()),
            ErrorReason::kQueueAlreadyExists);
  EXPECT_NE(registry_.Find(Name("jobs")), nullptr);
}

TEST_F(RegistryDoubtTest, UpdateThatFailedShowsAfterTheRetry) {
  const QueueInfoPtr before = registry_.Create(Name("jobs"), {}, kDeadline).value();
  NextChangeIsMadeButFails();
  const store::QueueAttributes wanted{.delay = absl::Seconds(5)};
  EXPECT_TRUE(absl::IsUnavailable(registry_.Update(*before, wanted, kDeadline).status()));
  EXPECT_TRUE(absl::IsAborted(registry_.Update(*before, wanted, kDeadline).status()));
  const QueueInfoPtr now = registry_.Find(Name("jobs"));
  EXPECT_EQ(now->record.attributes, wanted);
  EXPECT_TRUE(registry_.Update(*now, {}, kDeadline).ok());
}

TEST_F(RegistryDoubtTest, DeleteThatFailedIsGoneAfterTheRetry) {
  const QueueInfoPtr queue = registry_.Create(Name("jobs"), {}, kDeadline).value();
  NextChangeIsMadeButFails();
  EXPECT_TRUE(absl::IsUnavailable(registry_.Delete(*queue, kDeadline)));
  EXPECT_EQ(ReasonOf(registry_.Delete(*queue, kDeadline)), ErrorReason::kQueueDoesNotExist);
  EXPECT_EQ(registry_.Find(Name("jobs")), nullptr);
  EXPECT_EQ(registry_.FindByPartition(queue->address.partition), nullptr);
}

TEST_F(RegistryDoubtTest, DeleteThatFailedIsFoundByTheNextRefresh) {
  std::vector<core::PartitionId> gone;
  registry_.OnDisappearance([&](const QueueInfo& queue) { gone.push_back(queue.address.partition); });
  const QueueInfoPtr queue = registry_.Create(Name("jobs"), {}, kDeadline).value();
  NextChangeIsMadeButFails();
  EXPECT_FALSE(registry_.Delete(*queue, kDeadline).ok());
  EXPECT_TRUE(registry_.Refresh(kDeadline).ok());
  EXPECT_EQ(registry_.Find(Name("jobs")), nullptr);
  EXPECT_THAT(gone, testing::ElementsAre(queue->address.partition));
}

TEST_F(RegistryDoubtTest, RefreshThatCannotReadChangesNothing) {
  const QueueInfoPtr queue = registry_.Create(Name("jobs"), {}, kDeadline).value();
  ASSERT_TRUE(memory_.DeleteQueue(queue->record.id, kDeadline).ok());
  faults_.ScriptCalls(FaultPoint::kRegistry,
                      {CallFault::kFailed, CallFault::kNone, CallFault::kNone, CallFault::kFailed});
  EXPECT_TRUE(absl::IsUnavailable(registry_.Refresh(kDeadline)));
  EXPECT_TRUE(absl::IsUnavailable(registry_.Refresh(kDeadline)));
  EXPECT_NE(registry_.Find(Name("jobs")), nullptr);
  EXPECT_TRUE(registry_.Refresh(kDeadline).ok());
  EXPECT_EQ(registry_.Find(Name("jobs")), nullptr);
}

TEST_F(RegistryDoubtTest, ChangeOfAnotherReplicaIsSeenWhenItCollides) {
  Registry other(memory_, 2);
  const QueueInfoPtr theirs = other.Create(Name("jobs"), {.delay = absl::Seconds(9)}, kDeadline).value();
  EXPECT_EQ(ReasonOf(registry_.Create(Name("jobs"), {}, kDeadline).status()),
            ErrorReason::kQueueAlreadyExists);
  ASSERT_NE(registry_.Find(Name("jobs")), nullptr);
  EXPECT_EQ(registry_.Find(Name("jobs"))->record.id, theirs->record.id);
}

TEST_F(RegistryDoubtTest, DeadLetterTargetThatIsGoneIsNoTargetAnyMore) {
  const QueueInfoPtr target = registry_.Create(Name("dead"), {}, kDeadline).value();
  store::QueueAttributes attributes;
  attributes.redrive_policy = {QueueArn(Name("dead")), 3};
  ASSERT_TRUE(registry_.Create(Name("jobs"), attributes, kDeadline).ok());
  EXPECT_TRUE(registry_.Find(Name("jobs"))->config->redrive.has_value());
  NextChangeIsMadeButFails();
  EXPECT_FALSE(registry_.Delete(*target, kDeadline).ok());
  EXPECT_FALSE(registry_.Delete(*target, kDeadline).ok());
  EXPECT_FALSE(registry_.Find(Name("jobs"))->config->redrive.has_value());
}

}  // namespace
}  // namespace weir::queue::engine
