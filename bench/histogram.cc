#include "bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace weir::bench {
namespace {

// Values below 2 * kSteps have a bucket each; above, each doubling is divided into kSteps.
constexpr int kStepBits = 7;
constexpr int64_t kSteps = int64_t{1} << kStepBits;
constexpr size_t kBuckets = static_cast<size_t>((63 - kStepBits) * kSteps + 2 * kSteps);

size_t BucketOf(int64_t value) {
  const int shift =
      std::max(0, static_cast<int>(std::bit_width(static_cast<uint64_t>(value))) - (kStepBits + 1));
  return static_cast<size_t>(shift * kSteps + (value >> shift));
}

int64_t MiddleOf(size_t bucket) {
  const auto index = static_cast<int64_t>(bucket);
  if (index < 2 * kSteps) return index;
  const int64_t shift = index / kSteps - 1;
  return ((index - shift * kSteps) << shift) + ((int64_t{1} << shift) >> 1);
}

}  // namespace

Histogram::Histogram() : buckets_(kBuckets, 0) {}

void Histogram::Record(int64_t nanoseconds) {
  const int64_t value = std::max<int64_t>(nanoseconds, 0);
  ++buckets_[BucketOf(value)];
  ++count_;
  max_ = std::max(max_, value);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

absl::Duration Histogram::Quantile(double quantile) const {
  if (count_ == 0) return absl::ZeroDuration();
  const auto rank =
      std::max<int64_t>(1, static_cast<int64_t>(std::ceil(quantile * static_cast<double>(count_))));
  if (rank >= count_) return Max();
  int64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= rank) return absl::Nanoseconds(std::min(MiddleOf(i), max_));
  }
  return Max();
}

}  // namespace weir::bench
