#include "services/queue/core/deduplication.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/queue/core/attempts.h"

namespace weir::queue::core {
namespace {

DeduplicationKey Key(absl::string_view id) { return KeyOf(DeduplicationScope::kQueue, "", id); }

Deduplication::Entry Entry(int64_t seq, int64_t until) {
  return {.seq = MessageSeq(seq), .segment = SegmentNo(1), .until = Instant{until}, .message_id = {}};
}

TEST(Deduplication, MessageIdsComeBack) {
  const std::string id = "0f8fad5b-d9cb-469f-a165-70867728950e";
  EXPECT_EQ(UnpackMessageId(PackMessageId(id)), id);
}

TEST(Deduplication, KeysDifferByIdAndInTheScopeOfAGroupByGroup) {
  std::set<std::pair<uint64_t, uint64_t>> keys;
  for (int i = 0; i < 10'000; ++i) {
    const DeduplicationKey key = Key(absl::StrCat(i));
    EXPECT_TRUE(keys.emplace(key.high, key.low).second);
  }
  EXPECT_EQ(KeyOf(DeduplicationScope::kQueue, "a", "x"), KeyOf(DeduplicationScope::kQueue, "b", "x"));
  constexpr auto kGroup = DeduplicationScope::kMessageGroup;
  EXPECT_FALSE(KeyOf(kGroup, "a", "x") == KeyOf(kGroup, "b", "x"));
  EXPECT_FALSE(KeyOf(kGroup, "ab", "c") == KeyOf(kGroup, "a", "bc"));
}

TEST(Deduplication, AnIdEndsAtItsTimeAndNotBefore) {
  Deduplication ids;
  EXPECT_EQ(ids.NextEnd(), kNever);
  EXPECT_FALSE(ids.Remember(Key("x"), Entry(1, 100)).has_value());
  EXPECT_EQ(ids.Find(Key("x"), Instant{99})->seq, MessageSeq(1));
  EXPECT_EQ(ids.Find(Key("x"), Instant{100}), nullptr);
  EXPECT_EQ(ids.Find(Key("y"), Instant{0}), nullptr);
  EXPECT_FALSE(ids.ForgetOne(Instant{99}).has_value());
  EXPECT_EQ(ids.ForgetOne(Instant{100})->seq, MessageSeq(1));
  EXPECT_FALSE(ids.ForgetOne(Instant{100}).has_value());
  EXPECT_TRUE(ids.empty());
}

TEST(Deduplication, ALaterMessageWithTheSameIdReplacesTheFirst) {
  Deduplication ids;
  ids.Remember(Key("x"), Entry(1, 100));
  EXPECT_EQ(ids.Remember(Key("x"), Entry(2, 150))->seq, MessageSeq(1));
  EXPECT_FALSE(ids.ForgetOne(Instant{149}).has_value());
  EXPECT_EQ(ids.Find(Key("x"), Instant{149})->seq, MessageSeq(2));
  EXPECT_EQ(ids.ForgetOne(Instant{150})->seq, MessageSeq(2));
}

TEST(Attempts, AreForgottenAfterFiveMinutesAndWhenThereAreTooMany) {
  Attempts attempts;
  attempts.Remember("x", {{MessageSeq(1), 1, Instant{5}}}, Instant{0});
  const int64_t end = absl::ToInt64Microseconds(kDeduplicationWindow);
  ASSERT_NE(attempts.Find("x", Instant{end - 1}), nullptr);
  EXPECT_EQ(attempts.Find("x", Instant{end}), nullptr);
  for (size_t i = 0; i < kMaxAttempts; ++i) attempts.Remember(absl::StrCat(i), {}, Instant{1});
  EXPECT_EQ(attempts.Find("x", Instant{1}), nullptr);
  EXPECT_NE(attempts.Find("0", Instant{1}), nullptr);
}

}  // namespace
}  // namespace weir::queue::core
