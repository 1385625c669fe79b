// How fast one part of a move task may go: its share of the task's rate, in lots of about a fifth of a second. Plain arithmetic; times
// are since an arbitrary start.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace weir::queue::engine {

class MovePace {
 public:
  // At the greatest rate of SQS (500 messages a second) a lot is a fifth of a second. It bounds what is on the move at once.
  static constexpr int32_t kLotMax = 100;

  // `rate` messages a second (0: no bound) are shared by `parts` parts, at least one. Holds at once.
  void Set(int32_t rate, size_t parts) {
    interval_ = rate > 0 ? absl::Seconds(1) * static_cast<int64_t>(parts) / rate : absl::ZeroDuration();
  }

  int32_t LotMax() const {
    if (interval_ == absl::ZeroDuration()) return kLotMax;
    return static_cast<int32_t>(std::clamp<int64_t>(absl::Milliseconds(200) / interval_, 1, kLotMax));
  }

  // A lot of `taken` messages was begun at `begun`. Its time counts from there, so what a slow lot takes is no extra wait; what was not
  // used is not made up for either.
  void NoteLot(absl::Duration begun, int64_t taken) {
    begun_ = begun;
    taken_ = taken;
  }
  absl::Duration NextLotAt() const { return begun_ + interval_ * taken_; }

 private:
  absl::Duration interval_;  // between two messages
  absl::Duration begun_ = -absl::InfiniteDuration();
  int64_t taken_ = 0;
};

}  // namespace weir::queue::engine
