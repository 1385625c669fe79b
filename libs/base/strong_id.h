// Integer ids and counts that do not convert into one another: a ShardId cannot be passed where a MessageSeq is meant.
//
//   using ShardId = StrongId<struct ShardIdTag, int32_t>;
//
// Ordered, hashable by Abseil containers, printable. A default-constructed id is 0; types for which that is a sentinel say so
// beside their alias.
#pragma once

#include <cstdint>
#include <ostream>
#include <utility>

namespace weir {

template <typename Tag, typename Value = int64_t>
class StrongId {
 public:
  using value_type = Value;

  constexpr StrongId() = default;
  constexpr explicit StrongId(Value value) : value_(value) {}

  constexpr Value value() const { return value_; }
  constexpr StrongId Next() const { return StrongId(value_ + 1); }
  constexpr StrongId Previous() const { return StrongId(value_ - 1); }

  friend constexpr auto operator<=>(StrongId, StrongId) = default;
  friend constexpr bool operator==(StrongId, StrongId) = default;

  template <typename H>
  friend H AbslHashValue(H h, StrongId id) {
    return H::combine(std::move(h), id.value_);
  }
  friend std::ostream& operator<<(std::ostream& os, StrongId id) { return os << +id.value_; }

 private:
  Value value_ = 0;
};

}  // namespace weir
