// Time inside the core: whole microseconds since the Unix epoch, which is what the store keeps. So
// a state in memory and the same state read back from the store have equal deadlines, and an
// instant takes 8 bytes.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace weir::queue::core {

struct Instant {
  int64_t micros = 0;
  friend auto operator<=>(const Instant&, const Instant&) = default;
};

// Later than every real instant: a deadline that never comes.
inline constexpr Instant kNever{std::numeric_limits<int64_t>::max()};
// Earlier than every real instant; also "not known".
inline constexpr Instant kLongAgo{std::numeric_limits<int64_t>::min()};

// Rounds down. Infinite times become the sentinels.
inline Instant ToInstant(absl::Time time) { return {absl::ToUnixMicros(time)}; }

inline absl::Time ToTime(Instant instant) {
  if (instant == kNever) return absl::InfiniteFuture();
  if (instant == kLongAgo) return absl::InfinitePast();
  return absl::FromUnixMicros(instant.micros);
}

// Saturates; the sentinels stay what they are.
inline Instant operator+(Instant instant, absl::Duration duration) {
  if (instant == kNever || instant == kLongAgo) return instant;
  int64_t sum = 0;
  const int64_t micros = absl::ToInt64Microseconds(duration);
  if (__builtin_add_overflow(instant.micros, micros, &sum)) return micros > 0 ? kNever : kLongAgo;
  return {sum};
}

}  // namespace weir::queue::core
