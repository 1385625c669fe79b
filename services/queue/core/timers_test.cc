#include "services/queue/core/timers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

namespace weir::queue::core {
namespace {

Timer At(int64_t micros, TimerKind kind = TimerKind::kMessage, int64_t key = 0) {
  return Timer({micros}, kind, key, nullptr);
}

std::vector<std::pair<int64_t, uint64_t>> Drain(TimerHeap& heap) {
  std::vector<std::pair<int64_t, uint64_t>> order;
  for (; !heap.empty(); heap.Pop()) order.emplace_back(heap.top().at.micros, heap.top().key);
  return order;
}

TEST(TimerHeapTest, TheEarliestIsOnTopWhateverTheOrderOfPushing) {
  std::mt19937 random(1);
  TimerHeap heap;
  std::vector<int64_t> times;
  for (int i = 0; i < 1'000; ++i) {
    times.push_back(static_cast<int64_t>(random() % 500));
    heap.Push(At(times.back(), TimerKind::kMessage, i));
  }
  std::sort(times.begin(), times.end());
  for (const int64_t time : times) {
    ASSERT_EQ(heap.top().at.micros, time);
    heap.Pop();
  }
  EXPECT_TRUE(heap.empty());
}

TEST(TimerHeapTest, WhatComesDueTogetherGoesByKindAndKey) {
  TimerHeap heap;
  heap.Push(At(5, TimerKind::kSweep, 1));
  heap.Push(At(5, TimerKind::kWaiter, 7));
  heap.Push(At(5, TimerKind::kMessage, 9));
  heap.Push(At(5, TimerKind::kMessage, 3));
  heap.Push(At(4, TimerKind::kSweep, 2));
  using Order = std::vector<std::pair<int64_t, uint64_t>>;
  EXPECT_EQ(Drain(heap), (Order{{4, 2}, {5, 3}, {5, 9}, {5, 7}, {5, 1}}));
}

TEST(TimerHeapTest, KeepsALargeKey) {
  const int64_t key = (int64_t{1} << 61) + 5;
  EXPECT_EQ(At(0, TimerKind::kSweep, key).key, static_cast<uint64_t>(key));
  EXPECT_EQ(At(0, TimerKind::kSweep, key).kind(), TimerKind::kSweep);
}

TEST(TimerHeapTest, RebuildDropsTheStaleOnesAndKeepsTheOrder) {
  TimerHeap heap;
  for (int i = 10; i > 0; --i) heap.Push(At(i, TimerKind::kMessage, i));
  heap.Rebuild([](const Timer& timer) { return timer.key % 2 == 0; });
  using Order = std::vector<std::pair<int64_t, uint64_t>>;
  EXPECT_EQ(Drain(heap), (Order{{1, 1}, {3, 3}, {5, 5}, {7, 7}, {9, 9}}));
}

}  // namespace
}  // namespace weir::queue::core
