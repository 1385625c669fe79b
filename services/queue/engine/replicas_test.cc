// Two replicas over one store: shards that change hands, and replicas that do not know yet that they did.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "libs/base/error.h"
#include "services/queue/engine/engine_fixture.h"

namespace weir::queue::engine {
namespace {

using store::CallFault;
using store::FaultPoint;
using testing::ElementsAre;
using testing::IsEmpty;

// engine_ is "local", whose calls can fail; other_ is another one, whose calls do not.
class ReplicasTest : public EngineTest {
 protected:
  // Before the stores of this class, which they use.
  ~ReplicasTest() override {
    other_.reset();
    engine_.reset();
  }

  void StartLocal(absl::Duration lease_time) {
    engine_.reset();
    engine_ = std::make_unique<QueueEngine>(
        EngineOptions{.shards = 2, .lease_time = lease_time}, registry_, leases_, logs_, store_,
        SystemClock(), metrics_);
    const absl::Status started = engine_->Start("here", Soon());
    ASSERT_TRUE(started.ok()) << started;
  }

  void StartOther(const std::string& name = "other") {
    other_ = std::make_unique<QueueEngine>(EngineOptions{.replica = name, .shards = 2}, store_, store_,
                                           store_, store_, SystemClock(), metrics_);
    const absl::Status started = other_->Start("there", Soon());
    ASSERT_TRUE(started.ok()) << started;
  }

  // Other's shards are taken from local, which does not hear of it.
  void TakeOver() {
    ASSERT_TRUE(store_.ReleaseReplica("local", Soon()).ok());
    StartOther();
  }

  // The verbs of the fixture, on the other replica.
  template <typename Verb>
  auto OnOther(Verb verb) {
    engine_.swap(other_);
    auto result = verb();
    engine_.swap(other_);
    return result;
  }

  core::Delete DeleteCommand(const QueueInfo& queue, const core::ReceiveReply& received) {
    core::Delete command{.partition = queue.address.partition};
    for (const auto& message : received.messages) {
      command.receipts.push_back({message.seq, message.receive_count});
    }
    return command;
  }

  ErrorReason ReasonFor(const QueueInfo& queue, core::Command command) {
    const core::Reply reply = Submit(queue, std::move(command)).get();
    const auto* status = std::get_if<absl::Status>(&reply);
    return status == nullptr ? ErrorReason::kUnspecified : ReasonOf(*status);
  }

