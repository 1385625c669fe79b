#include "services/queue/api/receipt_handle.h"

#include <gtest/gtest.h>

namespace weir::queue::api {
namespace {

TEST(ReceiptHandleTest, ComesBackAsItWas) {
  const ReceiptHandle handle{core::ShardId(3),
                             core::PartitionId(70'000),
                             {core::MessageSeq(int64_t{1} << 40), 12}};
  const auto parsed = ParseReceiptHandle(FormatReceiptHandle(handle));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->shard, handle.shard);
  EXPECT_EQ(parsed->partition, handle.partition);
  EXPECT_EQ(parsed->receipt.seq, handle.receipt.seq);
  EXPECT_EQ(parsed->receipt.receive_count, 12);
}

TEST(ReceiptHandleTest, GarbageIsNoHandle) {
  for (const char* text : {"", "garbage", "AAAA", "not base64 at all!", "____________"}) {
    EXPECT_FALSE(ParseReceiptHandle(text).has_value()) << text;
  }
}

TEST(ReceiptHandleTest, OneChangedCharacterIsNoHandle) {
  const std::string good = FormatReceiptHandle(
      {core::ShardId(1), core::PartitionId(2), {core::MessageSeq(3), 4}});
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    const auto parsed = ParseReceiptHandle(bad);
    // The last character of base64 may carry unused bits.
    EXPECT_TRUE(!parsed.has_value() || i == good.size() - 1) << bad;
  }
}

}  // namespace
}  // namespace weir::queue::api
