#include "libs/base/strong_id.h"

#include <gtest/gtest.h>

#include <type_traits>

#include "absl/container/flat_hash_set.h"

namespace weir {
namespace {

using ShardId = StrongId<struct ShardTag, int32_t>;
using QueueId = StrongId<struct QueueTag>;

static_assert(!std::is_convertible_v<ShardId, QueueId>);
static_assert(!std::is_convertible_v<int, ShardId>);

TEST(StrongIdTest, ComparesAndHashesByValue) {
  absl::flat_hash_set<QueueId> set = {QueueId(1), QueueId(2), QueueId(1)};
  EXPECT_EQ(set.size(), 2u);
  EXPECT_LT(QueueId(1), QueueId(2));
  EXPECT_EQ(QueueId(1).Next(), QueueId(2));
}

}  // namespace
}  // namespace weir