  store::FaultyRegistryStore registry_{store_, faults_};
  std::unique_ptr<QueueEngine> other_;
};

TEST_F(ReplicasTest, QueueThatAnotherReplicaCreatedSurvivesTheTakeOver) {
  const auto old = CreateQueue("old");
  ASSERT_TRUE(Send(*old, {"seen"}).ok());
  TakeOver();
  QueueInfoPtr made;
  for (int i = 0; made == nullptr || made->address.shard != old->address.shard; ++i) {
    made = OnOther([&] { return CreateQueue("new" + std::to_string(i)); });
  }
  ASSERT_TRUE(OnOther([&] { return Send(*made, {"precious"}); }).ok());
  ASSERT_TRUE(OnOther([&] { return Send(*old, {"seen too"}); }).ok());
  // Local finds out that its shards are gone, and gets them back.
  ASSERT_FALSE(Send(*old, {"fenced"}).ok());
  faults_.ScriptCalls(FaultPoint::kRegistry, {CallFault::kFailed, CallFault::kFailed});
  other_.reset();
  core::Reply reply = absl::UnavailableError("");
  while (std::holds_alternative<absl::Status>(reply)) {
    reply = Submit(*made, ReceiveCommand(*made, 10)).get();
    std::this_thread::yield();
  }
  EXPECT_THAT(Bodies(std::get<core::ReceiveReply>(reply)), ElementsAre("precious"));
  EXPECT_NE(engine_->registry().FindByArn(made->arn), nullptr);
}

TEST_F(ReplicasTest, ChangesOfAnotherReplicaShowByThemselves) {
  StartLocal(absl::Milliseconds(300));
  const auto kept = CreateQueue("kept");
  const auto deleted = CreateQueue("deleted");
  ASSERT_TRUE(Send(*deleted, {"a"}).ok());
  auto waiting = Submit(*deleted, ReceiveCommand(*deleted, 1));
  ASSERT_EQ(std::get<core::ReceiveReply>(waiting.get()).messages.size(), 1u);
  waiting = Submit(*deleted, ReceiveCommand(*deleted, 1, absl::Seconds(20)));
  Registry theirs(store_, 2);
  ASSERT_TRUE(theirs.Load(Soon()).ok());
  const auto made = theirs.Create({"000000000000", "us-east-1", "new"}, {}, Soon()).value();
  ASSERT_TRUE(
      theirs.Update(*theirs.FindByArn(kept->arn), {.retention = absl::Hours(1)}, Soon()).ok());
  ASSERT_TRUE(theirs.Delete(*theirs.FindByArn(deleted->arn), Soon()).ok());
  // Its partition is dropped, so who waits there is told.
  EXPECT_EQ(ReasonOf(std::get<absl::Status>(waiting.get())), ErrorReason::kQueueDoesNotExist);
  EXPECT_EQ(engine_->registry().FindByArn(deleted->arn), nullptr);
  EXPECT_NE(engine_->registry().FindByArn(made->arn), nullptr);
  EXPECT_EQ(engine_->registry().FindByArn(kept->arn)->config->retention, absl::Hours(1));
}

TEST_F(ReplicasTest, DeleteAtAReplicaThatLostTheShardIsNotAnsweredOk) {
  const auto queue = CreateQueue("orders");
  TakeOver();
  ASSERT_TRUE(OnOther([&] { return Send(*queue, {"a"}); }).ok());
  const auto received = OnOther([&] { return Receive(*queue, 1); });
  ASSERT_EQ(received.messages.size(), 1u);
  // It knows nothing of that message, and its lease seems to hold.
  EXPECT_EQ(ReasonFor(*queue, DeleteCommand(*queue, received)), ErrorReason::kShardNotOwned);
}

TEST_F(ReplicasTest, PurgeAndVisibilityAreCheckedToo) {
  const auto queue = CreateQueue("orders");
  TakeOver();
  EXPECT_EQ(ReasonFor(*queue, core::Purge{queue->address.partition}), ErrorReason::kShardNotOwned);
}

TEST_F(ReplicasTest, NothingIsAnsweredOnceTheLeaseMayHaveRunOut) {
  StartLocal(absl::Milliseconds(200));
  const auto queue = CreateQueue("orders");
  EXPECT_THAT(Receive(*queue, 1).messages, IsEmpty());
  // From now on its renewals fail, and the other replica waits for the end of the lease.
  faults_.ScriptCalls(FaultPoint::kLease, std::vector(100, CallFault::kFailed));
  StartOther();
  EXPECT_EQ(ReasonFor(*queue, ReceiveCommand(*queue, 1)), ErrorReason::kShardNotOwned);
}

TEST_F(ReplicasTest, LeaseThatWasRenewedAfterAGapIsNotTrusted) {
  StartLocal(absl::Milliseconds(200));
  const auto queue = CreateQueue("orders");
  const int64_t term = engine_->LeaseTerm();
  faults_.ScriptCalls(FaultPoint::kLease, std::vector(15, CallFault::kFailed));
  StartOther();
  while (engine_->LeaseTerm() == 0 || engine_->LeaseTerm() == term) std::this_thread::yield();
  EXPECT_EQ(ReasonFor(*queue, ReceiveCommand(*queue, 1)), ErrorReason::kShardNotOwned);
}

TEST_F(ReplicasTest, EmptyReceivesWithinTheLeaseAskTheStoreNothing) {
  StartLocal(absl::Hours(1));
  const auto queue = CreateQueue("orders");
  faults_.ScriptCalls(FaultPoint::kRead, {CallFault::kFailed});
  for (int i = 0; i < 10; ++i) EXPECT_THAT(Receive(*queue, 1).messages, IsEmpty());
  EXPECT_EQ(faults_.injected(), 0);
  // Unlike this.
  EXPECT_EQ(ReasonFor(*queue, core::Purge{queue->address.partition}),
            ErrorReason::kStoreUnavailable);
}

TEST_F(ReplicasTest, WhoDoesNotServeSaysWhyAtOnce) {
  StartLocal(absl::Hours(1));
  const auto queue = CreateQueue("orders");
  TakeOver();
  ASSERT_FALSE(Send(*queue, {"fenced"}).ok());
  EXPECT_EQ(ReasonFor(*queue, ReceiveCommand(*queue, 1)), ErrorReason::kShardNotOwned);
  EXPECT_EQ(ReasonOf(engine_->Stats(*queue, absl::InfiniteFuture()).status()),
            ErrorReason::kShardNotOwned);
}

TEST_F(ReplicasTest, StoreThatIsAwayIsNamed) {
  const auto queue = CreateQueue("orders");
  faults_.SetChances({.open = 1});
  faults_.ScriptAppends({store::AppendFault::kRejected});
  ASSERT_FALSE(Send(*queue, {"a"}).ok());
  ErrorReason reason = ErrorReason::kShardRecovering;
  while (reason == ErrorReason::kShardRecovering) reason = ReasonFor(*queue, ReceiveCommand(*queue, 1));
  EXPECT_EQ(reason, ErrorReason::kStoreUnavailable);
  faults_.Heal();
}

TEST_F(ReplicasTest, QuestionGivesUpWhileTheStoreHangs) {
  const auto queue = CreateQueue("orders");
  faults_.HoldAppends();
  auto sending = std::thread([&] { EXPECT_TRUE(Send(*queue, {"a"}).ok()); });
  faults_.AwaitHeldAppend();
  EXPECT_EQ(ReasonOf(engine_->Stats(*queue, absl::Now() + absl::Milliseconds(20)).status()),
            ErrorReason::kStoreUnavailable);
  faults_.ResumeAppends();
  sending.join();
  EXPECT_EQ(Stats(*queue).ready, 1);
}

TEST_F(ReplicasTest, StartFailsWhenTheShardsAreAnothers) {
  QueueEngine third(EngineOptions{.replica = "third", .shards = 2}, store_, store_, store_, store_,
                    SystemClock(), metrics_);
  const absl::Status started = third.Start("", absl::Now() + absl::Milliseconds(100));
  EXPECT_EQ(ReasonOf(started), ErrorReason::kShardNotOwned) << started;
  EXPECT_THAT(std::string(started.message()), testing::HasSubstr("\"local\""));
}

// A log whose reading waits until it is let go.
class SlowLogs final : public store::ShardLogFactory {
 public:
  explicit SlowLogs(store::ShardLogFactory& inner) : inner_(inner) {}
  std::unique_ptr<store::ShardLog> OpenLog(core::ShardId shard) override {
    reading_.Notify();
    go_.WaitForNotification();
    return inner_.OpenLog(shard);
  }
  Notification reading_;
  Notification go_;

 private:
  store::ShardLogFactory& inner_;
};

TEST_F(ReplicasTest, StartWaitsForAShardThatIsRead) {
  store::MemoryQueueStore store(SystemClock());
  SlowLogs logs(store);
  QueueEngine slow(EngineOptions{.replica = "slow", .shards = 1}, store, store, logs, store,
                   SystemClock(), metrics_);
  auto starting = std::async(std::launch::async,
                             [&] { return slow.Start("", absl::Now() + absl::Milliseconds(10)); });
  logs.reading_.WaitForNotification();
  EXPECT_EQ(starting.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  logs.go_.Notify();
  EXPECT_TRUE(starting.get().ok());
}

TEST_F(ReplicasTest, DeleteOfAQueueAnswersOnceItsReceivesAreAnswered) {
  const auto queue = CreateQueue("orders");
  auto waiting = Submit(*queue, ReceiveCommand(*queue, 1, absl::Seconds(20)));
  ASSERT_TRUE(engine_->DeleteQueue(*queue, Soon()).ok());
  EXPECT_EQ(waiting.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_EQ(ReasonOf(std::get<absl::Status>(waiting.get())), ErrorReason::kQueueDoesNotExist);
}

}  // namespace
}  // namespace weir::queue::engine
