// Several engines over one store that reach each other: whoever is asked, the owner answers, and shards change hands under load.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/queue/engine/engine_fixture.h"
#include "services/queue/engine/testing_peers.h"

namespace weir::queue::engine {
namespace {

using store::CallFault;
using store::FaultPoint;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr int kShards = 4;
constexpr absl::Duration kLease = absl::Seconds(1);

class ClusterTest : public testing::Test {
 protected:
  // One replica. Its lease can be made to fail.
  struct Replica {
    Replica(ClusterTest& test, const std::string& name)
        : leases(test.store_, faults),
          logs(test.store_, faults),
          engine({.replica = name, .shards = kShards, .lease_time = kLease}, test.store_, leases, logs,
                 test.store_, SystemClock(), test.metrics_, &test.peers_) {
      test.peers_.Add(name, engine);
      const absl::Status started = engine.Start(name, Soon());
      EXPECT_TRUE(started.ok()) << started;
    }
    store::FaultInjector faults;
    store::FaultyLeaseStore leases;
    store::FaultyShardLogFactory logs;
    QueueEngine engine;
  };

  ClusterTest() : store_(SystemClock()) {}
  ~ClusterTest() override {
    for (const auto& replica : replicas_) replica->engine.Stop();
  }

  QueueEngine& Add(const std::string& name) {
    replicas_.push_back(std::make_unique<Replica>(*this, name));
    return replicas_.back()->engine;
  }

  // Every shard is served where it belongs.
  void AwaitSettled(const std::vector<QueueEngine*>& engines) {
    const auto settled = [&] {
      int serving = 0;
      std::set<QueueEngine*> owners;
      for (QueueEngine* engine : engines) {
        for (int i = 0; i < kShards; ++i) {
          if (!engine->local(core::ShardId(i)).IsServing()) continue;
          ++serving;
          owners.insert(engine);
        }
      }
      return serving == kShards && owners.size() == engines.size();
    };
    const absl::Time deadline = Soon();
    while (!settled()) {
      ASSERT_LT(absl::Now(), deadline) << "A shard is not served where it belongs.";
      std::this_thread::yield();
    }
  }

  static QueueInfoPtr CreateQueue(QueueEngine& engine, const std::string& name) {
    return engine.registry().Create({"000000000000", "us-east-1", name}, {}, Soon()).value();
  }
  // A queue whose shard `engine` serves.
  QueueInfoPtr QueueServedBy(QueueEngine& engine) {
    while (true) {
      const auto queue = CreateQueue(engine, absl::StrCat("served-", queues_++));
      if (engine.local(queue->address.shard).IsServing()) return queue;
    }
  }

  // One on each shard, made by `engine`.
  static std::vector<QueueInfoPtr> QueueOnEachShard(QueueEngine& engine) {
    std::map<core::ShardId, QueueInfoPtr> queues;
    for (int i = 0; queues.size() < kShards; ++i) {
      const auto queue = CreateQueue(engine, absl::StrCat("on-a-shard-", i));
      queues.emplace(queue->address.shard, queue);
    }
    std::vector<QueueInfoPtr> all;
    for (const auto& [shard, queue] : queues) all.push_back(queue);
    return all;
  }

