// Queues with several partitions, on the shards of one engine. Those of several engines are in cluster_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/queue/engine/engine_fixture.h"

namespace weir::queue::engine {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

using Received = absl::StatusOr<std::vector<PartitionMessages>>;

class PartitionedQueueTest : public EngineTest {
 protected:
  QueueInfoPtr Create(const std::string& name, int partitions, store::QueueAttributes attributes = {}) {
    attributes.partitions = partitions;
    return CreateQueue(name, attributes);
  }
  QueueInfoPtr Grow(const QueueInfo& queue, int partitions) {
    store::QueueAttributes attributes = queue.record.attributes;
    attributes.partitions = partitions;
    return engine_->registry().Update(queue, attributes, Soon()).value();
  }

  std::future<core::Reply> SubmitTo(const QueueInfo& queue, size_t partition, core::Command command) {
    // The fixture's verbs are about the first partition.
    QueueInfo one = queue;
    one.address = queue.record.partitions.at(partition);
    return Submit(one, std::move(command));
  }
  void SendTo(const QueueInfo& queue, size_t partition, const std::string& body) {
    core::Send send{.partition = queue.record.partitions.at(partition).partition, .config = queue.config};
    send.messages.push_back({.content = Content(body)});
    std::get<core::SendReply>(SubmitTo(queue, partition, std::move(send)).get());
  }

