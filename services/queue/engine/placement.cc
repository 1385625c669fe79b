#include "services/queue/engine/placement.h"

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/hash.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"

namespace weir::queue::engine {
namespace {

// While commands wait for the owner of a shard to show: one small query each time.
constexpr absl::Duration kLookWhileWaited = absl::Milliseconds(50);
// A lease that has run out is looked at so much later, so that it surely has.
constexpr absl::Duration kLeaseSlack = absl::Milliseconds(5);

// All replicas must agree on it, whatever their version.
uint64_t Score(absl::string_view replica, int shard) {
  return MixBits(StableHash(replica) + 0x9e3779b97f4a7c15u * (static_cast<uint64_t>(shard) + 1));
}

}  // namespace

std::vector<int> PlaceShards(int shards, absl::Span<const std::string> replicas) {
  std::vector<int> placed(static_cast<size_t>(shards), -1);
  if (replicas.empty()) return placed;
  const int count = static_cast<int>(replicas.size());
  const int share = (shards + count - 1) / count;
  // The best pairs first, as long as the replica has room: with few shards, the plain rule would leave some replicas none.
  struct Pair {
    uint64_t score;
    int shard;
    int replica;
  };
  std::vector<Pair> pairs;
  pairs.reserve(static_cast<size_t>(shards) * replicas.size());
  for (int shard = 0; shard < shards; ++shard) {
    for (int replica = 0; replica < count; ++replica) {
      pairs.push_back({Score(replicas[static_cast<size_t>(replica)], shard), shard, replica});
    }
  }
  std::sort(pairs.begin(), pairs.end(), [&](const Pair& a, const Pair& b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.shard != b.shard) return a.shard < b.shard;
    return replicas[static_cast<size_t>(a.replica)] < replicas[static_cast<size_t>(b.replica)];
  });
  std::vector<int> taken(replicas.size(), 0);
  for (const Pair& pair : pairs) {
    int& place = placed[static_cast<size_t>(pair.shard)];
    int& load = taken[static_cast<size_t>(pair.replica)];
    if (place >= 0 || load >= share) continue;
    place = pair.replica;
    ++load;
  }
  return placed;
}

absl::Status Placement::Start(absl::Time deadline) {
  WEIR_RETURN_IF_ERROR(Look(deadline).status());
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void Placement::Stop() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Placement::Hint() {
  MutexLock lock(&mu_);
  hinted_ = true;
}

void Placement::Offered(core::ShardId shard) {
  MutexLock lock(&mu_);
  offered_.insert(shard);
  hinted_ = true;
}

void Placement::Leave() {
  MutexLock lock(&mu_);
  leaving_ = true;
  hinted_ = true;
}

void Placement::OnIdle(core::ShardId shard) {
  std::string address;
  {
    MutexLock lock(&mu_);
    hinted_ = true;
    const auto index = static_cast<size_t>(shard.value());
    if (index < view_.targets.size() && view_.targets[index] != replica_) {
      address = AddressLocked(view_.targets[index]);
    }
  }
  if (!address.empty() && peers_ != nullptr) peers_->Offer(address, shard);
}

Placement::View Placement::view() const {
  MutexLock lock(&mu_);
  return view_;
}

std::vector<store::ReplicaRecord> Placement::LivePeers() const {
  MutexLock lock(&mu_);
  std::vector<store::ReplicaRecord> peers;
  for (const store::ReplicaRecord& replica : view_.replicas) {
    if (replica.alive() && replica.replica != replica_) peers.push_back(replica);
  }
  return peers;
}

bool Placement::IsElsewhere(core::ShardId shard) const {
  if (peers_ == nullptr) return false;
  MutexLock lock(&mu_);
  const auto index = static_cast<size_t>(shard.value());
  const store::ShardOwnership& ownership = view_.shards.at(index);
  return (ownership.owner_alive && ownership.owner != replica_) || view_.targets.at(index) != replica_;
}

std::string Placement::AddressLocked(absl::string_view replica) const {
  for (const store::ReplicaRecord& record : view_.replicas) {
    if (record.replica == replica) return record.address;
  }
  return "";
}

void Placement::Run() {
  absl::Duration wait = absl::ZeroDuration();
  while (true) {
    {
      MutexLock lock(&mu_);
      const auto woken = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return hinted_ || stopping_; };
      mu_.AwaitWithTimeout(woken, wait);
      if (stopping_) return;
      hinted_ = false;
    }
    const absl::StatusOr<absl::Duration> next = Look(absl::Now() + period_);
    router_.Sweep();
    wait = next.ok() ? *next : std::min(period_, absl::Seconds(1));
    if (router_.AwaitsOwners()) wait = std::min(wait, kLookWhileWaited);
    if (!next.ok()) {
      observe::Log(observe::Level::kWarning, "owners of shards not read",
                   {{"error", next.status().ToString()}});
    }
  }
}

absl::StatusOr<absl::Duration> Placement::Look(absl::Time deadline) {
  View view;
  WEIR_ASSIGN_OR_RETURN(view.replicas, leases_.ListReplicas(deadline));
  WEIR_ASSIGN_OR_RETURN(view.shards, leases_.ListShards(deadline));
  std::set<core::ShardId> offered;
  std::vector<std::string> names;
  absl::Duration next = period_;
  {
    MutexLock lock(&mu_);
    offered.swap(offered_);
    if (!leaving_) names.push_back(replica_);
    for (const store::ReplicaRecord& replica : view.replicas) {
      if (replica.replica == replica_ || !replica.alive()) continue;
      next = std::min(next, replica.lease_left + kLeaseSlack);
      if (peers_ != nullptr && !replica.leaving) names.push_back(replica.replica);
    }
    for (const int place : PlaceShards(static_cast<int>(view.shards.size()), names)) {
      view.targets.push_back(place < 0 ? "" : names[static_cast<size_t>(place)]);
    }
    if (leaving_) offered.clear();
    view_ = view;
  }
  router_.SetOwners(view.shards);
  for (const store::ShardOwnership& shard : view.shards) {
    Settle(shard, view.targets[static_cast<size_t>(shard.shard.value())],
           offered.contains(shard.shard), deadline);
  }
  return next;
}

void Placement::Settle(const store::ShardOwnership& shard, absl::string_view target, bool offered,
                       absl::Time deadline) {
  ShardEngine& engine = router_.local(shard.shard);
  const bool ours = shard.owner == replica_;
  if (!engine.IsIdle()) {
    if (!ours && !shard.owner.empty() && shard.epoch > engine.epoch()) {
      engine.TakenOver(shard.epoch);
    } else if (ours && !target.empty() && target != replica_) {
      engine.HandOver();
    }
    return;
  }
  const bool free = ours || shard.owner.empty() || !shard.owner_alive;
  // Without peers it is tried in any case, so that who asks for the shard hears what stands in the way.
  if ((target == replica_ || offered) && (free || peers_ == nullptr)) return engine.Start();
  if (ours && !target.empty()) Disown(shard, deadline);
}

void Placement::Disown(const store::ShardOwnership& shard, absl::Time deadline) {
  const absl::Status released = leases_.ReleaseShard(shard.shard, replica_, shard.epoch, deadline);
  if (released.ok()) return OnIdle(shard.shard);
  observe::Log(observe::Level::kWarning, "shard not given up in the store",
               {{"shard", absl::StrCat(shard.shard.value())}, {"error", released.ToString()}});
}

}  // namespace weir::queue::engine
