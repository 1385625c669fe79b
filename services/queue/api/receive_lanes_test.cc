#include "services/queue/api/receive_lanes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace weir::queue::api {
namespace {

constexpr int64_t kSmall = 100;  // bytes of a message

class ReceiveLanesTest : public testing::Test {
 protected:
  // The receives that are sent until there is none to send.
  std::vector<ReceiveLanes::Ask> BeginAll(int64_t credit, int64_t message_bytes = kSmall) {
    std::vector<ReceiveLanes::Ask> asks;
    while (const auto ask = lanes_.Begin(credit, message_bytes)) asks.push_back(*ask);
    return asks;
  }
  static int64_t Sum(const std::vector<ReceiveLanes::Ask>& asks) {
    int64_t sum = 0;
    for (const auto& ask : asks) sum += ask.messages;
    return sum;
  }

  ReceiveLanes lanes_;
};

TEST_F(ReceiveLanesTest, OnePartitionIsAskedForAllAndWaitsAtOnce) {
  lanes_.Grow(1);
  const auto asks = BeginAll(100);
  ASSERT_EQ(asks.size(), 1u);
  EXPECT_EQ(asks[0].messages, 100);
  EXPECT_EQ(asks[0].wait, absl::Seconds(20));
}

TEST_F(ReceiveLanesTest, NothingIsAskedForWithoutCredit) {
  lanes_.Grow(3);
  EXPECT_THAT(BeginAll(0), testing::IsEmpty());
}

TEST_F(ReceiveLanesTest, PartitionsShareTheCreditAndNoneWaitsBeforeItFoundNothing) {
  lanes_.Grow(4);
  const auto asks = BeginAll(100);
  ASSERT_EQ(asks.size(), 4u);
  for (const auto& ask : asks) {
    EXPECT_EQ(ask.messages, 25);
    EXPECT_EQ(ask.wait, absl::ZeroDuration());
  }
}

TEST_F(ReceiveLanesTest, WhatIsAskedForNeverExceedsTheCredit) {
  lanes_.Grow(5);
  for (const int64_t credit : {1, 3, 7, 10'000}) {
    const auto asks = BeginAll(credit);
    EXPECT_LE(Sum(asks), credit);
    EXPECT_LE(asks.size(), 5u);
    for (const auto& ask : asks) lanes_.End(ask.lane, 0);
  }
}

TEST_F(ReceiveLanesTest, WhatWaitsInVainHoldsLittle) {
  lanes_.Grow(4);
  for (const auto& ask : BeginAll(400)) lanes_.End(ask.lane, ask.lane == 0 ? 100 : 0);
  // 300 are left; one partition has messages.
  const auto asks = BeginAll(300);
  ASSERT_EQ(asks.size(), 4u);
  int64_t waiting = 0;
  for (const auto& ask : asks) {
    if (ask.lane != 0) {
      waiting += ask.messages;
      EXPECT_GT(ask.wait, absl::Seconds(1));
    }
  }
  EXPECT_LE(waiting, 75);
  // It is asked for what the others leave.
  lanes_.End(0, asks[0].messages);
  EXPECT_GE(lanes_.Begin(300 - asks[0].messages, kSmall)->messages, 100);
}

TEST_F(ReceiveLanesTest, WithLittleCreditEveryPartitionHasItsTurnSoon) {
  lanes_.Grow(4);
  std::set<size_t> waited;
  for (int i = 0; i < 8; ++i) {
    const auto asks = BeginAll(/*credit=*/1);
    ASSERT_EQ(asks.size(), 1u);
    if (asks[0].wait > absl::ZeroDuration()) {
      EXPECT_LT(asks[0].wait, absl::Seconds(1));
      waited.insert(asks[0].lane);
    }
    lanes_.End(asks[0].lane, 0);
  }
  EXPECT_EQ(waited.size(), 4u);
}

TEST_F(ReceiveLanesTest, LargeMessagesAreAskedForInSmallNumbersByAllTogether) {
  lanes_.Grow(4);
  for (const auto& ask : BeginAll(10'000, /*message_bytes=*/256 << 10)) EXPECT_EQ(ask.messages, 2);
}

TEST_F(ReceiveLanesTest, LaneThatFailedPausesLongerEachTimeAndKeepsNoCredit) {
  lanes_.Grow(2);
  BeginAll(10);
  const absl::Duration first = lanes_.Pause(0);
  lanes_.End(1, 0);
  EXPECT_EQ(BeginAll(10).size(), 1u) << "the other goes on";
  lanes_.Resume(0);
  ASSERT_EQ(BeginAll(10).size(), 1u);
  EXPECT_GT(lanes_.Pause(0), first);
  lanes_.Resume(0);
  lanes_.Begin(10, kSmall);
  lanes_.End(0, 1);
  lanes_.Begin(10, kSmall);
  EXPECT_EQ(lanes_.Pause(0), first) << "it was well in between";
}

TEST_F(ReceiveLanesTest, NewPartitionsAreAsked) {
  lanes_.Grow(1);
  for (const auto& ask : BeginAll(8)) lanes_.End(ask.lane, 0);
  lanes_.Grow(3);
  EXPECT_EQ(BeginAll(12).size(), 3u);
}

}  // namespace
}  // namespace weir::queue::api
