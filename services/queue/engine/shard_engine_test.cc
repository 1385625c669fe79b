#include "services/queue/engine/shard_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "libs/base/error.h"
#include "services/queue/engine/engine_fixture.h"

namespace weir::queue::engine {
namespace {

using testing::ElementsAre;

TEST_F(EngineTest, MessageGoesThroughAndIsGoneAfterItsDelete) {
  const auto queue = CreateQueue("orders");
  ASSERT_TRUE(Send(*queue, {"a", "b"}).ok());
  const auto received = Receive(*queue, 10);
  EXPECT_THAT(Bodies(received), ElementsAre("a", "b"));
  EXPECT_EQ(Stats(*queue).in_flight, 2);
  Delete(*queue, received);
  EXPECT_EQ(Stats(*queue).in_flight, 0);
  EXPECT_TRUE(Receive(*queue, 10).messages.empty());
}

TEST_F(EngineTest, WaitingReceiveGetsTheMessageThatComes) {
  const auto queue = CreateQueue("orders");
  auto waiting = Submit(*queue, ReceiveCommand(*queue, 10, absl::Seconds(20)));
  while (Stats(*queue).waiting_receives == 0) std::this_thread::yield();
  ASSERT_TRUE(Send(*queue, {"a"}).ok());
  EXPECT_THAT(Bodies(std::get<core::ReceiveReply>(waiting.get())), ElementsAre("a"));
}

TEST_F(EngineTest, LongPollEndsEmptyWhenItsTimeIsOver) {
  const auto queue = CreateQueue("orders");
  EXPECT_TRUE(Receive(*queue, 1, absl::Milliseconds(20)).messages.empty());
}

TEST_F(EngineTest, MessageBecomesVisibleAgainByItself) {
  store::QueueAttributes attributes;
  attributes.visibility_timeout = absl::Seconds(1);
  const auto queue = CreateQueue("orders", attributes);
  ASSERT_TRUE(Send(*queue, {"a"}).ok());
  EXPECT_EQ(Receive(*queue, 1).messages.at(0).receive_count, 1);
  EXPECT_EQ(Receive(*queue, 1, absl::Seconds(20)).messages.at(0).receive_count, 2);
}

TEST_F(EngineTest, AcceptedMessagesAndReceiveCountsSurviveARestart) {
  const auto queue = CreateQueue("orders");
  ASSERT_TRUE(Send(*queue, {"a", "b", "c"}).ok());
  Delete(*queue, Receive(*queue, 1));
  Receive(*queue, 1);
  Restart();
  const auto again = engine_->registry().FindByArn(queue->arn);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(Stats(*again).ready, 1);
  EXPECT_EQ(Stats(*again).in_flight, 1);
  EXPECT_THAT(Bodies(Receive(*again, 10)), ElementsAre("c"));
}

TEST_F(EngineTest, DeepBacklogComesBackWholeThroughAWindow) {
  Restart({.content_cache_bytes = 100'000, .refill_messages = 100, .segment_rows_max = 1'000});
  const auto queue = CreateQueue("orders");
  constexpr int kMessages = 6'000;
  for (int i = 0; i < kMessages; i += 100) {
    std::vector<std::string> bodies;
    for (int j = i; j < i + 100; ++j) bodies.push_back(std::to_string(j));
    ASSERT_TRUE(Send(*queue, bodies).ok());
  }
  EXPECT_EQ(Stats(*queue).ready, kMessages);
  std::set<std::string> seen;
  while (seen.size() < kMessages) {
    const auto received = Receive(*queue, 10);
    ASSERT_FALSE(received.messages.empty()) << seen.size();
    for (const std::string& body : Bodies(received)) EXPECT_TRUE(seen.insert(body).second) << body;
    Delete(*queue, received);
  }
  EXPECT_EQ(Stats(*queue).ready, 0);
}

TEST_F(EngineTest, AbandonedReceiveGivesItsMessagesBackAtOnce) {
  const auto queue = CreateQueue("orders");
  ASSERT_TRUE(Send(*queue, {"a"}).ok());
  ASSERT_TRUE(Shard(*queue).Submit(ReceiveCommand(*queue, 1), [](core::Reply) { return false; }).ok());
  const auto received = Receive(*queue, 1, absl::Seconds(20));
  EXPECT_THAT(Bodies(received), ElementsAre("a"));
  EXPECT_EQ(received.messages[0].receive_count, 2);
}

TEST_F(EngineTest, CancelledReceiveTakesNothing) {
  const auto queue = CreateQueue("orders");
  std::promise<core::Reply> reply;
  const auto id = Shard(*queue).Submit(ReceiveCommand(*queue, 1, absl::Seconds(20)),
                                       [&](core::Reply r) {
                                         reply.set_value(std::move(r));
                                         return false;
                                       });
  ASSERT_TRUE(id.ok());
  Shard(*queue).Cancel(queue->address.partition, *id);
  EXPECT_TRUE(absl::IsCancelled(std::get<absl::Status>(reply.get_future().get())));
  ASSERT_TRUE(Send(*queue, {"a"}).ok());
  EXPECT_EQ(Receive(*queue, 1).messages.at(0).receive_count, 1);
}

TEST_F(EngineTest, PoisonMessageEndsInTheDeadLetterQueueWithItsSource) {
  const auto dlq = CreateQueue("dlq");
  // On the same shard as its dead-letter queue, and on the other one: both kinds of move.
  std::set<int> shards;
  for (int i = 0; shards.size() < 2; ++i) {
    store::QueueAttributes attributes;
    attributes.visibility_timeout = absl::ZeroDuration();
    attributes.redrive_policy = {dlq->arn, 2};
    const auto queue = CreateQueue("orders" + std::to_string(i), attributes);
    shards.insert(queue->address.shard.value());
    ASSERT_TRUE(Send(*queue, {"poison"}).ok());
    EXPECT_EQ(Receive(*queue, 1).messages.size(), 1u);
    EXPECT_EQ(Receive(*queue, 1).messages.size(), 1u);
    EXPECT_EQ(Receive(*queue, 1).messages.size(), 0u);
    const auto dead = Receive(*dlq, 1, absl::Seconds(20));
    ASSERT_EQ(dead.messages.size(), 1u);
    EXPECT_EQ(dead.messages[0].receive_count, 3);
    EXPECT_EQ(dead.messages[0].content->dead_letter_source_arn, queue->arn);
    Delete(*dlq, dead);
    EXPECT_EQ(Stats(*queue).ready + Stats(*queue).in_flight, 0);
    EXPECT_EQ(Stats(*queue).dead_lettered, 1);
  }
}

TEST_F(EngineTest, RedriveBringsMessagesBackToTheirSources) {
  const auto dlq = CreateQueue("dlq");
  std::vector<QueueInfoPtr> queues;
  for (int i = 0; i < 4; ++i) {
    store::QueueAttributes attributes;
    attributes.visibility_timeout = absl::ZeroDuration();
    attributes.redrive_policy = {dlq->arn, 1};
    queues.push_back(CreateQueue("orders" + std::to_string(i), attributes));
    ASSERT_TRUE(Send(*queues[i], {"m" + std::to_string(i)}).ok());
    Receive(*queues[i], 1);
    Receive(*queues[i], 1);
  }
  while (Stats(*dlq).ready < 4) std::this_thread::yield();
  ASSERT_TRUE(engine_->move_tasks().StartTask(*dlq, "", 0, Soon()).ok());
  for (int i = 0; i < 4; ++i) {
    const auto received = Receive(*queues[i], 1, absl::Seconds(20));
    EXPECT_THAT(Bodies(received), ElementsAre("m" + std::to_string(i)));
    EXPECT_EQ(received.messages[0].receive_count, 1);
  }
  // The last message is there before the task has ended.
  auto tasks = engine_->move_tasks().List(*dlq, 10, Soon()).value();
  while (tasks.at(0).state == store::MoveTaskState::kRunning) {
    std::this_thread::yield();
    tasks = engine_->move_tasks().List(*dlq, 10, Soon()).value();
  }
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0].state, store::MoveTaskState::kCompleted);
  EXPECT_EQ(store::MovedBy(tasks[0]), 4);
}

