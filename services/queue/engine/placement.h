// Which replica serves which shard.
//
// PlaceShards says where shards belong: rendezvous hashing, so that all replicas agree without speaking, and a replica that comes or
// goes moves little more than its own share. Placement is the thread that makes it so: it looks at the store every third of the lease
// time, when a lease that matters runs out, and when it is hinted, and
//   takes     shards that belong here and are free: let go of, or of a replica whose lease has run out;
//   gives up  shards that belong to another replica which lives: it hands them over and tells that replica (Offer); also those that it
//             has in the store only, left from an earlier life;
//   drops     shards that another replica turns out to have taken.
// Safety rests on none of this, but on the epochs: two replicas that disagree take a shard from each other, not its messages.
#pragma once

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/mutex.h"
#include "services/queue/engine/peers.h"
#include "services/queue/engine/shard_router.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::engine {

// For each of `shards` shards the index of its replica; all -1 when there is none. Depends on the set of names only, not on their
// order. No replica gets more than its share rounded up.
std::vector<int> PlaceShards(int shards, absl::Span<const std::string> replicas);

class Placement {
 public:
  // What the store said last.
  struct View {
    std::vector<store::ReplicaRecord> replicas;
    std::vector<store::ShardOwnership> shards;
    std::vector<std::string> targets;  // names; empty: nobody lives
  };

  // References must outlive this. Without `peers` this replica takes every shard that it can, for then nobody can reach the others'.
  Placement(std::string replica, absl::Duration lease_time, store::LeaseStore& leases,
            ShardRouter& router, Peers* peers)
      : replica_(std::move(replica)),
        period_(lease_time / 3),
        leases_(leases),
        router_(router),
        peers_(peers) {}
  ~Placement() { Stop(); }

  // Looks once and begins to take shards.
  absl::Status Start(absl::Time deadline);
  void Stop();

  // Something may have changed.
  void Hint();
  // A peer has let go of the shard and says that it belongs here.
  void Offered(core::ShardId shard);
  // This replica is to have no shards from now on.
  void Leave();
  // Its tenure has ended: the replica to which it belongs is told.
  void OnIdle(core::ShardId shard);

  View view() const;
  // Other replicas that live.
  std::vector<store::ReplicaRecord> LivePeers() const;
  // It is served by another replica, or is soon: that one lives.
  bool IsElsewhere(core::ShardId shard) const;

 private:
  void Run();
  // Answers when to look again.
  absl::StatusOr<absl::Duration> Look(absl::Time deadline);
  void Settle(const store::ShardOwnership& shard, absl::string_view target, bool offered, absl::Time deadline);
  // The store names this replica the owner of a shard that it does not serve and that belongs to another: it had the shard when it was
  // killed, or never heard that it got it. Nobody could take it as long as this replica lives.
  void Disown(const store::ShardOwnership& shard, absl::Time deadline);
  std::string AddressLocked(absl::string_view replica) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Constant after construction.
  const std::string replica_;
  const absl::Duration period_;
  store::LeaseStore& leases_;
  ShardRouter& router_;
  Peers* const peers_;

  mutable Mutex mu_;
  View view_ ABSL_GUARDED_BY(mu_);
  std::set<core::ShardId> offered_ ABSL_GUARDED_BY(mu_);
  bool hinted_ ABSL_GUARDED_BY(mu_) = false;
  bool leaving_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace weir::queue::engine