  static std::pair<core::RequestId, std::future<core::Reply>> Begin(QueueEngine& engine,
                                                                    const QueueInfo& queue,
                                                                    core::Command command) {
    auto promise = std::make_shared<std::promise<core::Reply>>();
    std::future<core::Reply> future = promise->get_future();
    const auto submitted =
        engine.shard(queue.address.shard).Submit(std::move(command), [promise](core::Reply reply) {
          promise->set_value(std::move(reply));
          return true;
        });
    if (!submitted.ok()) promise->set_value(submitted.status());
    return {submitted.value_or(core::RequestId()), std::move(future)};
  }
  static core::Reply Do(QueueEngine& engine, const QueueInfo& queue, core::Command command) {
    return Begin(engine, queue, std::move(command)).second.get();
  }
  static core::Command SendCommand(const QueueInfo& queue, const std::string& body) {
    core::Send send{.partition = queue.address.partition, .config = queue.config};
    send.messages.push_back({.content = Content(body)});
    return send;
  }
  static core::Command ReceiveCommand(QueueEngine& engine, const QueueInfo& queue, int max,
                                      absl::Duration wait = absl::ZeroDuration()) {
    core::Receive receive{
        .partition = queue.address.partition, .config = queue.config, .max_messages = max};
    if (wait > absl::ZeroDuration()) receive.wait_until = engine.Now() + wait;
    return receive;
  }
  static absl::Status Send(QueueEngine& engine, const QueueInfo& queue, const std::string& body) {
    const core::Reply reply = Do(engine, queue, SendCommand(queue, body));
    const auto* status = std::get_if<absl::Status>(&reply);
    return status == nullptr ? absl::OkStatus() : *status;
  }
  static std::vector<std::string> Bodies(const core::Reply& reply) {
    if (const auto* status = std::get_if<absl::Status>(&reply)) return {status->ToString()};
    std::vector<std::string> bodies;
    for (const auto& message : std::get<core::ReceiveReply>(reply).messages) {
      bodies.push_back(message.content->body);
    }
    return bodies;
  }
  static std::vector<std::string> Receive(QueueEngine& engine, const QueueInfo& queue, int max,
                                          absl::Duration wait = absl::ZeroDuration()) {
    return Bodies(Do(engine, queue, ReceiveCommand(engine, queue, max, wait)));
  }