TEST_F(EngineTest, DeletedQueueEndsItsLongPolls) {
  const auto queue = CreateQueue("orders");
  auto waiting = Submit(*queue, ReceiveCommand(*queue, 1, absl::Seconds(20)));
  ASSERT_TRUE(engine_->DeleteQueue(*queue, Soon()).ok());
  const core::Reply reply = waiting.get();
  EXPECT_EQ(ReasonOf(std::get<absl::Status>(reply)), ErrorReason::kQueueDoesNotExist);
}

TEST_F(EngineTest, StopEndsLongPollsEmpty) {
  const auto queue = CreateQueue("orders");
  auto waiting = Submit(*queue, ReceiveCommand(*queue, 1, absl::Seconds(20)));
  engine_->Stop();
  EXPECT_TRUE(std::get<core::ReceiveReply>(waiting.get()).messages.empty());
  EXPECT_EQ(ReasonOf(Send(*queue, {"late"})), ErrorReason::kShuttingDown);
}

TEST_F(EngineTest, SegmentsAreDroppedOnceTheirMessagesAreGone) {
  Restart({.segment_rows_max = 50});
  const auto queue = CreateQueue("orders");
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Send(*queue, {std::to_string(i)}).ok());
    Delete(*queue, Receive(*queue, 1));
  }
  auto log = store_.OpenLog(queue->address.shard);
  const auto opened = log->Open(Shard(*queue).epoch());
  ASSERT_TRUE(opened.ok());
  EXPECT_LE(opened->segments.size(), 2u);
}

