// Says "stop" to the threads of a poller, wherever they wait.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace weir::runner::mappings {

class StopSignal {
 public:
  // May be called more than once.
  void Stop();
  bool stopped() const;

  // Waits; true at once when stopped.
  bool WaitFor(absl::Duration duration);

  // While it lives, Stop calls `hook`; at once when stopped already. The hook must not use the signal.
  class Hook {
   public:
    Hook(StopSignal& signal, std::function<void()> hook);
    ~Hook();
    Hook(const Hook&) = delete;
    Hook& operator=(const Hook&) = delete;

   private:
    StopSignal& signal_;
    int64_t id_ = 0;
  };

 private:
  mutable Mutex mu_;
  CondVar stopping_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  int64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  std::map<int64_t, std::function<void()>> hooks_ ABSL_GUARDED_BY(mu_);
};

}  // namespace weir::runner::mappings
