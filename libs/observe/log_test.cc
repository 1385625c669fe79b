#include "libs/observe/log.h"

#include <gtest/gtest.h>

namespace weir::observe {
namespace {

TEST(LogTest, LineIsOneJsonObject) {
  EXPECT_EQ(FormatLogLine(1'700'000'000'123, Level::kWarning, "say \"hi\"\n", {{"shard", "3"}}),
            R"({"ts":"2023-11-14T22:13:20.123Z","level":"warning","msg":"say \"hi\"\n","shard":"3"})");
}

TEST(LogTest, ParsesLevels) {
  Level level = Level::kInfo;
  EXPECT_TRUE(ParseLogLevel("error", level));
  EXPECT_EQ(level, Level::kError);
  EXPECT_FALSE(ParseLogLevel("loud", level));
}

}  // namespace
}  // namespace weir::observe