TEST_F(EngineTest, AnOldSurvivorIsCopiedForwardAndKeepsItsCount) {
  Restart({.segment_rows_max = 50, .segments_max = 2});
  const auto queue = CreateQueue("orders");
  ASSERT_TRUE(Send(*queue, {"survivor"}).ok());
  Receive(*queue, 1);
  const auto other = CreateQueue("other");
  for (int i = 0; i < 200; ++i) {
    const auto& busy = i % 2 == 0 ? *queue : *other;
    ASSERT_TRUE(Send(busy, {std::to_string(i)}).ok());
    Delete(busy, Receive(busy, 1));
  }
  Restart({.segment_rows_max = 50, .segments_max = 2});
  const auto again = engine_->registry().FindByArn(queue->arn);
  EXPECT_EQ(Stats(*again).in_flight, 1);
}

TEST_F(EngineTest, AnIdleQueueDoesNotHoldBackWhatDiesAfterIt) {
  Restart({.segment_rows_max = 50, .segments_max = 2});
  const auto idle = CreateQueue("idle");
  ASSERT_TRUE(Send(*idle, std::vector<std::string>(45, "unread")).ok());
  // A busy queue on the same shard.
  QueueInfoPtr busy = CreateQueue("busy0");
  for (int i = 1; busy->address.shard != idle->address.shard; ++i) {
    busy = CreateQueue("busy" + std::to_string(i));
  }
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(Send(*busy, {std::to_string(i)}).ok());
    Delete(*busy, Receive(*busy, 1));
  }
  auto log = store_.OpenLog(idle->address.shard);
  const auto opened = log->Open(Shard(*idle).epoch());
  ASSERT_TRUE(opened.ok());
  int64_t rows = 0;
  for (const auto& segment : opened->segments) rows += segment.rows;
  EXPECT_LE(rows, 4 * 45 + 100);
  Restart();
  EXPECT_EQ(Stats(*engine_->registry().FindByArn(idle->arn)).ready, 45);
}

TEST_F(EngineTest, ManyPoisonMessagesMoveInBoundedLots) {
  // No content stays in memory, so every move reads it.
  Restart({.content_cache_bytes = 0});
  const auto dlq = CreateQueue("dlq");
  store::QueueAttributes attributes;
  attributes.visibility_timeout = absl::ZeroDuration();
  attributes.redrive_policy = {dlq->arn, 1};
  const auto queue = CreateQueue("orders", attributes);
  constexpr int kMessages = 250;
  for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(Send(*queue, {std::to_string(i)}).ok());
  for (int i = 0; i < kMessages; i += 10) Receive(*queue, 10);
  // One receive that waits is enough to move them all, and gets none.
  EXPECT_TRUE(Receive(*queue, 10, absl::Milliseconds(500)).messages.empty());
  while (Stats(*dlq).ready < kMessages) Receive(*queue, 1);
  EXPECT_EQ(Stats(*dlq).ready, kMessages);
  EXPECT_EQ(Stats(*queue).dead_lettered, kMessages);
}

}  // namespace
}  // namespace weir::queue::engine
