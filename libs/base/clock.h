// The only way to ask for the time. Passed in, so that tests move it by hand (tests/support/fake_clock.h).
#pragma once

#include "absl/time/time.h"

namespace weir {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time.
  virtual absl::Time Now() const = 0;
  // Time since an arbitrary start; never goes back, also when the wall clock is set.
  virtual absl::Duration Monotonic() const = 0;
};

// The machine's clocks. Lives for ever.
const Clock& SystemClock();

}  // namespace weir
