#include "services/queue/engine/content_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace weir::queue::engine {
namespace {

using core::MessageSeq;

core::ContentPtr Content(size_t bytes) {
  auto content = std::make_shared<core::MessageContent>();
  content->body.assign(bytes, 'x');
  return content;
}

TEST(ContentCacheTest, GivesBackWhatWasPut) {
  ContentCache cache(10'000);
  cache.Put(MessageSeq(1), Content(10));
  ASSERT_NE(cache.Get(MessageSeq(1)), nullptr);
  EXPECT_EQ(cache.Get(MessageSeq(2)), nullptr);
}

TEST(ContentCacheTest, DropsTheOldestWhenFull) {
  ContentCache cache(3 * ContentBytes(*Content(1000)));
  for (int i = 1; i <= 4; ++i) cache.Put(MessageSeq(i), Content(1000));
  EXPECT_EQ(cache.Get(MessageSeq(1)), nullptr);
  EXPECT_NE(cache.Get(MessageSeq(2)), nullptr);
  EXPECT_NE(cache.Get(MessageSeq(4)), nullptr);
}

TEST(ContentCacheTest, ErasedEntriesGiveTheirBytesBack) {
  ContentCache cache(10'000);
  cache.Put(MessageSeq(1), Content(1000));
  cache.Erase(MessageSeq(1));
  cache.Erase(MessageSeq(1));
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(ContentCacheTest, ContentLargerThanTheCacheIsNotKept) {
  ContentCache cache(2'000);
  cache.Put(MessageSeq(1), Content(100));
  cache.Put(MessageSeq(2), Content(5'000));
  EXPECT_NE(cache.Get(MessageSeq(1)), nullptr);
  EXPECT_EQ(cache.Get(MessageSeq(2)), nullptr);
}

TEST(ContentCacheTest, EntriesErasedBehindAnOldOneLeaveNothingBehind) {
  ContentCache cache(100'000);
  cache.Put(MessageSeq(1), Content(10));
  for (int i = 2; i <= 10'000; ++i) {
    cache.Put(MessageSeq(i), Content(10));
    cache.Erase(MessageSeq(i));
  }
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_LE(cache.order_size(), 70u);
  EXPECT_NE(cache.Get(MessageSeq(1)), nullptr);
}

}  // namespace
}  // namespace weir::queue::engine
