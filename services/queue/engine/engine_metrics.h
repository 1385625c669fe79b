// What the shards measure of themselves. Thread-safe.
#pragma once

#include <cstddef>

#include "absl/time/time.h"

namespace weir::queue::engine {

class EngineMetrics {
 public:
  virtual ~EngineMetrics() = default;
  // One group commit: rows in it, and how long the store took.
  virtual void Committed(size_t rows, absl::Duration took) = 0;
  // An append that did not end well; the shard is taken anew.
  virtual void ShardLost() = 0;
  virtual void ShardAcquired(absl::Duration took) = 0;
  virtual void ContentsReadFromStore(size_t messages) = 0;
};

// Measures nothing.
class NoEngineMetrics final : public EngineMetrics {
 public:
  void Committed(size_t, absl::Duration) override {}
  void ShardLost() override {}
  void ShardAcquired(absl::Duration) override {}
  void ContentsReadFromStore(size_t) override {}
};

}  // namespace weir::queue::engine
