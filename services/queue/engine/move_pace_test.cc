#include "services/queue/engine/move_pace.h"

#include <gtest/gtest.h>

#include <vector>

namespace weir::queue::engine {
namespace {

// How many messages parts that are never short of any move in `time`, if a lot takes `lot_time`.
int64_t MovedWithin(absl::Duration time, int32_t rate, int parts, absl::Duration lot_time) {
  int64_t moved = 0;
  for (int i = 0; i < parts; ++i) {
    MovePace pace;
    pace.Set(rate, static_cast<size_t>(parts));
    absl::Duration now = absl::Hours(7);
    const absl::Duration end = now + time;
    while (now < end) {
      moved += pace.LotMax();
      pace.NoteLot(now, pace.LotMax());
      now = std::max(now + lot_time, pace.NextLotAt());
    }
  }
  return moved;
}

TEST(MovePaceTest, RateIsReachedAndNotExceededByMoreThanALot) {
  for (const int32_t rate : {1, 3, 7, 50, 499, 500}) {
    const int64_t moved = MovedWithin(absl::Seconds(60), rate, 1, absl::Milliseconds(30));
    EXPECT_GE(moved, 60 * rate) << rate;
    EXPECT_LE(moved, 60 * rate + MovePace::kLotMax) << rate;
  }
}

TEST(MovePaceTest, PartsShareTheRateAlsoWhenThereAreMoreOfThemThanMessagesASecond) {
  for (const int32_t rate : {1, 5, 100, 500}) {
    const int64_t moved = MovedWithin(absl::Seconds(64), rate, 8, absl::Milliseconds(30));
    EXPECT_GE(moved, 64 * rate) << rate;
    EXPECT_LE(moved, 64 * rate + 8 * std::max(rate / 8 / 5, 1)) << rate;
  }
}

TEST(MovePaceTest, ShareGrowsAtOnceWhenOtherPartsEnd) {
  MovePace pace;
  pace.Set(1, 8);
  pace.NoteLot(absl::Seconds(100), 1);
  EXPECT_EQ(pace.NextLotAt(), absl::Seconds(108));
  pace.Set(1, 1);
  EXPECT_EQ(pace.NextLotAt(), absl::Seconds(101));
}

TEST(MovePaceTest, WithoutARateTheNextLotNeverWaits) {
  MovePace pace;
  pace.Set(0, 3);
  EXPECT_EQ(pace.LotMax(), MovePace::kLotMax);
  pace.NoteLot(absl::Seconds(100), 100);
  EXPECT_EQ(pace.NextLotAt(), absl::Seconds(100));
}

}  // namespace
}  // namespace weir::queue::engine
