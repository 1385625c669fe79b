// Keeps this replica alive in the store: renews its row every third of the lease time, from a thread of its own.
//
// A renewal that fails is tried again; safety does not rest on it (the epoch fences), only that nobody takes the shards of a
// replica that lives.
#pragma once

#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::engine {

class LeaseKeeper {
 public:
  // `leases` must outlive this.
  LeaseKeeper(store::LeaseStore& leases, std::string replica, absl::Duration lease_time)
      : leases_(leases), replica_(std::move(replica)), lease_time_(lease_time) {}
  ~LeaseKeeper() { Stop(); }

  // Registers the replica and goes on renewing.
  absl::Status Start(std::string address, absl::Time deadline);
  // Ends renewing and gives the lease back, so that others need not wait. May be called twice.
  void Stop();

 private:
  void Run();

  store::LeaseStore& leases_;
  const std::string replica_;
  const absl::Duration lease_time_;
  std::string address_;

  Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace weir::queue::engine
