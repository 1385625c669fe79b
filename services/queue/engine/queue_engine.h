// The engine of the queue service: its shards, its registry, and what moves between shards.
//
// Built over a store; knows nothing of gRPC. Thread-safe.
#pragma once

#include <memory>
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
#include "services/queue/engine/registry.h"
#include "services/queue/engine/shard_engine.h"
#include "services/queue/engine/transfers.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::engine {

struct EngineOptions {
  std::string replica = "local";
  int shards = 4;
  absl::Duration lease_time = absl::Seconds(10);
  ShardOptions shard;
};

class QueueEngine final : public ShardHost {
 public:
  // References must outlive the engine.
  QueueEngine(EngineOptions options, store::RegistryStore& registry_store,
              store::LeaseStore& leases, store::ShardLogFactory& logs, const Clock& clock,
              EngineMetrics& metrics);
  ~QueueEngine() override;  // stops

  // Reads the registry, registers the replica, takes the shards; returns when all of them serve. What cannot be reached or taken by
  // `deadline` is an error; a shard that is being read by then is waited for.
  absl::Status Start(std::string address, absl::Time deadline);
  // Ends long polls, commits what was accepted, gives the lease back. May be called twice.
  void Stop();

  Registry& registry() { return *registry_; }
  MoveTasks& move_tasks() { return *move_tasks_; }
  ShardEngine& shard(core::ShardId shard) { return *shards_[shard.value()]; }

  // Deletes the queue, its messages included. OK: its waiting receives have been answered.
  absl::Status DeleteQueue(const QueueInfo& queue, absl::Time deadline);

  // Exact numbers of one queue. UNAVAILABLE while its shard is not served, or when it does not answer by `deadline` or within some
  // seconds.
  absl::StatusOr<core::PartitionStats> Stats(const QueueInfo& queue, absl::Time deadline);
  // Of all queues whose shards serve and answer soon: one visit a shard.
  std::vector<std::pair<QueueInfoPtr, core::PartitionStats>> AllStats();

  // ShardHost.
  absl::Status RefreshQueues(absl::Time deadline) override;
  int64_t LeaseTerm() const override;
  core::ConfigPtr ConfigOf(core::PartitionId partition) const override;
  void StartTransfer(core::ShardId source, const core::Transfer& transfer,
                     core::ContentPtr content) override;

 private:
  absl::Status AwaitShards(absl::Time deadline);
  // Forgets a partition; `done`, when given, is told when that is decided, or lost with the shard. False: refused.
  bool DropPartition(const QueueInfo& queue, std::shared_ptr<Notification> done);
  // The refresher's thread: looks for changes that other replicas made.
  void KeepRefreshing();

  const EngineOptions options_;
  store::RegistryStore& registry_store_;
  store::LeaseStore& leases_;
  store::ShardLogFactory& logs_;
  const Clock& clock_;
  EngineMetrics& metrics_;

  // Set by Start; stopped in reverse order.
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<LeaseKeeper> lease_keeper_;
  std::vector<std::unique_ptr<ShardEngine>> shards_;
  std::unique_ptr<Transfers> transfers_;
  std::unique_ptr<MoveTasks> move_tasks_;
  // Apart from the lease's thread, which nothing may hold up.
  Mutex refresher_mu_;
  bool refresher_stopping_ ABSL_GUARDED_BY(refresher_mu_) = false;
  std::thread refresher_;
};

}  // namespace weir::queue::engine
