#include "services/gateway/sqs/running_calls.h"

#include <gtest/gtest.h>

#include <thread>

namespace weir::gateway::sqs {
namespace {

// Its end begins with `ending` and lasts until `may_end`.
struct SlowlyEnding : RunningCall {
  ~SlowlyEnding() override {
    ending.Notify();
    may_end.WaitForNotification();
  }
  SlowlyEnding(Notification& ending, Notification& may_end) : ending(ending), may_end(may_end) {}
  Notification& ending;
  Notification& may_end;
};

TEST(RunningCallsTest, ACallIsGoneForGoodBeforeItsEndIsSeen) {
  RunningCalls calls;
  Notification ending, may_end, all_ended;
  auto call = std::make_shared<SlowlyEnding>(ending, may_end);
  ASSERT_TRUE(calls.Add(*call));
  std::thread grpc([&calls, call = std::move(call)]() mutable { calls.Remove(std::move(call)); });
  ending.WaitForNotification();
  std::thread stopper([&] {
    calls.EndAll();
    all_ended.Notify();
  });
  EXPECT_FALSE(all_ended.WaitForNotificationWithTimeout(absl::Milliseconds(20)));
  may_end.Notify();
  all_ended.WaitForNotification();
  grpc.join();
  stopper.join();
}

TEST(RunningCallsTest, OnceLongPollsEndNoneIsAdded) {
  RunningCalls calls;
  auto poll = std::make_shared<RunningCall>();
  poll->long_poll = true;
  auto other = std::make_shared<RunningCall>();
  calls.EndLongPolls();
  EXPECT_TRUE(calls.draining());
  EXPECT_FALSE(calls.Add(*poll));
  EXPECT_TRUE(calls.Add(*other));
  calls.Remove(std::move(other));
  calls.EndAll();
}

}  // namespace
}  // namespace weir::gateway::sqs
