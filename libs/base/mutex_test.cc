#include "libs/base/mutex.h"

#include <memory>
#include <thread>

#include "gtest/gtest.h"

namespace weir {
namespace {

TEST(MutexTest, AwaitWakesWhenUnlockMakesTheConditionTrue) {
  Mutex mu;
  int turn = 0;
  std::thread other([&] {
    MutexLock lock(&mu, [&] { return turn == 1; });
    turn = 2;
  });
  {
    MutexLock lock(&mu);
    turn = 1;
  }
  MutexLock lock(&mu);
  mu.Await([&] { return turn == 2; });
  other.join();
  EXPECT_EQ(turn, 2);
}

TEST(MutexTest, AwaitItselfReleasesTheMutexAndWakesOthers) {
  Mutex mu;
  int turn = 0;
  std::thread other([&] {
    MutexLock lock(&mu, [&] { return turn == 1; });
    turn = 2;
  });
  MutexLock lock(&mu);
  turn = 1;  // never unlocked: `other` sees it because of the wait below
  mu.Await([&] { return turn == 2; });
  EXPECT_EQ(turn, 2);
  mu.Unlock();
  other.join();
  mu.Lock();
}

TEST(MutexTest, AwaitGivesUpAtTheDeadlineAndHoldsTheMutexAfterwards) {
  Mutex mu;
  bool condition = false;
  MutexLock lock(&mu);
  EXPECT_FALSE(mu.AwaitWithDeadline([&] { return condition; }, absl::Now()));
  EXPECT_FALSE(mu.AwaitWithDeadline([&] { return condition; }, absl::InfinitePast()));
  EXPECT_FALSE(mu.AwaitWithTimeout([&] { return condition; }, absl::Milliseconds(1)));
  condition = true;
  EXPECT_TRUE(mu.AwaitWithTimeout([&] { return condition; }, absl::ZeroDuration()));
}

TEST(MutexTest, ADeadlineFarAwayIsNotOver) {
  Mutex mu;
  bool condition = false;
  std::thread other([&] {
    MutexLock lock(&mu);
    condition = true;
  });
  {
    MutexLock lock(&mu);
    EXPECT_TRUE(mu.AwaitWithTimeout([&] { return condition; }, absl::Hours(24 * 365 * 1000)));
  }
  other.join();
}

TEST(CondVarTest, SignalWakesTheWaiter) {
  Mutex mu;
  CondVar changed;
  bool value = false;
  std::thread other([&] {
    MutexLock lock(&mu);
    value = true;
    changed.Signal();
  });
  {
    MutexLock lock(&mu);
    while (!value) changed.Wait(&mu);
  }
  other.join();
}

TEST(CondVarTest, TimesOutUnlessTheTimeIsEndless) {
  Mutex mu;
  CondVar changed;
  bool value = false;
  {
    MutexLock lock(&mu);
    while (!changed.WaitWithTimeout(&mu, absl::Milliseconds(1))) {
    }
  }
  std::thread other([&] {
    MutexLock lock(&mu);
    value = true;
    changed.SignalAll();
  });
  {
    MutexLock lock(&mu);
    while (!value) {
      EXPECT_FALSE(changed.WaitWithTimeout(&mu, absl::InfiniteDuration()));
    }
  }
  other.join();
}

TEST(CondVarTest, WaitingWakesThoseWhoAwaitTheMutex) {
  Mutex mu;
  CondVar changed;
  int turn = 0;
  std::thread other([&] {
    MutexLock lock(&mu, [&] { return turn == 1; });
    turn = 2;
    changed.Signal();
  });
  {
    MutexLock lock(&mu);
    turn = 1;
    while (turn != 2) changed.Wait(&mu);
  }
  other.join();
}

TEST(SharedMutexTest, ReadersShareAndWritersDoNot) {
  SharedMutex mu;
  int value = 0;
  std::thread writer;
  {
    ReaderMutexLock lock(&mu);
    // A second reader comes and goes while the first one reads.
    std::thread([&] { ReaderMutexLock second(&mu); }).join();
    writer = std::thread([&] {
      WriterMutexLock second(&mu);
      value = 1;
    });
    EXPECT_EQ(value, 0);
  }
  writer.join();
  EXPECT_EQ(value, 1);
}

TEST(NotificationTest, MayBeDestroyedRightAfterTheWait) {
  for (int i = 0; i < 1'000; ++i) {
    auto notification = std::make_unique<Notification>();
    std::thread other([&notified = *notification] { notified.Notify(); });
    notification->WaitForNotification();
    EXPECT_TRUE(notification->HasBeenNotified());
    notification.reset();
    other.join();
  }
}

TEST(NotificationTest, AWaitMayTimeOut) {
  Notification notification;
  EXPECT_FALSE(notification.HasBeenNotified());
  EXPECT_FALSE(notification.WaitForNotificationWithTimeout(absl::Milliseconds(1)));
  notification.Notify();
  EXPECT_TRUE(notification.WaitForNotificationWithTimeout(absl::ZeroDuration()));
}

}  // namespace
}  // namespace weir
