#include "services/queue/core/fifo.h"

#include <gtest/gtest.h>

#include <vector>

namespace weir::queue::core {
namespace {

std::vector<int> Items(const Fifo<int>& fifo) { return {fifo.begin(), fifo.end()}; }

TEST(FifoTest, FirstInFirstOutThroughManyPops) {
  Fifo<int> fifo;
  int pushed = 0;
  int popped = 0;
  // It grows, shrinks and moves its entries to the front many times.
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 20 + round; ++i) fifo.PushBack(pushed++);
    for (int i = 0; i < 19 + round; ++i) {
      ASSERT_EQ(fifo.front(), popped++);
      fifo.PopFront();
    }
    ASSERT_EQ(fifo.size(), static_cast<size_t>(pushed - popped));
  }
}

TEST(FifoTest, RemoveIfKeepsTheOrderOfTheRestAndForgetsWhatWasPopped) {
  Fifo<int> fifo;
  for (int i = 0; i < 6; ++i) fifo.PushBack(i);
  fifo.PopFront();
  fifo.RemoveIf([](int i) { return i % 2 == 1; });
  EXPECT_EQ(Items(fifo), (std::vector<int>{2, 4}));
}

TEST(FifoTest, ClearEmptiesIt) {
  Fifo<int> fifo;
  fifo.PushBack(1);
  fifo.Clear();
  EXPECT_TRUE(fifo.empty());
  fifo.PushBack(2);
  EXPECT_EQ(Items(fifo), std::vector<int>{2});
}

}  // namespace
}  // namespace weir::queue::core
