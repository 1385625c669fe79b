// Move tasks over several engines and one store: whoever is asked, the owner of the source's shard moves, and another one goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/queue/engine/engine_fixture.h"
#include "services/queue/engine/testing_peers.h"

namespace weir::queue::engine {
namespace {

using store::CallFault;
using store::FaultPoint;
using store::MoveTaskRecord;
using store::MoveTaskState;
using testing::HasSubstr;
using testing::SizeIs;

constexpr int kShards = 4;
constexpr absl::Duration kLease = absl::Seconds(1);

class MoveTasksTest : public testing::Test {
 protected:
  // One replica, whose store can fail.
  struct Replica {
    Replica(MoveTasksTest& test, const std::string& name)
        : registry(test.store_, faults),
          leases(test.store_, faults),
          logs(test.store_, faults),
          move_tasks(test.store_, faults),
          engine({.replica = name, .shards = kShards, .lease_time = kLease}, registry, leases, logs,
                 move_tasks, SystemClock(), test.metrics_, &test.peers_) {
      test.peers_.Add(name, engine);
      const absl::Status started = engine.Start(name, Soon());
      EXPECT_TRUE(started.ok()) << started;
    }
    MoveTasks& tasks() { return engine.move_tasks(); }
    store::FaultInjector faults;
    store::FaultyRegistryStore registry;
    store::FaultyLeaseStore leases;
    store::FaultyShardLogFactory logs;
    store::FaultyMoveTaskStore move_tasks;
    QueueEngine engine;
  };

  MoveTasksTest() : store_(SystemClock()) {}
  ~MoveTasksTest() override {
    for (const auto& replica : replicas_) replica->engine.Stop();
  }

  Replica& Add(const std::string& name) {
    replicas_.push_back(std::make_unique<Replica>(*this, name));
    return *replicas_.back();
  }
  // As after the end of its process: nobody reaches it any more.
  void End(Replica& replica, const std::string& name) {
    replica.engine.Stop();
    peers_.CutOff(name);
  }
  static bool Serves(Replica& replica, const QueueInfo& queue) {
    return replica.engine.local(queue.address.shard).IsServing();
  }
  void AwaitSettled(Replica& a, Replica& b) {
    const auto count = [](Replica& replica) {
      int serving = 0;
      for (int i = 0; i < kShards; ++i) serving += replica.engine.local(core::ShardId(i)).IsServing() ? 1 : 0;
      return serving;
    };
    while (count(a) != kShards / 2 || count(b) != kShards / 2) std::this_thread::yield();
  }

  static QueueInfoPtr CreateQueue(Replica& replica, const std::string& name,
                                  store::QueueAttributes attributes = {}) {
    return replica.engine.registry().Create({"000000000000", "us-east-1", name}, attributes, Soon()).value();
  }
  // A queue whose shard `owner` serves.
  QueueInfoPtr QueueServedBy(Replica& owner) {
    while (true) {
      const auto queue = CreateQueue(owner, absl::StrCat("dead-", queues_++));
      if (Serves(owner, *queue)) return queue;
    }
  }
  static core::Reply Do(Replica& replica, const QueueInfo& queue, core::Command command) {
    auto promise = std::make_shared<std::promise<core::Reply>>();
    auto future = promise->get_future();
    const auto submitted =
        replica.engine.shard(queue.address.shard).Submit(std::move(command), [promise](core::Reply reply) {
          promise->set_value(std::move(reply));
          return true;
        });
    return submitted.ok() ? future.get() : core::Reply(submitted.status());
  }
  static void Send(Replica& replica, const QueueInfo& queue, int count) {
    core::Send send{.partition = queue.address.partition, .config = queue.config};
    for (int i = 0; i < count; ++i) send.messages.push_back({.content = Content(absl::StrCat("m", i))});
    const core::Reply reply = Do(replica, queue, std::move(send));
    ASSERT_TRUE(std::holds_alternative<core::SendReply>(reply));
  }
  // How often each message is there, all of them being ready.
  static std::map<std::string, int> Contents(Replica& replica, const QueueInfo& queue) {
    std::map<std::string, int> found;
    while (true) {
      const core::Reply reply = Do(replica, queue, core::Receive{.partition = queue.address.partition,
                                                                 .config = queue.config,
                                                                 .max_messages = 10});
      const auto& messages = std::get<core::ReceiveReply>(reply).messages;
      if (messages.empty()) return found;
      for (const auto& message : messages) ++found[message.content->body];
    }
  }
  static void ExpectAllOnce(Replica& replica, const QueueInfo& queue, size_t count) {
    const auto found = Contents(replica, queue);
    EXPECT_THAT(found, SizeIs(count));
    for (const auto& [body, times] : found) EXPECT_EQ(times, 1) << body;
  }