  std::future<Received> BeginReceive(const QueueInfo& queue, int max, absl::Duration wait) {
    auto promise = std::make_shared<std::promise<Received>>();
    std::future<Received> future = promise->get_future();
    core::Receive receive;
    receive.max_messages = max;
    if (wait > absl::ZeroDuration()) receive.wait_until = engine_->Now() + wait;
    engine_->Receive(queue, std::move(receive), [promise](Received received) {
      promise->set_value(std::move(received));
      return true;
    });
    return future;
  }
  static std::vector<std::string> BodiesOf(const Received& received) {
    std::vector<std::string> bodies;
    for (const PartitionMessages& part : received.value()) {
      for (const auto& message : part.messages) bodies.push_back(message.content->body);
    }
    return bodies;
  }
  std::vector<std::string> ReceiveFrom(const QueueInfo& queue, int max,
                                       absl::Duration wait = absl::ZeroDuration()) {
    return BodiesOf(BeginReceive(queue, max, wait).get());
  }
};

TEST_F(PartitionedQueueTest, PartitionsAreSpreadOverTheShards) {
  const auto queue = Create("orders", 4);
  std::map<core::ShardId, int> on;
  for (const auto& address : queue->record.partitions) ++on[address.shard];
  EXPECT_EQ(on, (std::map<core::ShardId, int>{{core::ShardId(0), 2}, {core::ShardId(1), 2}}));
}

TEST_F(PartitionedQueueTest, NumbersAreThoseOfAllPartitions) {
  const auto queue = Create("orders", 3);
  const auto other = Create("other", 1);
  SendTo(*other, 0, "x");
  for (size_t i = 0; i < 3; ++i) SendTo(*queue, i, absl::StrCat("m", i));
  EXPECT_EQ(Stats(*queue).ready, 3);
  EXPECT_EQ(Stats(*queue).sent, 3);
  EXPECT_EQ(ReceiveFrom(*queue, 1).size(), 1u);
  EXPECT_EQ(Stats(*queue).ready, 2);
  EXPECT_EQ(Stats(*queue).in_flight, 1);
  EXPECT_LE(*Stats(*queue).oldest_sent_at, engine_->Now());

  const auto several = engine_->Stats(std::vector<QueueInfoPtr>{other, queue}, Soon()).value();
  EXPECT_EQ(several.at(0).ready, 1);
  EXPECT_EQ(several.at(1).ready, 2);
  std::map<std::string, int64_t> local;
  for (const auto& [info, stats] : engine_->LocalStats()) local[info->record.name.name] = stats.ready;
  EXPECT_EQ(local, (std::map<std::string, int64_t>{{"orders", 2}, {"other", 1}}));
}

TEST_F(PartitionedQueueTest, EveryPartitionIsReceivedFrom) {
  const auto queue = Create("orders", 4);
  for (size_t i = 0; i < 4; ++i) SendTo(*queue, i, absl::StrCat("m", i));
  std::vector<std::string> all;
  for (int i = 0; i < 4; ++i) {
    const auto some = ReceiveFrom(*queue, 10);
    all.insert(all.end(), some.begin(), some.end());
  }
  EXPECT_THAT(all, UnorderedElementsAre("m0", "m1", "m2", "m3"));
}

TEST_F(PartitionedQueueTest, LongPollIsWokenByAnyPartition) {
  const auto queue = Create("orders", 3);
  for (const int max : {10, 1}) {
    for (size_t i = 0; i < 3; ++i) {
      auto waiting = BeginReceive(*queue, max, absl::Seconds(20));
      while (Stats(*queue).waiting_receives < std::min(max, 3)) std::this_thread::yield();
      SendTo(*queue, i, absl::StrCat("m", i));
      EXPECT_THAT(BodiesOf(waiting.get()), ElementsAre(absl::StrCat("m", i)));
      while (Stats(*queue).waiting_receives > 0) std::this_thread::yield();
    }
  }
}

TEST_F(PartitionedQueueTest, LongPollHearsOfPartitionsThatTheQueueGets) {
  const auto queue = Create("orders", 1);
  auto waiting = BeginReceive(*queue, 1, absl::Seconds(20));
  while (Stats(*queue).waiting_receives < 1) std::this_thread::yield();
  const auto grown = Grow(*queue, 3);
  SendTo(*grown, 2, "new");
  EXPECT_THAT(BodiesOf(waiting.get()), ElementsAre("new"));
}

TEST_F(PartitionedQueueTest, GrowthLosesNothingAndHidesNothing) {
  const auto queue = Create("orders", 2);
  SendTo(*queue, 0, "ready");
  SendTo(*queue, 1, "taken");
  SendTo(*queue, 1, "behind");
  const auto grown = Grow(*queue, 5);
  SendTo(*grown, 4, "new");
  std::vector<std::string> all;
  for (int i = 0; i < 5; ++i) {
    const auto some = ReceiveFrom(*grown, 10);
    all.insert(all.end(), some.begin(), some.end());
  }
  EXPECT_THAT(all, UnorderedElementsAre("ready", "taken", "behind", "new"));
  Restart();
  EXPECT_EQ(Stats(*engine_->registry().FindByArn(queue->arn)).in_flight, 4);
}

TEST_F(PartitionedQueueTest, DeletedQueueEndsItsLongPollsAndForgetsAllPartitions) {
  const auto queue = Create("orders", 3);
  SendTo(*queue, 1, "x");
  EXPECT_EQ(ReceiveFrom(*queue, 1).size(), 1u);
  auto waiting = BeginReceive(*queue, 3, absl::Seconds(20));
  while (Stats(*queue).waiting_receives < 3) std::this_thread::yield();
  ASSERT_TRUE(engine_->DeleteQueue(*queue, Soon()).ok());
  EXPECT_EQ(ReasonOf(waiting.get().status()), ErrorReason::kQueueDoesNotExist);
  EXPECT_EQ(Stats(*queue).in_flight, 0);
}

TEST_F(PartitionedQueueTest, StopEndsALongPollEmpty) {
  const auto queue = Create("orders", 3);
  auto waiting = BeginReceive(*queue, 3, absl::Seconds(20));
  while (Stats(*queue).waiting_receives < 3) std::this_thread::yield();
  engine_->Stop();
  EXPECT_THAT(BodiesOf(waiting.get()), testing::IsEmpty());
}

TEST_F(PartitionedQueueTest, PoisonOfEveryPartitionEndsInTheDeadLetterQueueBesideIt) {
  const auto dlq = Create("dlq", 2);
  store::QueueAttributes attributes;
  attributes.visibility_timeout = absl::ZeroDuration();
  attributes.redrive_policy = {dlq->arn, 1};
  const auto queue = Create("orders", 4, attributes);
  for (size_t i = 0; i < 4; ++i) SendTo(*queue, i, absl::StrCat("m", i));
  while (Stats(*dlq).ready < 4) ReceiveFrom(*queue, 10);
  EXPECT_EQ(Stats(*queue).ready + Stats(*queue).in_flight, 0);
  EXPECT_EQ(Stats(*queue).dead_lettered, 4);
  for (size_t i = 0; i < 2; ++i) {
    // Each shard has two partitions of the one queue and one of the other.
    const auto reply = SubmitTo(*dlq, i, core::Receive{.partition = dlq->record.partitions[i].partition,
                                                       .config = dlq->config,
                                                       .max_messages = 10})
                           .get();
    const auto& dead = std::get<core::ReceiveReply>(reply).messages;
    ASSERT_EQ(dead.size(), 2u);
    EXPECT_EQ(dead[0].content->dead_letter_source_arn, queue->arn);
  }
}

TEST_F(PartitionedQueueTest, MoveTaskBringsMessagesBackIntoAPartitionedQueue) {
  const auto dlq = Create("dlq", 1);
  store::QueueAttributes attributes;
  attributes.visibility_timeout = absl::ZeroDuration();
  attributes.redrive_policy = {dlq->arn, 1};
  const auto queue = Create("orders", 2, attributes);
  for (size_t i = 0; i < 2; ++i) SendTo(*queue, i, absl::StrCat("m", i));
  while (Stats(*dlq).ready < 2) ReceiveFrom(*queue, 10);
  ASSERT_TRUE(engine_->move_tasks().StartTask(*dlq, "", 0, Soon()).ok());
  std::set<std::string> back;
  while (back.size() < 2) {
    for (const std::string& body : ReceiveFrom(*queue, 1, absl::Seconds(20))) back.insert(body);
  }
  EXPECT_THAT(back, ElementsAre("m0", "m1"));
}

}  // namespace
}  // namespace weir::queue::engine
