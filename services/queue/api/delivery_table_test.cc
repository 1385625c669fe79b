#include "services/queue/api/delivery_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::queue::api {
namespace {

Delivered ReceiptOf(int64_t seq) { return {.partition = 3, .receipt = {core::MessageSeq(seq), 1}}; }

std::vector<int64_t> SeqsOf(const std::vector<Delivered>& taken) {
  std::vector<int64_t> seqs;
  for (const Delivered& delivered : taken) seqs.push_back(delivered.receipt.seq.value());
  return seqs;
}

TEST(DeliveryTableTest, NumbersRiseByOneAndNameReceives) {
  DeliveryTable table;
  EXPECT_EQ(table.Push(ReceiptOf(70)), 1);
  EXPECT_EQ(table.Push(ReceiptOf(71)), 2);
  EXPECT_EQ(table.Find(2)->receipt.seq, core::MessageSeq(71));
  EXPECT_EQ(table.Find(2)->partition, 3u);
  EXPECT_FALSE(table.Find(3).has_value());
  EXPECT_FALSE(table.Find(0).has_value());
  EXPECT_EQ(table.held(), 2);
}

TEST(DeliveryTableTest, WhatIsBeingSettledIsNotHeldButCanBeFound) {
  DeliveryTable table;
  table.Push(ReceiptOf(70));
  table.Settle(1);
  table.Settle(1);
  EXPECT_EQ(table.held(), 0);
  EXPECT_TRUE(table.Find(1).has_value());
  table.Forget(1);
  EXPECT_FALSE(table.Find(1).has_value());
  table.Forget(1);
  EXPECT_EQ(table.held(), 0);
}

TEST(DeliveryTableTest, WhatCouldNotBeSettledIsHeldAgain) {
  DeliveryTable table;
  table.Push(ReceiptOf(70));
  table.Settle(1);
  table.Keep(1);
  table.Keep(1);
  EXPECT_EQ(table.held(), 1);
  table.Keep(2);
  EXPECT_EQ(table.held(), 1);
}

TEST(DeliveryTableTest, TakesWhatIsHeldAndCountsOn) {
  DeliveryTable table;
  for (int64_t seq = 70; seq < 74; ++seq) table.Push(ReceiptOf(seq));
  table.Settle(2);
  table.Forget(3);
  EXPECT_THAT(SeqsOf(table.TakeHeld()), testing::ElementsAre(70, 73));
  EXPECT_EQ(table.held(), 0);
  EXPECT_FALSE(table.Find(1).has_value());
  EXPECT_TRUE(table.Find(2).has_value()) << "it is being settled";
  EXPECT_EQ(table.Push(ReceiptOf(80)), 5);
}

}  // namespace
}  // namespace weir::queue::api
