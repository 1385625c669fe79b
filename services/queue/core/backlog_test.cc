#include "services/queue/core/backlog.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace weir::queue::core {
namespace {

constexpr SegmentNo kOne(1);
constexpr SegmentNo kTwo(2);

void Append(Backlog& backlog, int64_t seq, int64_t sent_at, SegmentNo segment = kOne) {
  backlog.Append(MessageSeq(seq), {sent_at}, segment);
}

TEST(BacklogTest, EmptyContainsNothing) {
  const Backlog backlog;
  EXPECT_TRUE(backlog.empty());
  EXPECT_FALSE(backlog.Contains(MessageSeq(1)));
  EXPECT_EQ(backlog.oldest_sent_at(), kNever);
}

TEST(BacklogTest, BeginsWithTheFirstMessageAndCounts) {
  Backlog backlog;
  Append(backlog, 5, 50);
  Append(backlog, 7, 70, kTwo);
  EXPECT_EQ(backlog.count(), 2);
  EXPECT_EQ(backlog.from(), MessageSeq(5));
  EXPECT_FALSE(backlog.Contains(MessageSeq(4)));
  EXPECT_TRUE(backlog.Contains(MessageSeq(5)));
  EXPECT_EQ(backlog.oldest_sent_at(), Instant{50});
  EXPECT_EQ(backlog.InSegment(kOne), 1);
  EXPECT_EQ(backlog.InSegment(kTwo), 1);
}

TEST(BacklogTest, WhatIsTakenOutIsNotInIt) {
  Backlog backlog;
  Append(backlog, 5, 50);
  Append(backlog, 7, 70);
  backlog.TakeOut(MessageSeq(7), kOne);
  EXPECT_FALSE(backlog.Contains(MessageSeq(7)));
  EXPECT_EQ(backlog.count(), 1);
  // The last one: nothing is remembered.
  backlog.TakeOut(MessageSeq(5), kOne);
  EXPECT_TRUE(backlog.empty());
  EXPECT_EQ(backlog.from(), Backlog::kNowhere);
  EXPECT_EQ(backlog.InSegment(kOne), 0);
}

TEST(BacklogTest, ExplicitMessagesBehindTheFrontAreLeftOut) {
  Backlog backlog;
  backlog.NoteTouchedAhead(MessageSeq(3));  // no effect: it is empty
  Append(backlog, 5, 50);
  backlog.NoteTouchedAhead(MessageSeq(6));
  EXPECT_FALSE(backlog.Contains(MessageSeq(6)));
  EXPECT_EQ(backlog.count(), 1);
}

TEST(BacklogTest, AdvancesOnlyForward) {
  Backlog backlog;
  Append(backlog, 5, 50);
  Append(backlog, 9, 90);
  backlog.TakeOut(MessageSeq(5), kOne);
  backlog.AdvanceTo(MessageSeq(8));
  backlog.AdvanceTo(MessageSeq(6));
  EXPECT_EQ(backlog.from(), MessageSeq(8));
  EXPECT_TRUE(backlog.Contains(MessageSeq(9)));
}

TEST(BacklogTest, NoticesWhenTheTimesOfSendingDoNotRise) {
  Backlog backlog;
  Append(backlog, 5, 50);
  Append(backlog, 6, 50);
  EXPECT_TRUE(backlog.in_order());
  Append(backlog, 7, 20);  // came by dead-lettering
  EXPECT_FALSE(backlog.in_order());
  EXPECT_EQ(backlog.oldest_sent_at(), Instant{20});
}

TEST(BacklogTest, OrderIsForgottenOnceItIsEmpty) {
  Backlog backlog;
  Append(backlog, 5, 50);
  Append(backlog, 7, 20);
  backlog.Clear();
  Append(backlog, 8, 60);
  EXPECT_TRUE(backlog.in_order());
  EXPECT_EQ(backlog.oldest_sent_at(), Instant{60});
}

TEST(BacklogTest, RowsMoveBetweenSegments) {
  Backlog backlog;
  Append(backlog, 5, 50);
  Append(backlog, 6, 60);
  backlog.MoveRow(kOne, kTwo);
  EXPECT_EQ(backlog.InSegment(kOne), 1);
  EXPECT_EQ(backlog.InSegment(kTwo), 1);
  EXPECT_EQ(backlog.count(), 2);
}

TEST(BacklogTest, SweepKnowsTheOldestThatCameSinceItBegan) {
  Backlog backlog;
  Append(backlog, 5, 50);
  backlog.sweep = Backlog::Sweep{.next = backlog.from()};
  Append(backlog, 6, 60);
  Append(backlog, 7, 40);
  EXPECT_EQ(backlog.sweep->oldest_appended, Instant{40});
}

}  // namespace
}  // namespace weir::queue::core
