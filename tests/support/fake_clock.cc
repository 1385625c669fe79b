#include "tests/support/fake_clock.h"

namespace weir {

absl::Time FakeClock::Now() const {
  MutexLock lock(&mu_);
  return now_;
}

absl::Duration FakeClock::Monotonic() const {
  MutexLock lock(&mu_);
  return elapsed_;
}

void FakeClock::Advance(absl::Duration by) {
  MutexLock lock(&mu_);
  now_ += by;
  elapsed_ += by;
}

}  // namespace weir