  store::MemoryQueueStore store_;
  NoEngineMetrics metrics_;
  TestingPeers peers_;
  int queues_ = 0;
  std::vector<std::unique_ptr<Replica>> replicas_;
};

TEST_F(ClusterTest, ReplicasShareTheShards) {
  QueueEngine& a = Add("a");
  QueueEngine& b = Add("b");
  AwaitSettled({&a, &b});
  // A replica that was not heard in time, or is not known yet to serve a shard, is away.
  const auto all_serving = [](const ClusterStatus& status) {
    return absl::c_all_of(status.shards, [](const auto& shard) { return shard.serving == ClusterStatus::Serving::kServing; });
  };
  auto status = b.Cluster(Soon()).value();
  for (const absl::Time deadline = Soon(); !all_serving(status) && absl::Now() < deadline;) status = b.Cluster(Soon()).value();
  EXPECT_EQ(status.replica, "b");
  EXPECT_EQ(status.replicas.size(), 2u);
  ASSERT_EQ(status.shards.size(), static_cast<size_t>(kShards));
  for (const auto& shard : status.shards) {
    EXPECT_EQ(shard.serving, ClusterStatus::Serving::kServing);
    EXPECT_GE(shard.load->segments, 1);
  }
}

TEST_F(ClusterTest, AnyReplicaTakesAnyRequest) {
  QueueEngine& a = Add("a");
  QueueEngine& b = Add("b");
  AwaitSettled({&a, &b});
  const auto queue = QueueServedBy(a);
  ASSERT_TRUE(Send(b, *queue, "by b").ok());
  const core::Reply received = Do(b, *queue, ReceiveCommand(b, *queue, 10));
  EXPECT_THAT(Bodies(received), ElementsAre("by b"));
  EXPECT_EQ(b.Stats(*queue, Soon())->in_flight, 1);
  const auto& message = std::get<core::ReceiveReply>(received).messages.at(0);
  core::Delete command{queue->address.partition, {{message.seq, message.receive_count}}};
  const core::Reply deleted = Do(b, *queue, command);
  EXPECT_EQ(std::get<core::DeleteReply>(deleted).outcomes.at(0), core::DeleteOutcome::kDeleted);
  EXPECT_EQ(a.Stats(*queue, Soon())->in_flight, 0);
}

TEST_F(ClusterTest, LongPollAtAnotherReplicaIsWokenAndCancelled) {
  QueueEngine& a = Add("a");
  QueueEngine& b = Add("b");
  AwaitSettled({&a, &b});
  const auto queue = QueueServedBy(a);
  auto [first, woken] = Begin(b, *queue, ReceiveCommand(b, *queue, 1, absl::Seconds(20)));
  ASSERT_TRUE(Send(a, *queue, "x").ok());
  EXPECT_THAT(Bodies(woken.get()), ElementsAre("x"));
  auto [second, cancelled] = Begin(b, *queue, ReceiveCommand(b, *queue, 1, absl::Seconds(20)));
  b.shard(queue->address.shard).Cancel(queue->address.partition, second);
  EXPECT_TRUE(absl::IsCancelled(std::get<absl::Status>(cancelled.get())));
}

TEST_F(ClusterTest, ChangeOfAQueueIsKnownEverywhereWhenItIsAnswered) {
  QueueEngine& a = Add("a");
  QueueEngine& b = Add("b");
  AwaitSettled({&a, &b});
  const auto queue = CreateQueue(a, "new");
  ASSERT_NE(b.registry().FindByArn(queue->arn), nullptr);
  ASSERT_TRUE(b.DeleteQueue(*queue, Soon()).ok());
  EXPECT_EQ(a.registry().FindByArn(queue->arn), nullptr);
}

TEST_F(ClusterTest, UnknownQueueIsLookedForOnce) {
  QueueEngine& a = Add("a");
  QueueEngine& b = Add("b");
  AwaitSettled({&a, &b});
  ASSERT_TRUE(store_.CreateQueue({.name = {"000000000000", "us-east-1", "hidden"}, .shards = {core::ShardId(0)}}, Soon()).ok());
  Notification looked;
  ASSERT_TRUE(b.RefreshForUnknownQueue([&](absl::Status status) {
    EXPECT_TRUE(status.ok()) << status;
    looked.Notify();
  }));
  looked.WaitForNotification();
  EXPECT_NE(b.registry().Find({"000000000000", "us-east-1", "hidden"}), nullptr);
}

TEST_F(ClusterTest, ParkedReceiveMovesWithItsShard) {
  QueueEngine& a = Add("a");
  std::vector<std::pair<QueueInfoPtr, std::future<core::Reply>>> waiting;
  std::set<core::ShardId> shards;
  while (shards.size() < kShards) {
    auto queue = QueueServedBy(a);
    shards.insert(queue->address.shard);
    auto parked = Begin(a, *queue, ReceiveCommand(a, *queue, 1, absl::Seconds(20)));
    waiting.emplace_back(std::move(queue), std::move(parked.second));
  }
  QueueEngine& b = Add("b");
  AwaitSettled({&a, &b});
  for (auto& [queue, received] : waiting) {
    ASSERT_TRUE(Send(b, *queue, "x").ok());
    EXPECT_THAT(Bodies(received.get()), ElementsAre("x"));
  }
}

TEST_F(ClusterTest, SilentReplicasShardsAreTakenWithinTheLease) {
  QueueEngine& a = Add("a");
  QueueEngine& b = Add("b");
  AwaitSettled({&a, &b});
  const auto queue = QueueServedBy(a);
  ASSERT_TRUE(Send(a, *queue, "before").ok());
  // A parked one at a dead owner is asked for again.
  auto [parked, waiting] = Begin(b, *queue, ReceiveCommand(b, *queue, 5, absl::Seconds(20)));
  EXPECT_THAT(Bodies(waiting.get()), ElementsAre("before"));
  auto [again, still_waiting] = Begin(b, *queue, ReceiveCommand(b, *queue, 5, absl::Seconds(20)));
  replicas_[0]->faults.ScriptCalls(FaultPoint::kLease, std::vector(1'000, CallFault::kFailed));
  peers_.CutOff("a");
  const absl::Time start = absl::Now();
  ASSERT_TRUE(Send(b, *queue, "after").ok());
  EXPECT_LT(absl::Now() - start, kLease + absl::Seconds(2));
  EXPECT_THAT(Bodies(still_waiting.get()), ElementsAre("after"));
  // The zombie can write nothing, and says so; then its clients are served all the same.
  replicas_[0]->faults.Heal();
  peers_.Add("a", a);
  EXPECT_TRUE(Send(a, *queue, "by the zombie").ok());
  EXPECT_THAT(Receive(b, *queue, 10), ElementsAre("by the zombie"));
}

TEST_F(ClusterTest, ShardsThatCannotBeReadAreGivenUpToWhomCan) {
  QueueEngine& a = Add("a");
  const auto queues = QueueOnEachShard(a);
  for (const auto& queue : queues) ASSERT_TRUE(Send(a, *queue, "x").ok());
  // It loses all of them, and takes them again and again without getting further.
  store::FaultInjector& faults = replicas_[0]->faults;
  faults.SetChances({.read = 1});
  faults.ScriptAppends(std::vector(kShards, store::AppendFault::kRejected));
  for (const auto& queue : queues) EXPECT_FALSE(Send(a, *queue, "lost").ok());
  QueueEngine& b = Add("b");
  const std::vector<int> placed = PlaceShards(kShards, {"a", "b"});
  for (int shard = 0; shard < kShards; ++shard) {
    if (placed[static_cast<size_t>(shard)] == 0) continue;
    // As long as it has them, it says that the store is away.
    const QueueInfo& queue = *queues[static_cast<size_t>(shard)];
    core::Reply reply = absl::UnavailableError("");
    for (const absl::Time deadline = Soon();
         std::holds_alternative<absl::Status>(reply) && absl::Now() < deadline;) {
      reply = Do(b, queue, ReceiveCommand(b, queue, 10));
    }
    EXPECT_THAT(Bodies(reply), ElementsAre("x"));
  }
}

TEST_F(ClusterTest, ShardsOfAnEarlierLifeGoToWhomTheyBelong) {
  // It was killed when it had all shards, and is back before its lease has run out, and after another has come.
  ASSERT_TRUE(store_.EnsureShards(kShards, Soon()).ok());
  ASSERT_TRUE(store_.RenewReplica({.replica = "a", .address = "a", .lease_time = absl::Hours(1)}, Soon()).ok());
  for (int i = 0; i < kShards; ++i) ASSERT_TRUE(store_.AcquireShard(core::ShardId(i), "a", Soon()).ok());
  QueueEngine& b = Add("b");
  QueueEngine& a = Add("a");
  AwaitSettled({&a, &b});
}

TEST_F(ClusterTest, ReplicaThatLeavesAsSoonAsAnotherHasComeFailsNothing) {
  QueueEngine& a = Add("a");
  const auto queues = QueueOnEachShard(a);
  QueueEngine& b = Add("b");
  a.Leave();
  for (const auto& queue : queues) {
    EXPECT_TRUE(Send(a, *queue, "x").ok());
    EXPECT_THAT(Receive(b, *queue, 10), ElementsAre("x"));
  }
}

// Sends in order, without waiting for the replies, as a stream does; receives and deletes everything.
class Load {
 public:
  Load(QueueEngine& sender, QueueEngine& receiver, QueueInfoPtr queue)
      : sender_(sender), receiver_(receiver), queue_(std::move(queue)) {
    threads_.emplace_back([this] { SendAll(); });
    threads_.emplace_back([this] { ReceiveAll(); });
  }
  void Finish() {
    stop_.store(true);
    for (std::thread& thread : threads_) thread.join();
  }
  // In the order of their seqs.
  std::vector<int> stored() {
    MutexLock lock(&mu_);
    std::vector<int> order;
    for (const auto& [seq, number] : by_seq_) order.push_back(number);
    return order;
  }
  std::multiset<std::string> received() { return received_; }
  std::vector<std::string> failures() {
    MutexLock lock(&mu_);
    return failures_;
  }
  absl::Duration longest_pause() const { return longest_pause_; }
  int sent() const { return sent_.load(); }

 private:
  void SendAll() {
    while (!stop_.load()) {
      {
        MutexLock lock(&mu_);
        mu_.Await([this] { return under_way_ < 64; });
        ++under_way_;
      }
      const int number = sent_.fetch_add(1);
      core::Send send{.partition = queue_->address.partition, .config = queue_->config};
      send.messages.push_back({.content = Content(absl::StrCat(number))});
      const auto submitted = sender_.shard(queue_->address.shard).Submit(
          std::move(send), [this, number](core::Reply reply) { return OnSent(number, std::move(reply)); });
      if (!submitted.ok()) OnSent(number, submitted.status());
    }
    MutexLock lock(&mu_);
    mu_.Await([this] { return under_way_ == 0; });
    all_sent_ = true;
  }

  bool OnSent(int number, core::Reply reply) {
    MutexLock lock(&mu_);
    --under_way_;
    const absl::Time now = absl::Now();
    longest_pause_ = std::max(longest_pause_, now - last_reply_);
    last_reply_ = now;
    if (const auto* status = std::get_if<absl::Status>(&reply)) {
      failures_.push_back(absl::StrCat("send: ", status->ToString()));
    } else {
      by_seq_[std::get<core::SendReply>(reply).seqs.at(0)] = number;
    }
    return true;
  }

  core::Reply Wait(core::Command command) {
    auto promise = std::make_shared<std::promise<core::Reply>>();
    auto future = promise->get_future();
    const auto submitted = receiver_.shard(queue_->address.shard)
                               .Submit(std::move(command), [promise](core::Reply reply) {
                                 promise->set_value(std::move(reply));
                                 return true;
                               });
    if (!submitted.ok()) return submitted.status();
    return future.get();
  }

  void ReceiveAll() {
    while (true) {
      bool last = false;
      {
        MutexLock lock(&mu_);
        last = all_sent_;
      }
      core::Receive receive{.partition = queue_->address.partition, .config = queue_->config, .max_messages = 10};
      receive.wait_until = receiver_.Now() + absl::Milliseconds(200);
      const core::Reply reply = Wait(receive);
      if (const auto* status = std::get_if<absl::Status>(&reply)) {
        Fail("receive: ", *status);
        continue;
      }
      core::Delete command{.partition = queue_->address.partition};
      for (const auto& message : std::get<core::ReceiveReply>(reply).messages) {
        received_.insert(message.content->body);
        command.receipts.push_back({message.seq, message.receive_count});
      }
      if (command.receipts.empty()) {
        if (last) return;
        continue;
      }
      const core::Reply deleted = Wait(command);
      if (const auto* status = std::get_if<absl::Status>(&deleted)) Fail("delete: ", *status);
    }
  }

  void Fail(absl::string_view what, const absl::Status& status) {
    MutexLock lock(&mu_);
    failures_.push_back(absl::StrCat(what, status.ToString()));
  }

  QueueEngine& sender_;
  QueueEngine& receiver_;
  const QueueInfoPtr queue_;
  std::atomic<bool> stop_{false};
  std::atomic<int> sent_{0};
  Mutex mu_;
  int under_way_ ABSL_GUARDED_BY(mu_) = 0;
  bool all_sent_ ABSL_GUARDED_BY(mu_) = false;
  std::map<core::MessageSeq, int> by_seq_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> failures_ ABSL_GUARDED_BY(mu_);
  absl::Time last_reply_ ABSL_GUARDED_BY(mu_) = absl::Now();
  absl::Duration longest_pause_;
  std::multiset<std::string> received_;
  std::vector<std::thread> threads_;
};

// Every send succeeded, in order; every message came once.
void ExpectFlawless(Load& load) {
  EXPECT_THAT(load.failures(), IsEmpty());
  const std::vector<int> stored = load.stored();
  EXPECT_EQ(stored.size(), static_cast<size_t>(load.sent()));
  EXPECT_TRUE(std::is_sorted(stored.begin(), stored.end()));
  EXPECT_EQ(load.received().size(), static_cast<size_t>(load.sent()));
  const auto received = load.received();
  EXPECT_EQ(std::set<std::string>(received.begin(), received.end()).size(), received.size());
  EXPECT_LT(load.longest_pause(), absl::Seconds(1));
}

TEST_F(ClusterTest, HandOverUnderLoadFailsNothingAndKeepsTheOrder) {
  QueueEngine& a = Add("a");
  QueueEngine& b = Add("b");
  AwaitSettled({&a, &b});
  const auto queue = QueueServedBy(a);
  Load at_a(a, b, queue);
  Load at_b(b, b, QueueServedBy(b));
  while (at_a.sent() < 500) std::this_thread::yield();
  a.Leave();
  const int then = at_a.sent();
  while (at_a.sent() < then + 500) std::this_thread::yield();
  at_a.Finish();
  at_b.Finish();
  ExpectFlawless(at_a);
  ExpectFlawless(at_b);
  EXPECT_TRUE(b.local(queue->address.shard).IsServing());
}

TEST_F(ClusterTest, ShardsThatMoveBackAndForthFailNothing) {
  QueueEngine& a = Add("a");
  const auto queue = CreateQueue(a, "orders");
  Load load(a, a, queue);
  for (int i = 0; i < 3; ++i) {
    QueueEngine& b = Add("b");
    AwaitSettled({&a, &b});
    const int then = load.sent();
    while (load.sent() < then + 200) std::this_thread::yield();
    b.Stop();
    peers_.CutOff("b");
  }
  load.Finish();
  ExpectFlawless(load);
}

TEST_F(ClusterTest, LeavingReplicaEndsItsOwnLongPollsOnly) {
  QueueEngine& a = Add("a");
  QueueEngine& b = Add("b");
  AwaitSettled({&a, &b});
  const auto at_a = QueueServedBy(a);
  const auto at_b = QueueServedBy(b);
  auto [one, own_here] = Begin(a, *at_a, ReceiveCommand(a, *at_a, 1, absl::Seconds(20)));
  auto [two, own_there] = Begin(a, *at_b, ReceiveCommand(a, *at_b, 1, absl::Seconds(20)));
  auto [three, others] = Begin(b, *at_a, ReceiveCommand(b, *at_a, 1, absl::Seconds(20)));
  a.Leave();
  EXPECT_THAT(Bodies(own_here.get()), IsEmpty());
  EXPECT_THAT(Bodies(own_there.get()), IsEmpty());
  ASSERT_TRUE(Send(a, *at_a, "x").ok());
  EXPECT_THAT(Bodies(others.get()), ElementsAre("x"));
}

TEST_F(ClusterTest, PartitionsOfAQueueAreServedByTwoReplicas) {
  QueueEngine& a = Add("a");
  QueueEngine& b = Add("b");
  AwaitSettled({&a, &b});
  const auto made =
      a.registry().Create({"000000000000", "us-east-1", "spread"}, {.partitions = kShards}, Soon()).value();
  // Known everywhere when it is answered.
  const auto queue = b.registry().FindByArn(made->arn);
  ASSERT_NE(queue, nullptr);
  ASSERT_EQ(queue->record.partitions.size(), static_cast<size_t>(kShards));

  const auto send = [](QueueEngine& engine, const QueueInfo& to, const std::string& prefix) {
    for (const core::PartitionAddress& address : to.record.partitions) {
      QueueInfo one = to;
      one.address = address;
      EXPECT_TRUE(Send(engine, one, absl::StrCat(prefix, address.shard.value())).ok());
    }
  };
  const auto receive = [](QueueEngine& engine, const QueueInfo& from) {
    std::promise<absl::StatusOr<std::vector<PartitionMessages>>> promise;
    core::Receive command;
    command.max_messages = 10;
    command.wait_until = engine.Now() + absl::Seconds(20);
    engine.Receive(from, std::move(command), [&](absl::StatusOr<std::vector<PartitionMessages>> received) {
      promise.set_value(std::move(received));
      return true;
    });
    return promise.get_future().get().value();
  };
  // Deletes what it receives.
  const auto drain = [&](QueueEngine& engine, const QueueInfo& from, size_t count) {
    std::set<std::string> bodies;
    while (bodies.size() < count) {
      for (const auto& [address, messages] : receive(engine, from)) {
        QueueInfo one = from;
        one.address = address;
        core::Delete command{.partition = address.partition};
        for (const auto& message : messages) {
          bodies.insert(message.content->body);
          command.receipts.push_back({message.seq, message.receive_count});
        }
        EXPECT_TRUE(std::holds_alternative<core::DeleteReply>(Do(engine, one, std::move(command))));
      }
    }
    return bodies;
  };

  send(a, *made, "first-");
  EXPECT_EQ(b.Stats(*queue, Soon())->ready, kShards);
  EXPECT_THAT(drain(b, *queue, kShards), ElementsAre("first-0", "first-1", "first-2", "first-3"));
  EXPECT_EQ(a.Stats(*made, Soon())->ready + a.Stats(*made, Soon())->in_flight, 0);

  // One replica gives its partitions to the other, with a receive parked at all of them.
  std::promise<size_t> parked;
  core::Receive command;
  command.max_messages = 1;
  command.wait_until = b.Now() + absl::Seconds(20);
  b.Receive(*queue, std::move(command), [&](absl::StatusOr<std::vector<PartitionMessages>> received) {
    parked.set_value(received.ok() ? received->size() : 0);
    return false;  // its messages come back
  });
  send(b, *queue, "second-");
  EXPECT_EQ(parked.get_future().get(), 1u);
  a.Leave();
  EXPECT_THAT(drain(b, *queue, kShards), ElementsAre("second-0", "second-1", "second-2", "second-3"));
  ASSERT_TRUE(b.DeleteQueue(*queue, Soon()).ok());
}

}  // namespace
}  // namespace weir::queue::engine
