#include "services/queue/engine/lease_keeper.h"

#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"

namespace weir::queue::engine {

absl::Status LeaseKeeper::Start(std::string address, absl::Time deadline) {
  WEIR_RETURN_IF_ERROR(AdvertiseAt(std::move(address), deadline));
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

absl::Status LeaseKeeper::AdvertiseAt(std::string address, absl::Time deadline) {
  MutexLock lock(&renewal_mu_);
  address_ = std::move(address);
  return Renew(deadline);
}

absl::Status LeaseKeeper::Leave(absl::Time deadline) {
  MutexLock lock(&renewal_mu_);
  leaving_ = true;
  return Renew(deadline);
}

void LeaseKeeper::Run() {
  const absl::Duration period = lease_time_ / 3;
  while (true) {
    {
      MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout([this] { return stopping_; }, period)) return;
    }
    MutexLock lock(&renewal_mu_);
    const absl::Status renewed = Renew(absl::Now() + period);
    if (!renewed.ok()) {
      observe::Log(observe::Level::kWarning, "lease not renewed", {{"error", renewed.ToString()}});
    }
  }
}

absl::Status LeaseKeeper::Renew(absl::Time deadline) {
  const absl::Duration sent = clock_.Monotonic();
  WEIR_RETURN_IF_ERROR(leases_.RenewReplica(
      {.replica = replica_, .address = address_, .lease_time = lease_time_, .leaving = leaving_},
      deadline));
  const absl::Duration answered = clock_.Monotonic();
  MutexLock lock(&term_mu_);
  // It may have arrived as late as it was answered: then others had a chance in between.
  if (answered >= holds_until_) ++term_;
  holds_until_ = sent + lease_time_;
  return absl::OkStatus();
}

int64_t LeaseKeeper::Term() const {
  const absl::Duration now = clock_.Monotonic();
  MutexLock lock(&term_mu_);
  return now < holds_until_ ? term_ : 0;
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
