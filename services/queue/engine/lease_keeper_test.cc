#include "services/queue/engine/lease_keeper.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "services/queue/store/faulty/faulty_queue_store.h"
#include "services/queue/store/memory/memory_queue_store.h"
#include "tests/support/fake_clock.h"

namespace weir::queue::engine {
namespace {

constexpr absl::Duration kLease = absl::Milliseconds(30);

class LeaseKeeperTest : public testing::Test {
 protected:
  FakeClock clock_;
  store::MemoryQueueStore memory_{clock_};
  store::FaultInjector faults_;
  store::FaultyLeaseStore leases_{memory_, faults_};
};

TEST_F(LeaseKeeperTest, TermHoldsUntilTheLeaseMayHaveRunOut) {
  LeaseKeeper keeper(leases_, "me", absl::Hours(1), clock_);
  EXPECT_EQ(keeper.Term(), 0);
  ASSERT_TRUE(keeper.Start("here", absl::InfiniteFuture()).ok());
  EXPECT_EQ(keeper.Term(), 1);
  clock_.Advance(absl::Hours(1) - absl::Nanoseconds(1));
  EXPECT_EQ(keeper.Term(), 1);
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(keeper.Term(), 0);
}

TEST_F(LeaseKeeperTest, RenewalAfterAGapBeginsAnotherTerm) {
  LeaseKeeper keeper(leases_, "me", kLease, clock_);
  ASSERT_TRUE(keeper.Start("here", absl::InfiniteFuture()).ok());
  ASSERT_EQ(keeper.Term(), 1);
  clock_.Advance(kLease);
  while (keeper.Term() == 0) std::this_thread::yield();
  EXPECT_EQ(keeper.Term(), 2);
}

TEST_F(LeaseKeeperTest, FailedRenewalsDoNotProlong) {
  LeaseKeeper keeper(leases_, "me", kLease, clock_);
  ASSERT_TRUE(keeper.Start("here", absl::InfiniteFuture()).ok());
  faults_.ScriptCalls(store::FaultPoint::kLease, std::vector(3, store::CallFault::kDoneButFailed));
  while (faults_.injected() < 3) {
    EXPECT_EQ(keeper.Term(), 1);
    std::this_thread::yield();
  }
  clock_.Advance(kLease);
  while (keeper.Term() == 0) std::this_thread::yield();
  EXPECT_EQ(keeper.Term(), 2);
}

}  // namespace
}  // namespace weir::queue::engine
