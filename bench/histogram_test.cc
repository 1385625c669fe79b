#include "bench/histogram.h"

#include <gtest/gtest.h>

namespace weir::bench {
namespace {

TEST(HistogramTest, EmptyAnswersZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.Quantile(0.99), absl::ZeroDuration());
  EXPECT_EQ(histogram.Max(), absl::ZeroDuration());
}

TEST(HistogramTest, QuantilesAreRightToOnePercent) {
  Histogram histogram;
  for (int64_t us = 1; us <= 100'000; ++us) histogram.Record(us * 1'000);
  for (const double quantile : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double expected = quantile * 100'000;
    EXPECT_NEAR(absl::ToDoubleMicroseconds(histogram.Quantile(quantile)), expected, expected / 100);
  }
  EXPECT_EQ(histogram.Max(), absl::Milliseconds(100));
}

TEST(HistogramTest, MergeCountsBoth) {
  Histogram low;
  Histogram high;
  low.Record(10);
  high.Record(1'000'000'000'000);
  low.Merge(high);
  EXPECT_EQ(low.count(), 2);
  EXPECT_EQ(low.Quantile(0.5), absl::Nanoseconds(10));
  EXPECT_EQ(low.Quantile(1), absl::Seconds(1000));
}

TEST(HistogramTest, TakesEveryValue) {
  Histogram histogram;
  histogram.Record(-5);
  histogram.Record(0);
  histogram.Record(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(histogram.count(), 3);
  EXPECT_EQ(histogram.Quantile(0.1), absl::ZeroDuration());
}

}  // namespace
}  // namespace weir::bench
