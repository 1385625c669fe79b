// What all connections of a server share: how many there are, and how many bytes of bodies they hold. Thread-safe.
#pragma once

#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace weir::gateway::http {

// A number that is taken from and given back to.
class Budget {
 public:
  explicit Budget(size_t max) : max_(max) {}

  // False: that would be more than there is.
  bool TryTake(size_t amount) {
    MutexLock lock(&mu_);
    if (amount > max_ - taken_) return false;
    taken_ += amount;
    return true;
  }
  void GiveBack(size_t amount) {
    MutexLock lock(&mu_);
    taken_ -= amount;
  }
  size_t taken() const {
    MutexLock lock(&mu_);
    return taken_;
  }
  // Until all is given back.
  void AwaitAll(absl::Time deadline) {
    MutexLock lock(&mu_);
    mu_.AwaitWithDeadline([this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return taken_ == 0; }, deadline);
  }

 private:
  const size_t max_;
  mutable Mutex mu_;
  size_t taken_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace weir::gateway::http
