#include "services/queue/engine/partitioning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "absl/strings/str_cat.h"

namespace weir::queue::engine {
namespace {

using core::MessageSeq;
using core::PartitionId;
using core::ShardId;
using core::TransferId;

// A queue with partitions 1, 2, … on shards 10, 11, …, of which `created` are from the beginning.
store::QueueRecord Record(int partitions, int created, bool fifo = false) {
  store::QueueRecord record{.attributes = {.fifo = fifo}, .created_partitions = created};
  for (int i = 0; i < partitions; ++i) {
    record.partitions.push_back({ShardId(10 + i), PartitionId(1 + i), core::QueueId(1)});
  }
  return record;
}

TransferId Transfer(int64_t seq) { return {PartitionId(77), MessageSeq(seq)}; }

TEST(PartitioningTest, PartitionsLieOnDifferentShardsFirst) {
  std::map<ShardId, int> on;
  for (int number = 0; number < 10; ++number) ++on[ShardOfPartition("arn:a", number, 4)];
  ASSERT_EQ(on.size(), 4u);
  for (const auto& [shard, count] : on) EXPECT_THAT(count, testing::AnyOf(2, 3)) << shard.value();
}

TEST(PartitioningTest, QueuesBeginOnDifferentShards) {
  std::set<ShardId> first;
  for (int i = 0; i < 100; ++i) first.insert(ShardOfPartition(absl::StrCat("arn:", i), 0, 8));
  EXPECT_EQ(first.size(), 8u);
}

// These are stored by every FIFO queue that has messages: a change would break their order.
TEST(PartitioningTest, GroupsStayWhereTheyAre) {
  EXPECT_EQ(PartitionOfGroup("g1", 1), 0u);
  EXPECT_EQ(PartitionOfGroup("customer-1", 4), 3u);
  EXPECT_EQ(PartitionOfGroup("customer-2", 4), 2u);
  EXPECT_EQ(PartitionOfGroup("customer-2", 64), 6u);
}

TEST(PartitioningTest, GroupsAreSpreadEvenly) {
  std::map<size_t, int> groups;
  for (int i = 0; i < 8'000; ++i) ++groups[PartitionOfGroup(absl::StrCat("customer-", i), 8)];
  ASSERT_EQ(groups.size(), 8u);
  for (const auto& [partition, count] : groups) EXPECT_NEAR(count, 1'000, 150) << partition;
}

TEST(PartitioningTest, WhatIsMovedStaysOnItsShardWhereThatIsPossible) {
  const store::QueueRecord queue = Record(4, 4);
  for (int64_t seq = 1; seq < 20; ++seq) {
    EXPECT_EQ(PartitionOfTransfer(queue, ShardId(12), Transfer(seq), "").partition, PartitionId(3));
  }
}

TEST(PartitioningTest, WhatIsMovedIsSpreadOverOtherShards) {
  std::map<PartitionId, int> moved;
  for (int64_t seq = 1; seq <= 4'000; ++seq) {
    ++moved[PartitionOfTransfer(Record(4, 4), ShardId(1), Transfer(seq), "").partition];
  }
  ASSERT_EQ(moved.size(), 4u);
  for (const auto& [partition, count] : moved) EXPECT_NEAR(count, 1'000, 150) << partition.value();
}

TEST(PartitioningTest, RepeatedTransferFindsItsPartitionInAQueueThatHasGrown) {
  for (int64_t seq = 1; seq < 100; ++seq) {
    for (const ShardId source : {ShardId(1), ShardId(10), ShardId(13)}) {
      EXPECT_EQ(PartitionOfTransfer(Record(2, 2), source, Transfer(seq), ""),
                PartitionOfTransfer(Record(9, 2), source, Transfer(seq), ""));
    }
  }
}

TEST(PartitioningTest, WhatIsMovedIntoAFifoQueueGoesWhereItsGroupIs) {
  const store::QueueRecord queue = Record(4, 4, /*fifo=*/true);
  for (const char* group : {"a", "b", "c", "d", "e"}) {
    EXPECT_EQ(PartitionOfTransfer(queue, ShardId(10), Transfer(1), group),
              queue.partitions[PartitionOfGroup(group, 4)]);
  }
}

}  // namespace
}  // namespace weir::queue::engine
