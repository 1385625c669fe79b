// The engine of the queue service: its shards, its registry, and what moves between shards.
//
// Built over a store; knows nothing of gRPC. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
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

  // Reads the registry, registers the replica, takes the shards; returns when all of them serve, or with an error at `deadline`.
  absl::Status Start(std::string address, absl::Time deadline);
  // Ends long polls, commits what was accepted, gives the lease back. May be called twice.
  void Stop();

  Registry& registry() { return *registry_; }
  MoveTasks& move_tasks() { return *move_tasks_; }
  ShardEngine& shard(core::ShardId shard) { return *shards_[shard.value()]; }

  // Deletes the queue, its messages included.
  absl::Status DeleteQueue(const QueueInfo& queue, absl::Time deadline);

  // Exact numbers of one queue. UNAVAILABLE while its shard is being read.
  absl::StatusOr<core::PartitionStats> Stats(const QueueInfo& queue);
  // Of all queues whose shards serve: one visit a shard.
  std::vector<std::pair<QueueInfoPtr, core::PartitionStats>> AllStats();

  // ShardHost.
  core::ConfigPtr ConfigOf(core::PartitionId partition) const override;
  void StartTransfer(core::ShardId source, const core::Transfer& transfer,
                     core::ContentPtr content) override;

 private:
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
};

}  // namespace weir::queue::engine
