// What one mapping is about right now, for people: shared by its pollers, the one that works and those that finish their batches
// after a change.
//
// Thread-safe. Not kept: after a restart of the runner it starts anew.
#pragma once

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "libs/base/mutex.h"

namespace weir::runner::mappings {

class MappingStatus {
 public:
  // Why no batch can be had: the queue cannot be reached, say. Empty: it can.
  void SetObstacle(std::string obstacle) {
    MutexLock lock(&mu_);
    obstacle_ = std::move(obstacle);
  }
  void BatchStarted() {
    MutexLock lock(&mu_);
    ++in_work_;
  }
  void BatchEnded(std::string result) {
    MutexLock lock(&mu_);
    --in_work_;
    batch_result_ = std::move(result);
  }

  std::string last_processing_result() const {
    MutexLock lock(&mu_);
    return obstacle_.empty() ? batch_result_ : obstacle_;
  }
  int batches_in_work() const {
    MutexLock lock(&mu_);
    return in_work_;
  }

 private:
  mutable Mutex mu_;
  std::string obstacle_ ABSL_GUARDED_BY(mu_);
  std::string batch_result_ ABSL_GUARDED_BY(mu_) = "No records processed";
  int in_work_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace weir::runner::mappings
