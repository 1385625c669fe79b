// All deadlines of a shard in one heap: ends of delays and visibility timeouts, parked receives,
// retention sweeps.
//
// Nothing is ever removed from the middle. A timer whose cause has gone (the message was deleted)
// stays until it reaches the top or until Rebuild; the owner asks for a rebuild when more than half
// are stale, so a set or a drop costs O(log n) on average.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "services/queue/core/instant.h"

namespace weir::queue::core {

struct Partition;

enum class TimerKind : uint8_t {
  kMessage,  // key: seq. A delay or a visibility timeout ends.
  kWaiter,   // key: request id. A parked receive has waited long enough.
  kSweep,    // key: partition id. A message of the partition may have reached its retention.
  kForgetting,  // key: partition id. Deduplication ids may be forgotten.
};

// 24 bytes: there is one for every delayed message.
struct Timer {
  Timer(Instant at, TimerKind kind, int64_t key, Partition* partition)
      : at(at),
        key(static_cast<uint64_t>(key)),
        kind_bits(static_cast<uint64_t>(kind)),
        partition(partition) {}

  TimerKind kind() const { return static_cast<TimerKind>(kind_bits); }

  Instant at;
  uint64_t key : 62;
  uint64_t kind_bits : 2;
  Partition* partition;
};
static_assert(sizeof(Timer) == 24);

class TimerHeap {
 public:
  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  const Timer& top() const { return heap_.front(); }

  void Push(Timer timer) {
    heap_.push_back(timer);
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }

  void Pop() {
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    heap_.pop_back();
  }

  // Drops every timer that `stale` says so of. O(n).
  template <typename Predicate>
  void Rebuild(Predicate stale) {
    heap_.erase(std::remove_if(heap_.begin(), heap_.end(), stale), heap_.end());
    std::make_heap(heap_.begin(), heap_.end(), Later);
  }

 private:
  // Ties are broken by kind and key, so what comes due together does so in an order that does not
  // depend on the past: messages in the order of their seq.
  static bool Later(const Timer& a, const Timer& b) {
    if (a.at != b.at) return a.at > b.at;
    if (a.kind_bits != b.kind_bits) return a.kind_bits > b.kind_bits;
    return a.key > b.key;
  }

  std::vector<Timer> heap_;
};

}  // namespace weir::queue::core
