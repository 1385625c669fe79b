#include "services/runner/mappings/stop_signal.h"

#include <utility>

#include "absl/time/clock.h"

namespace weir::runner::mappings {

void StopSignal::Stop() {
  MutexLock lock(&mu_);
  if (stopped_) return;
  stopped_ = true;
  stopping_.SignalAll();
  for (const auto& [id, hook] : hooks_) hook();
}

bool StopSignal::stopped() const {
  MutexLock lock(&mu_);
  return stopped_;
}

bool StopSignal::WaitFor(absl::Duration duration) {
  MutexLock lock(&mu_);
  const absl::Time until = absl::Now() + duration;
  while (!stopped_ && absl::Now() < until) stopping_.WaitWithTimeout(&mu_, until - absl::Now());
  return stopped_;
}

StopSignal::Hook::Hook(StopSignal& signal, std::function<void()> hook) : signal_(signal) {
  MutexLock lock(&signal_.mu_);
  if (signal_.stopped_) {
    hook();
    return;
  }
  id_ = signal_.next_id_++;
  signal_.hooks_[id_] = std::move(hook);
}

StopSignal::Hook::~Hook() {
  MutexLock lock(&signal_.mu_);
  signal_.hooks_.erase(id_);
}

}  // namespace weir::runner::mappings
