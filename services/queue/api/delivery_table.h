// The deliveries of a Consume stream: which receive of which message each of its numbers names, and which the client holds.
//
//     Push ──► held ──Settle──► settling ──Forget──► (gone)
//               ▲                  │
//               └────── Keep ──────┘      what was asked for was not done
//
// A delivery that is being settled (deleted, or given back) can still be found, so that it may be settled again until it is gone. Not
// thread-safe; no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/queue/core/command.h"

namespace weir::queue::api {

// One receive of a message out of one of the queue's partitions, by its place among them.
struct Delivered {
  size_t partition = 0;
  core::Receipt receipt;
};

class DeliveryTable {
 public:
  // Numbers rise by one, from 1.
  int64_t Push(const Delivered& delivered);
  // Nothing for a number that was never pushed, or is gone.
  std::optional<Delivered> Find(int64_t id) const;

  // The client has asked for its end: it holds the delivery no more. No effect on one that it does not hold.
  void Settle(int64_t id);
  void Keep(int64_t id);
  void Forget(int64_t id);

  int64_t held() const { return held_; }
  // Takes out all that are held, oldest message of a partition first.
  std::vector<Delivered> TakeHeld();

 private:
  struct Delivery {
    Delivered delivered;
    bool held = true;
  };

  absl::flat_hash_map<int64_t, Delivery> deliveries_;
  int64_t next_id_ = 1;
  int64_t held_ = 0;
};

}  // namespace weir::queue::api
