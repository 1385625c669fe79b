#include "services/queue/core/fair_groups.h"

#include "gtest/gtest.h"

namespace weir::queue::core {
namespace {

constexpr Instant kNow{1'000'000'000};

TEST(FairGroups, NoisyHoldsMoreThanATenthOfWhatIsInFlightAndEnough) {
  FairGroups groups(/*noisy_in_flight=*/30);
  const GroupNo a = groups.Add("a", MessageState::kInFlight);
  for (int i = 1; i < 29; ++i) groups.Add("a", MessageState::kInFlight);
  EXPECT_FALSE(groups.IsNoisy(groups[a], 29, kNow));
  groups.Add("a", MessageState::kInFlight);
  EXPECT_TRUE(groups.IsNoisy(groups[a], 299, kNow));
  EXPECT_FALSE(groups.IsNoisy(groups[a], 300, kNow));
  EXPECT_FALSE(groups.IsNoisy("b", 30, kNow));
}

TEST(FairGroups, NoisyHasUsedMoreThanATenthOfTheTimeAndFinishedEnough) {
  FairGroups groups(/*noisy_in_flight=*/30);
  const GroupNo a = groups.Add("a", MessageState::kReady);
  const GroupNo b = groups.Add("b", MessageState::kReady);
  for (int i = 0; i < 40; ++i) {
    groups.NoteConsumed(&a, absl::Seconds(1), kNow);
    groups.NoteConsumed(&b, absl::Milliseconds(100), kNow);
  }
  EXPECT_TRUE(groups.IsNoisy(groups[a], 0, kNow));
  EXPECT_FALSE(groups.IsNoisy(groups[b], 0, kNow));
  // Both fade alike, so a group stays noisy until it has finished too little lately.
  EXPECT_TRUE(groups.IsNoisy(groups[a], 0, kNow + absl::Seconds(15)));
  EXPECT_FALSE(groups.IsNoisy(groups[a], 0, kNow + absl::Seconds(20)));
}

TEST(FairGroups, WhatAGroupHasUsedIsRememberedForAMinuteAfterItsLastMessage) {
  FairGroups groups(/*noisy_in_flight=*/30);
  const GroupNo a = groups.Add("a", MessageState::kReady);
  groups.Remove(a, MessageState::kReady, kNow);
  groups.Compact(kNow + absl::Seconds(59));
  EXPECT_NE(groups.table().Find("a"), nullptr);
  groups.Compact(kNow + absl::Seconds(60));
  EXPECT_EQ(groups.table().Find("a"), nullptr);
}

}  // namespace
}  // namespace weir::queue::core
