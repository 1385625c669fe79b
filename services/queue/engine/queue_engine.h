// The engine of the queue service: its shards, its registry, and what moves between shards.
//
// Built over a store; knows nothing of gRPC. Several engines over one store, each with its Peers, are one service: each takes any
// request, and hands it to the one that serves the shard (shard_router.h); who serves what is placement.h's. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/queue/engine/engine_metrics.h"
#include "services/queue/engine/lease_keeper.h"
#include "services/queue/engine/move_tasks.h"
#include "services/queue/engine/partition_watch.h"
#include "services/queue/engine/partitioned_receive.h"
#include "services/queue/engine/peers.h"
#include "services/queue/engine/placement.h"
#include "services/queue/engine/registry.h"
#include "services/queue/engine/shard_engine.h"
#include "services/queue/engine/shard_router.h"
#include "services/queue/engine/transfers.h"
#include "services/queue/store/move_task_store.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::engine {

struct EngineOptions {
  std::string replica = "local";
  int shards = 4;
  absl::Duration lease_time = absl::Seconds(6);
  ShardOptions shard;
};

// Who serves what, as far as this replica knows.
struct ClusterStatus {
  enum class Serving { kServing, kRecovering, kAway };
  struct Shard {
    store::ShardOwnership ownership;
    Serving serving = Serving::kAway;
    std::optional<LoadAnswer> load;  // when it serves
  };
  std::string replica;  // this one
  std::vector<store::ReplicaRecord> replicas;
  std::vector<Shard> shards;
};

class QueueEngine final : public ShardHost, public RouterHost, public PeerHost, private ReceivePort {
 public:
  // References must outlive the engine. `peers` is how others are reached; null: no others are expected. It must outlive the engine,
  // too, and every sink that it was given.
  QueueEngine(EngineOptions options, store::RegistryStore& registry_store,
              store::LeaseStore& leases, store::ShardLogFactory& logs,
              store::MoveTaskStore& move_task_store, const Clock& clock, EngineMetrics& metrics,
              Peers* peers = nullptr);
  ~QueueEngine() override;  // stops

  // Reads the registry, registers the replica, takes the shards; returns when those that belong here serve, or belong to another
  // replica that lives. What cannot be reached or taken by `deadline` is an error; a shard that is being read by then is waited for.
  absl::Status Start(std::string address, absl::Time deadline);
  // Where peers reach this replica, if that was not known at Start.
  absl::Status AdvertiseAt(std::string address, absl::Time deadline);
  // Ends long polls and gives the shards to the other replicas, if there are any that live; requests are still taken, and go there.
  // Else commits what was accepted and takes no more. May be called twice.
  void Leave();
  // Leaves, then ends. May be called twice.
  void Stop();

  Registry& registry() { return *registry_; }
  MoveTasks& move_tasks() { return *move_tasks_; }
  // REQUIRES: the shard exists.
  ShardHandle shard(core::ShardId shard) { return ShardHandle(*router_, shard); }
  // The shard of this process, which may be idle.
  ShardEngine& local(core::ShardId shard) { return *shards_[static_cast<size_t>(shard.value())]; }
  // Receives from all partitions of the queue; `receive` names neither a partition nor a config. The queue may get partitions
  // meanwhile. As PartitionedReceive::Start.
  std::shared_ptr<PartitionedReceive> Receive(const QueueInfo& queue, core::Receive receive,
                                              PartitionedReceive::Sink sink);
  // Told of queues that get partitions.
  PartitionWatch& partition_watch() { return partition_watch_; }

  // Counts up, from a random start: whose turn it is among several that take turns, modulo their number.
  size_t NextTurn() { return next_turn_.fetch_add(1, std::memory_order_relaxed); }
  // The time in terms of which a receive's wait is given to a shard.
  absl::Time Now() const override { return clock_.Now(); }

  // For a queue that was not found: makes the list of queues as new as the store and calls `done`; false at once, without calling it,
  // if there is no other replica that could have made the queue. `done` is called on a thread of the engine and must not block.
  bool RefreshForUnknownQueue(DoneSink done);

  // Deletes the queue, its messages included. OK: its waiting receives have been answered.
  absl::Status DeleteQueue(const QueueInfo& queue, absl::Time deadline);

  // Exact numbers of one queue, over its partitions. UNAVAILABLE while one of its shards is not served, or does not answer by
  // `deadline` or within some seconds.
  absl::StatusOr<core::PartitionStats> Stats(const QueueInfo& queue, absl::Time deadline);
  // The same for many: one visit a shard.
  absl::StatusOr<std::vector<core::PartitionStats>> Stats(absl::Span<const QueueInfoPtr> queues,
                                                          absl::Time deadline);
  // Of all queues, the partitions whose shards are served here and answer soon: the replicas' numbers add up to the queue's.
  std::vector<std::pair<QueueInfoPtr, core::PartitionStats>> LocalStats();

  // Asks the store, and the owners of all shards. Those that do not answer by `deadline` or within a second count as away.
  absl::StatusOr<ClusterStatus> Cluster(absl::Time deadline);

