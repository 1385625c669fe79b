#include "libs/runtime/open_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace weir::runtime {
namespace {

TEST(OpenFilesTest, TheLimitIsRaisedToTheMost) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = 256;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  RaiseOpenFilesLimit();
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
}

}  // namespace
}  // namespace weir::runtime
