#include "services/queue/core/fifo_groups.h"

#include "gtest/gtest.h"

namespace weir::queue::core {
namespace {

constexpr MessageState kReady = MessageState::kReady;
constexpr MessageState kInFlight = MessageState::kInFlight;

TEST(FifoGroups, GroupsTakeTurnsAndMessagesKeepTheirOrder) {
  FifoGroups groups;
  const GroupNo a = groups.Add("a", MessageSeq(1), kReady);
  const GroupNo b = groups.Add("b", MessageSeq(2), kReady);
  groups.Add("a", MessageSeq(3), kReady);
  EXPECT_EQ(groups.deliverable(), 3);
  ASSERT_EQ(groups.TakeTurn(), a);
  EXPECT_EQ(groups.NextReady(a, MessageSeq()), MessageSeq(1));
  EXPECT_EQ(groups.NextReady(a, MessageSeq(1)), MessageSeq(3));
  EXPECT_EQ(groups.NextReady(a, MessageSeq(3)), MessageSeq());
  groups.EndTurn(a);
  ASSERT_EQ(groups.TakeTurn(), b);
  groups.EndTurn(b);
  EXPECT_EQ(groups.TakeTurn(), a);
}

TEST(FifoGroups, AHiddenFrontBlocksItsGroup) {
  FifoGroups groups;
  const GroupNo a = groups.Add("a", MessageSeq(1), kReady);
  groups.Add("a", MessageSeq(2), kReady);
  groups.SetState(a, MessageSeq(1), kInFlight);
  EXPECT_FALSE(groups.HasDeliverable());
  EXPECT_EQ(groups.blocked(), 1);
  EXPECT_EQ(groups.TakeTurn(), std::nullopt);
  groups.Remove(a, MessageSeq(1));
  EXPECT_TRUE(groups.HasDeliverable());
  EXPECT_EQ(groups.blocked(), 0);
}

TEST(FifoGroups, AReadyFrontIsDeliveredThoughALaterOneIsHidden) {
  FifoGroups groups;
  const GroupNo a = groups.Add("a", MessageSeq(1), kReady);
  groups.Add("a", MessageSeq(2), kInFlight);
  groups.Add("a", MessageSeq(3), kReady);
  EXPECT_EQ(groups.deliverable(), 1);
  EXPECT_EQ(groups.blocked(), 1);
  ASSERT_EQ(groups.TakeTurn(), a);
  EXPECT_EQ(groups.NextReady(a, MessageSeq(1)), MessageSeq());
}

TEST(FifoGroups, WhatStandsBeyondTheHorizonWaits) {
  FifoGroups groups;
  groups.SetHorizon(MessageSeq(10));
  const GroupNo a = groups.Add("a", MessageSeq(12), kReady);
  EXPECT_FALSE(groups.HasDeliverable());
  groups.SetHorizon(MessageSeq(12));
  EXPECT_FALSE(groups.HasDeliverable());
  groups.Add("a", MessageSeq(11), kReady);
  ASSERT_EQ(groups.TakeTurn(), a);
  EXPECT_EQ(groups.NextReady(a, MessageSeq()), MessageSeq(11));
  EXPECT_EQ(groups.NextReady(a, MessageSeq(11)), MessageSeq());
  groups.EndTurn(a);
  groups.SetHorizon(MessageSeq(13));
  EXPECT_EQ(groups.NextReady(a, MessageSeq(11)), MessageSeq(12));
}

TEST(FifoGroups, AGroupIsForgottenWithItsLastMessage) {
  FifoGroups groups;
  const GroupNo a = groups.Add("a", MessageSeq(1), kReady);
  groups.Remove(a, MessageSeq(1));
  EXPECT_EQ(groups.table().size(), 0u);
  EXPECT_FALSE(groups.HasDeliverable());
  // Its number is used again; the turn that the old group had is not the new one's.
  const GroupNo b = groups.Add("b", MessageSeq(2), kInFlight);
  EXPECT_EQ(groups.TakeTurn(), std::nullopt);
  groups.SetState(b, MessageSeq(2), kReady);
  EXPECT_EQ(groups.TakeTurn(), b);
}

TEST(FifoGroups, TheConsumerIsKnownWhileTheMessageIsInFlight) {
  FifoGroups groups;
  const GroupNo a = groups.Add("a", MessageSeq(1), kInFlight);
  groups.NoteConsumer(MessageSeq(1), "10.0.0.1:4000");
  EXPECT_EQ(groups.ConsumerOf(MessageSeq(1)), "10.0.0.1:4000");
  groups.SetState(a, MessageSeq(1), kReady);
  EXPECT_EQ(groups.ConsumerOf(MessageSeq(1)), "");
}

}  // namespace
}  // namespace weir::queue::core