  // ShardHost.
  absl::Status RefreshQueues(absl::Time deadline) override;
  int64_t LeaseTerm() const override;
  core::ConfigPtr ConfigOf(core::PartitionId partition) const override;
  void StartTransfer(core::ShardId source, const core::Transfer& transfer,
                     core::ContentPtr content) override;
  void ShardServes(core::ShardId shard) override;
  void ShardRefuses(core::ShardId shard, const absl::Status& why) override;
  void ShardLetGo(core::ShardId shard, Undone undone) override;
  void ShardIdle(core::ShardId shard) override;

  // RouterHost, with ConfigOf.
  int64_t RegistryVersion() const override;
  int64_t LastReadVersion() const override { return registry_->version(); }
  int64_t LastReadBegun() const override { return registry_->last_read_begun(); }
  int64_t LastReadDone() const override { return registry_->last_read_done(); }
  void RequestRegistryRead() override;
  void OwnersInQuestion() override { placement_->Hint(); }

  // PeerHost.
  core::RequestId SubmitFromPeer(core::ShardId shard, const SubmitTerms& terms,
                                 core::Command command, ReplySink sink) override;
  void CancelFromPeer(core::ShardId shard, core::PartitionId partition,
                      core::RequestId request) override;
  void QueryFromPeer(core::ShardId shard, ShardQuery query, absl::Time deadline,
                     AnswerSink sink) override;
  void AnnouncedByPeer(int64_t registry_version, absl::Time deadline, DoneSink done) override;
  void OfferedByPeer(core::ShardId shard) override;

 private:
  // ReceivePort.
  absl::StatusOr<core::RequestId> Submit(const core::PartitionAddress& address,
                                         core::Receive receive, ReplySink sink) override;
  void Cancel(const core::PartitionAddress& address, core::RequestId request) override;
  void Release(const core::PartitionAddress& address, core::ReleaseLease release) override;
  bool IsAtHand(const core::PartitionAddress& address) override;
  void Watch(const core::PartitionAddress& any, std::shared_ptr<PartitionedReceive> receive) override;
  void Unwatch(const core::PartitionAddress& any, PartitionedReceive* receive) override;

  // Someone who waits for the list of queues to be read anew.
  struct ReadWaiter {
    int64_t after = 0;  // a read with a higher number will do
    DoneSink done;
  };

  absl::Status AwaitShards(absl::Time deadline);
  // There is another replica that lives and does not leave.
  bool SomebodyStays(absl::Time deadline);
  void AwaitIdle(absl::Time deadline);
  // Tells the peers that the list of queues has changed, and waits a moment for them to know.
  void AnnounceChange(absl::Time deadline);
  // `done` is called once the list of queues was read anew; false, and `done` untouched, when this server is stopping.
  bool AwaitRead(DoneSink& done);
  // Tells the peers to look at the move tasks, and does not wait.
  void HintPeers();
  // The answer, or STORE_UNAVAILABLE when there is none by `deadline`. Blocks.
  absl::StatusOr<ShardAnswer> AskAndWait(core::ShardId shard, ShardQuery query, absl::Time deadline);
  // Forgets a partition. The answer is told when that is decided, or lost with the shard.
  std::shared_ptr<Notification> DropPartition(const core::PartitionAddress& address);
  // For each shard, the partitions of `queues` that lie there, and whose they are (by index).
  struct ShardPart {
    std::vector<size_t> queues;
    std::vector<core::PartitionId> partitions;
  };
  std::vector<ShardPart> PartsOf(absl::Span<const QueueInfoPtr> queues) const;
  // Asks the shard for the numbers of `part` and adds them to those of their queues.
  absl::Status AddStats(core::ShardId shard, const ShardPart& part, absl::Time deadline,
                        std::vector<core::PartitionStats>& all);
  // The refresher's thread: looks for changes that other replicas made.
  void KeepRefreshing();

  const EngineOptions options_;
  store::RegistryStore& registry_store_;
  store::LeaseStore& leases_;
  store::ShardLogFactory& logs_;
  store::MoveTaskStore& move_task_store_;
  const Clock& clock_;
  EngineMetrics& metrics_;
  Peers* const peers_;

  // Safe by themselves; they outlive what Start makes.
  PartitionWatch partition_watch_;
  std::atomic<size_t> next_turn_;

  // Set by Start; stopped in reverse order.
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<LeaseKeeper> lease_keeper_;
  std::vector<std::unique_ptr<ShardEngine>> shards_;
  std::shared_ptr<ShardRouter> router_;
  std::unique_ptr<Placement> placement_;
  std::unique_ptr<Transfers> transfers_;
  std::unique_ptr<MoveTasks> move_tasks_;
  // Apart from the lease's thread, which nothing may hold up.
  Mutex refresher_mu_;
  bool refresher_stopping_ ABSL_GUARDED_BY(refresher_mu_) = false;
  bool read_requested_ ABSL_GUARDED_BY(refresher_mu_) = false;
  std::vector<ReadWaiter> read_waiters_ ABSL_GUARDED_BY(refresher_mu_);
  std::thread refresher_;
  // The newest version that this replica has made itself and announced; its own list has it already.
  std::atomic<int64_t> announced_version_{0};
  // Shards are idle or not, for those who wait for that.
  Mutex idle_mu_;
  std::atomic<bool> left_{false};
};

}  // namespace weir::queue::engine