  static MoveTaskRecord Newest(Replica& replica, const QueueInfo& queue) {
    return replica.tasks().List(queue, 1, Soon()).value().at(0);
  }
  static MoveTaskRecord AwaitTask(Replica& replica, const QueueInfo& queue,
                                  const std::function<bool(const MoveTaskRecord&)>& condition) {
    while (true) {
      MoveTaskRecord task = Newest(replica, queue);
      if (condition(task)) return task;
      std::this_thread::yield();
    }
  }
  static MoveTaskRecord AwaitEnd(Replica& replica, const QueueInfo& queue) {
    return AwaitTask(replica, queue, [](const MoveTaskRecord& task) { return !store::IsActive(task.state); });
  }
  static MoveTaskRecord AwaitMoved(Replica& replica, const QueueInfo& queue, int64_t moved) {
    return AwaitTask(replica, queue, [&](const MoveTaskRecord& task) { return store::MovedBy(task) >= moved; });
  }

  store::MemoryQueueStore store_;
  NoEngineMetrics metrics_;
  TestingPeers peers_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  int queues_ = 0;
};

TEST_F(MoveTasksTest, AnyReplicaStartsListsAndCancels) {
  Replica& a = Add("a");
  Replica& b = Add("b");
  AwaitSettled(a, b);
  const auto dead = QueueServedBy(a);
  const auto orders = QueueServedBy(b);
  Send(b, *dead, 300);
  const auto id = b.tasks().StartTask(*dead, orders->arn, 20, Soon());
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(ReasonOf(a.tasks().StartTask(*dead, "", 0, Soon()).status()), ErrorReason::kMoveTaskAlreadyRunning);
  EXPECT_EQ(ReasonOf(b.tasks().StartTask(*dead, "", 0, Soon()).status()), ErrorReason::kMoveTaskAlreadyRunning);
  const MoveTaskRecord running = AwaitMoved(b, *dead, 8);
  EXPECT_EQ(running.id, *id);
  EXPECT_EQ(running.state, MoveTaskState::kRunning);
  EXPECT_EQ(store::ToMoveBy(running), 300);
  ASSERT_TRUE(b.tasks().Cancel(*id, dead->arn, Soon()).ok());
  const MoveTaskRecord ended = AwaitEnd(b, *dead);
  EXPECT_EQ(ended.state, MoveTaskState::kCancelled);
  EXPECT_GE(store::MovedBy(ended), store::MovedBy(running));
  EXPECT_LT(store::MovedBy(ended), 300);
  // The counts are exact at the end.
  EXPECT_EQ(a.engine.Stats(*dead, Soon()).value().ready, 300 - store::MovedBy(ended));
  EXPECT_EQ(a.engine.Stats(*orders, Soon()).value().ready, store::MovedBy(ended));
  EXPECT_EQ(ReasonOf(a.tasks().Cancel(*id, dead->arn, Soon()).status()), ErrorReason::kMoveTaskNotRunning);
}

TEST_F(MoveTasksTest, EachPartRunsWhereItsShardIsServedAndTheLastEndsTheTask) {
  Replica& a = Add("a");
  Replica& b = Add("b");
  AwaitSettled(a, b);
  // As if both were partitions of the first.
  const auto dead = QueueServedBy(a);
  const auto more = QueueServedBy(b);
  const auto orders = QueueServedBy(b);
  Send(a, *dead, 10);
  Send(b, *more, 30);
  ASSERT_TRUE(a.move_tasks
                  .StartMoveTask({.id = "0f8fad5b-d9cb-469f-a165-100000000001",
                                  .source = dead->record.id,
                                  .source_arn = dead->arn,
                                  .destination_arn = orders->arn,
                                  .max_messages_per_second = 60,
                                  .partitions = {dead->address, more->address}},
                                 Soon())
                  .ok());
  b.tasks().Hint();
  const MoveTaskRecord ended = AwaitEnd(a, *dead);
  EXPECT_EQ(ended.state, MoveTaskState::kCompleted);
  EXPECT_EQ(store::MovedBy(ended), 40);
  EXPECT_EQ(store::ToMoveBy(ended), 40);
  EXPECT_EQ(ended.parts.at(0).epoch, a.engine.local(dead->address.shard).epoch());
  EXPECT_EQ(ended.parts.at(1).epoch, b.engine.local(more->address.shard).epoch());
  EXPECT_EQ(b.engine.Stats(*orders, Soon()).value().ready, 40);
}

TEST_F(MoveTasksTest, RestartGoesOnWhereTheTaskWas) {
  Replica* a = &Add("a");
  const auto dead = CreateQueue(*a, "dead");
  const auto orders = CreateQueue(*a, "orders");
  Send(*a, *dead, 60);
  ASSERT_TRUE(a->tasks().StartTask(*dead, orders->arn, 30, Soon()).ok());
  AwaitMoved(*a, *dead, 1);
  End(*a, "a");
  const MoveTaskRecord between = Newest(*a, *dead);
  EXPECT_EQ(between.state, MoveTaskState::kRunning);
  EXPECT_LT(store::MovedBy(between), 60);
  a = &Add("a");
  const MoveTaskRecord ended = AwaitEnd(*a, *dead);
  EXPECT_EQ(ended.state, MoveTaskState::kCompleted);
  EXPECT_EQ(store::MovedBy(ended), 60) << "a stop in order loses no count";
  EXPECT_EQ(a->engine.Stats(*dead, Soon()).value().ready, 0);
  ExpectAllOnce(*a, *orders, 60);
}

TEST_F(MoveTasksTest, TaskIsCancelledWhileNobodyRunsIt) {
  Replica* a = &Add("a");
  const auto dead = CreateQueue(*a, "dead");
  const auto orders = CreateQueue(*a, "orders");
  Send(*a, *dead, 60);
  const std::string id = a->tasks().StartTask(*dead, orders->arn, 1, Soon()).value();
  AwaitMoved(*a, *dead, 1);
  End(*a, "a");
  EXPECT_TRUE(a->tasks().Cancel(id, dead->arn, Soon()).ok());
  EXPECT_EQ(Newest(*a, *dead).state, MoveTaskState::kCancelling);
  a = &Add("a");
  EXPECT_EQ(AwaitEnd(*a, *dead).state, MoveTaskState::kCancelled);
}

TEST_F(MoveTasksTest, HandOverTakesTheTaskAlong) {
  Replica& a = Add("a");
  Replica& b = Add("b");
  AwaitSettled(a, b);
  const auto dead = QueueServedBy(a);
  const auto orders = QueueServedBy(b);
  Send(a, *dead, 60);
  ASSERT_TRUE(a.tasks().StartTask(*dead, orders->arn, 30, Soon()).ok());
  AwaitMoved(b, *dead, 1);
  a.engine.Leave();
  const MoveTaskRecord ended = AwaitEnd(b, *dead);
  EXPECT_EQ(ended.state, MoveTaskState::kCompleted);
  EXPECT_EQ(store::MovedBy(ended), 60);
  EXPECT_TRUE(Serves(b, *dead));
  ExpectAllOnce(b, *orders, 60);
}

TEST_F(MoveTasksTest, AnotherReplicaFinishesWhatADeadOwnerBegan) {
  Replica& a = Add("a");
  Replica& b = Add("b");
  AwaitSettled(a, b);
  const auto dead = QueueServedBy(a);
  const auto orders = QueueServedBy(b);
  Send(a, *dead, 100);
  ASSERT_TRUE(a.tasks().StartTask(*dead, orders->arn, 40, Soon()).ok());
  AwaitMoved(b, *dead, 1);
  // It cannot tell the store anything more, and moves on as long as it is let.
  const std::vector<CallFault> always(100'000, CallFault::kFailed);
  a.faults.ScriptCalls(FaultPoint::kLease, always);
  a.faults.ScriptCalls(FaultPoint::kMoveTasks, always);
  peers_.CutOff("a");
  const MoveTaskRecord ended = AwaitEnd(b, *dead);
  EXPECT_EQ(ended.state, MoveTaskState::kCompleted);
  EXPECT_LE(store::MovedBy(ended), 100);
  EXPECT_EQ(b.engine.Stats(*dead, Soon()).value().ready, 0);
  ExpectAllOnce(b, *orders, 100);
  a.faults.Heal();
}

TEST_F(MoveTasksTest, StoreThatFailsNowAndThenDelaysATaskOnly) {
  Replica& a = Add("a");
  const auto dead = CreateQueue(a, "dead");
  const auto orders = CreateQueue(a, "orders");
  Send(a, *dead, 200);
  ASSERT_TRUE(a.tasks().StartTask(*dead, orders->arn, 0, Soon()).ok());
  a.faults.ScriptCalls(FaultPoint::kMoveTasks, {CallFault::kDoneButFailed, CallFault::kFailed, CallFault::kNone,
                                                CallFault::kDoneButFailed, CallFault::kNone, CallFault::kFailed});
  while (true) {
    const auto tasks = store_.ListMoveTasks(dead->record.id, 1, Soon()).value();
    if (!store::IsActive(tasks.at(0).state)) break;
    std::this_thread::yield();
  }
  a.faults.Heal();
  EXPECT_EQ(Newest(a, *dead).state, MoveTaskState::kCompleted);
  EXPECT_EQ(store::MovedBy(Newest(a, *dead)), 200);
  ExpectAllOnce(a, *orders, 200);
}

TEST_F(MoveTasksTest, LossOfTheSourcesShardDelaysATaskOnly) {
  Replica& a = Add("a");
  const auto dead = CreateQueue(a, "dead");
  const auto orders = CreateQueue(a, "orders");
  Send(a, *dead, 200);
  a.faults.ScriptAppends({store::AppendFault::kNone, store::AppendFault::kInDoubtWritten, store::AppendFault::kNone,
                          store::AppendFault::kInDoubtNotWritten, store::AppendFault::kRejected});
  ASSERT_TRUE(a.tasks().StartTask(*dead, orders->arn, 0, Soon()).ok());
  EXPECT_EQ(AwaitEnd(a, *dead).state, MoveTaskState::kCompleted);
  EXPECT_EQ(a.engine.Stats(*dead, Soon()).value().ready, 0);
  ExpectAllOnce(a, *orders, 200);
}

TEST_F(MoveTasksTest, DestinationThatVanishesFailsTheTask) {
  Replica& a = Add("a");
  const auto dead = CreateQueue(a, "dead");
  const auto orders = CreateQueue(a, "orders");
  Send(a, *dead, 20);
  ASSERT_TRUE(a.tasks().StartTask(*dead, orders->arn, 10, Soon()).ok());
  AwaitMoved(a, *dead, 1);
  ASSERT_TRUE(a.engine.DeleteQueue(*orders, Soon()).ok());
  const MoveTaskRecord ended = AwaitEnd(a, *dead);
  EXPECT_EQ(ended.state, MoveTaskState::kFailed);
  EXPECT_EQ(ReasonOf(ended.failure), ErrorReason::kQueueDoesNotExist);
  EXPECT_THAT(std::string(ended.failure.message()), HasSubstr(orders->arn));
  // What could not be moved is there, and can be moved elsewhere.
  const auto again = CreateQueue(a, "again");
  const int64_t left = a.engine.Stats(*dead, Soon()).value().ready;
  EXPECT_GE(left, 1);
  ASSERT_TRUE(a.tasks().StartTask(*dead, again->arn, 0, Soon()).ok());
  const MoveTaskRecord second = AwaitEnd(a, *dead);
  EXPECT_EQ(second.state, MoveTaskState::kCompleted);
  EXPECT_EQ(store::MovedBy(second), left);
}

TEST_F(MoveTasksTest, DestinationThatAnotherReplicaHasJustMadeIsFound) {
  Replica& a = Add("a");
  const auto dead = CreateQueue(a, "dead");
  Send(a, *dead, 5);
  Registry theirs(store_, kShards);
  ASSERT_TRUE(theirs.Load(Soon()).ok());
  const auto orders = theirs.Create({"000000000000", "us-east-1", "orders"}, {}, Soon()).value();
  ASSERT_TRUE(a.tasks().StartTask(*dead, orders->arn, 0, Soon()).ok());
  EXPECT_EQ(AwaitEnd(a, *dead).state, MoveTaskState::kCompleted);
  EXPECT_EQ(a.engine.Stats(*orders, Soon()).value().ready, 5);
}

TEST_F(MoveTasksTest, DeletedSourceEndsItsTask) {
  Replica& a = Add("a");
  Replica& b = Add("b");
  AwaitSettled(a, b);
  const auto dead = QueueServedBy(a);
  const auto orders = QueueServedBy(b);
  Send(a, *dead, 50);
  const std::string id = a.tasks().StartTask(*dead, orders->arn, 10, Soon()).value();
  AwaitMoved(b, *dead, 1);
  ASSERT_TRUE(b.engine.DeleteQueue(*dead, Soon()).ok());
  const MoveTaskRecord ended = Newest(b, *dead);
  EXPECT_EQ(ended.state, MoveTaskState::kFailed);
  EXPECT_EQ(ReasonOf(ended.failure), ErrorReason::kQueueDoesNotExist);
  EXPECT_EQ(ReasonOf(b.tasks().Cancel(id, dead->arn, Soon()).status()), ErrorReason::kMoveTaskNotRunning);
  // A new queue of that name has had no task.
  const auto again = CreateQueue(b, dead->record.name.name);
  EXPECT_THAT(b.tasks().List(*again, 10, Soon()).value(), SizeIs(0));
}

TEST_F(MoveTasksTest, MessagesThatFailAgainDoNotGoRoundForEver) {
  Replica& a = Add("a");
  const auto dead = CreateQueue(a, "dead");
  store::QueueAttributes attributes;
  attributes.visibility_timeout = absl::ZeroDuration();
  attributes.redrive_policy = {dead->arn, 1};
  const auto orders = CreateQueue(a, "orders", attributes);
  Send(a, *dead, 40);
  ASSERT_TRUE(a.tasks().StartTask(*dead, orders->arn, 100, Soon()).ok());
  // A consumer fails at every message.
  while (store::IsActive(Newest(a, *dead).state)) {
    Do(a, *orders, core::Receive{.partition = orders->address.partition, .config = orders->config, .max_messages = 10});
  }
  EXPECT_EQ(Newest(a, *dead).state, MoveTaskState::kCompleted);
  EXPECT_EQ(store::MovedBy(Newest(a, *dead)), 40);
}

TEST_F(MoveTasksTest, TasksOfManyQueuesRunAtOnce) {
  Replica& a = Add("a");
  std::vector<QueueInfoPtr> dead;
  const auto orders = CreateQueue(a, "orders");
  for (int i = 0; i < 20; ++i) {
    dead.push_back(CreateQueue(a, absl::StrCat("dead", i)));
    Send(a, *dead.back(), 10);
  }
  for (const auto& queue : dead) ASSERT_TRUE(a.tasks().StartTask(*queue, orders->arn, 100, Soon()).ok());
  for (const auto& queue : dead) EXPECT_EQ(store::MovedBy(AwaitEnd(a, *queue)), 10);
  EXPECT_EQ(a.engine.Stats(*orders, Soon()).value().ready, 200);
}

}  // namespace
}  // namespace weir::queue::engine
