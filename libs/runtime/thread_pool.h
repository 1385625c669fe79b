// A fixed number of threads that run posted work, in order of posting, from a bounded queue. Thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "libs/base/mutex.h"

namespace weir::runtime {

class ThreadPool {
 public:
  using Work = absl::AnyInvocable<void()>;

  ThreadPool(int threads, size_t queue_max);
  ~ThreadPool();  // stops

  // False, without running it, when the queue is full or the pool has stopped.
  bool Post(Work work);

  // Runs what was posted, then ends the threads. May be called twice, not from the pool's own threads.
  void Stop();

 private:
  void Run();
  bool HasWorkOrStops() const ABSL_SHARED_LOCKS_REQUIRED(mu_) { return stopping_ || !queue_.empty(); }

  const size_t queue_max_;
  Mutex mu_;
  std::deque<Work> queue_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace weir::runtime
