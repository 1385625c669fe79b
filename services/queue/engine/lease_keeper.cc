#include "services/queue/engine/lease_keeper.h"

#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"

namespace weir::queue::engine {

absl::Status LeaseKeeper::Start(std::string address, absl::Time deadline) {
  address_ = std::move(address);
  WEIR_RETURN_IF_ERROR(leases_.RenewReplica(replica_, address_, lease_time_, deadline));
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void LeaseKeeper::Run() {
  const absl::Duration period = lease_time_ / 3;
  while (true) {
    {
      MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout([this] { return stopping_; }, period)) return;
    }
    const absl::Status renewed =
        leases_.RenewReplica(replica_, address_, lease_time_, absl::Now() + period);
    if (!renewed.ok()) {
      observe::Log(observe::Level::kWarning, "lease not renewed", {{"error", renewed.ToString()}});
    }
  }
}

void LeaseKeeper::Stop() {
  {
    MutexLock lock(&mu_);
    if (stopping_) return;
    stopping_ = true;
  }
  if (!thread_.joinable()) return;
  thread_.join();
  const absl::Status released =
      leases_.ReleaseReplica(replica_, absl::Now() + absl::Seconds(2));
  if (!released.ok()) {
    observe::Log(observe::Level::kWarning, "lease not given back; it expires by itself",
                 {{"error", released.ToString()}});
  }
}

}  // namespace weir::queue::engine
