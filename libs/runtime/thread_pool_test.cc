#include "libs/runtime/thread_pool.h"
#include "libs/base/mutex.h"

#include <gtest/gtest.h>

#include <atomic>


namespace weir::runtime {
namespace {

TEST(ThreadPoolTest, RunsEverythingThatWasPostedBeforeStop) {
  std::atomic<int> ran{0};
  ThreadPool pool(2, 100);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(pool.Post([&] { ++ran; }));
  pool.Stop();
  EXPECT_EQ(ran.load(), 50);
  EXPECT_FALSE(pool.Post([] {}));
}

TEST(ThreadPoolTest, RefusesWhenFull) {
  Notification started, release;
  ThreadPool pool(1, 1);
  EXPECT_TRUE(pool.Post([&] {
    started.Notify();
    release.WaitForNotification();
  }));
  started.WaitForNotification();
  EXPECT_TRUE(pool.Post([] {}));
  EXPECT_FALSE(pool.Post([] {}));
  release.Notify();
}

}  // namespace
}  // namespace weir::runtime
