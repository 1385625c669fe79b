// Latencies, counted in buckets whose width grows with the value (as HdrHistogram does): any
// quantile is right to 0.8 %, and recording costs a few nanoseconds and no memory.
//
// Not thread-safe: a thread has its own, and they are merged at the end.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace weir::bench {

class Histogram {
 public:
  Histogram();

  void Record(int64_t nanoseconds);
  void Merge(const Histogram& other);

  int64_t count() const { return count_; }
  // Zero when nothing was recorded. REQUIRES: 0 <= quantile <= 1.
  absl::Duration Quantile(double quantile) const;
  absl::Duration Max() const { return absl::Nanoseconds(max_); }

 private:
  std::vector<int64_t> buckets_;
  int64_t count_ = 0;
  int64_t max_ = 0;
};

}  // namespace weir::bench
