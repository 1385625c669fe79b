// Retention of messages that nobody touches: they stand in the store, and memory knows only their number.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/queue/engine/engine_fixture.h"

namespace weir::queue::engine {
namespace {

class RetentionTest : public EngineTest {
 protected:
  void SendMany(const QueueInfo& queue, int count) {
    for (int i = 0; i < count; i += 100) {
      std::vector<std::string> bodies;
      for (int j = i; j < i + 100; ++j) bodies.push_back(absl::StrCat(j));
      ASSERT_TRUE(Send(queue, bodies).ok());
    }
  }
  void AwaitEmpty(const QueueInfo& queue) {
    while (Stats(queue).ready > 0) std::this_thread::yield();
  }
};

TEST_F(RetentionTest, DeepBacklogIsSweptWithoutAReceiverAndItsSegmentsGo) {
  Restart({.refill_messages = 100, .segment_rows_max = 500});
  store::QueueAttributes attributes;
  attributes.retention = absl::Seconds(3);
  const auto queue = CreateQueue("orders", attributes);
  SendMany(*queue, 5'000);
  AwaitEmpty(*queue);
  const core::PartitionStats stats = Stats(*queue);
  EXPECT_EQ(stats.expired, 5'000);
  EXPECT_FALSE(stats.oldest_sent_at.has_value());
  EXPECT_TRUE(Receive(*queue, 10).messages.empty());
  // What comes later lives.
  ASSERT_TRUE(Send(*queue, {"later"}).ok());
  EXPECT_EQ(Stats(*queue).expired + Stats(*queue).ready, 5'001);
  auto log = store_.OpenLog(queue->address.shard);
  EXPECT_LE(log->Open(Shard(*queue).epoch()).value().segments.size(), 2u);
}

TEST_F(RetentionTest, BacklogThatExpiredWhileNobodyServedItIsSweptAfterTheStart) {
  store::QueueAttributes attributes;
  attributes.retention = absl::Seconds(2);
  const auto queue = CreateQueue("orders", attributes);
  SendMany(*queue, 3'000);
  Restart({.refill_messages = 100});
  const auto again = engine_->registry().FindByArn(queue->arn);
  AwaitEmpty(*again);
  EXPECT_TRUE(Receive(*again, 10).messages.empty());
  // And for ever, also with a longer retention from now on.
  attributes.retention = absl::Hours(1);
  ASSERT_TRUE(engine_->registry().Update(*again, attributes, Soon()).ok());
  Restart();
  EXPECT_EQ(Stats(*engine_->registry().FindByArn(queue->arn)).ready, 0);
}

}  // namespace
}  // namespace weir::queue::engine
