// Keeps this replica alive in the store: renews its row every third of the lease time, from a thread of its own.
//
// A renewal that fails is tried again; safety does not rest on it (the epoch fences), only that nobody takes the shards of a
// replica that lives. Thread-safe after Start.
#pragma once

#include <cstdint>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::engine {

class LeaseKeeper {
 public:
  // References must outlive this.
  LeaseKeeper(store::LeaseStore& leases, std::string replica, absl::Duration lease_time,
              const Clock& clock)
      : leases_(leases), replica_(std::move(replica)), lease_time_(lease_time), clock_(clock) {}
  ~LeaseKeeper() { Stop(); }

  // Registers the replica and goes on renewing.
  absl::Status Start(std::string address, absl::Time deadline);
  // Says in the store from now on, and at once, where peers reach this replica, or that it gives its shards away. What the store did
  // not take goes with the next renewal. REQUIRES: Start.
  absl::Status AdvertiseAt(std::string address, absl::Time deadline);
  absl::Status Leave(absl::Time deadline);
  // Ends renewing and gives the lease back, so that others need not wait. May be called twice.
  void Stop();

  // Numbers the spans over which the lease held without a gap; 0: it may have run out. While the answer stays the same and is
  // not 0, no replica of another name can have taken a shard of this one. Costs no query.
  int64_t Term() const;

 private:
  void Run();
  absl::Status Renew(absl::Time deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(renewal_mu_);

  store::LeaseStore& leases_;
  const std::string replica_;
  const absl::Duration lease_time_;
  const Clock& clock_;

  // Held while a renewal is under way, so that none overtakes another. Taken before the others.
  Mutex renewal_mu_;
  std::string address_ ABSL_GUARDED_BY(renewal_mu_);
  bool leaving_ ABSL_GUARDED_BY(renewal_mu_) = false;
  Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  // Apart from mu_, on which the thread awaits: Term is asked often and must not wake it.
  mutable Mutex term_mu_;
  int64_t term_ ABSL_GUARDED_BY(term_mu_) = 0;
  // Monotonic. The store counts from the arrival of a renewal, so from its sending is the cautious side.
  absl::Duration holds_until_ ABSL_GUARDED_BY(term_mu_) = -absl::InfiniteDuration();
  std::thread thread_;
};

}  // namespace weir::queue::engine
