#include "libs/base/random.h"

#include <gtest/gtest.h>

#include <set>

namespace weir {
namespace {

TEST(RandomUuidTest, HasVersionAndVariantOfRfc4122) {
  for (int i = 0; i < 1000; ++i) {
    const std::string uuid = RandomUuid();
    ASSERT_EQ(uuid.size(), 36u);
    EXPECT_EQ(uuid[8], '-');
    EXPECT_EQ(uuid[13], '-');
    EXPECT_EQ(uuid[14], '4');
    EXPECT_EQ(uuid[18], '-');
    EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos);
    EXPECT_EQ(uuid[23], '-');
  }
}

TEST(RandomUuidTest, DoesNotRepeat) {
  std::set<std::string> seen;
  for (int i = 0; i < 10000; ++i) EXPECT_TRUE(seen.insert(RandomUuid()).second);
}

TEST(RandomTokenTest, HasTwoDigitsAByte) { EXPECT_EQ(RandomToken(16).size(), 32u); }

}  // namespace
}  // namespace weir
