#include "services/queue/engine/queue_engine.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace weir::queue::engine {

QueueEngine::QueueEngine(EngineOptions options, store::RegistryStore& registry_store,
                         store::LeaseStore& leases, store::ShardLogFactory& logs,
                         const Clock& clock, EngineMetrics& metrics)
    : options_(std::move(options)),
      registry_store_(registry_store),
      leases_(leases),
      logs_(logs),
      clock_(clock),
      metrics_(metrics) {}

QueueEngine::~QueueEngine() { Stop(); }

absl::Status QueueEngine::Start(std::string address, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const int shard_count,
                        registry_store_.EnsureShards(options_.shards, deadline));
  registry_ = std::make_unique<Registry>(registry_store_, shard_count);
  WEIR_RETURN_IF_ERROR(registry_->Load(deadline));
  lease_keeper_ = std::make_unique<LeaseKeeper>(leases_, options_.replica, options_.lease_time);
  WEIR_RETURN_IF_ERROR(lease_keeper_->Start(std::move(address), deadline));

  const auto lookup = [this](core::ShardId id) -> ShardEngine& { return shard(id); };
  transfers_ = std::make_unique<Transfers>(*registry_, lookup);
  move_tasks_ = std::make_unique<MoveTasks>(*transfers_, lookup, clock_);
  for (int i = 0; i < shard_count; ++i) {
    shards_.push_back(std::make_unique<ShardEngine>(core::ShardId(i), options_.replica,
                                                    options_.shard, leases_, logs_, *this, clock_,
                                                    metrics_));
  }
  registry_->OnConfigChange([this](const QueueInfo& queue) {
    // Refused while the shard is being read: then it asks ConfigOf itself.
    (void)shard(queue.address.shard)
        .SubmitInternal(core::Configure{queue.address.partition, queue.config}, nullptr);
  });
  for (const auto& shard : shards_) shard->Start();
  for (const auto& shard : shards_) {
    if (!shard->AwaitServing(deadline)) {
      return MakeError(ErrorReason::kShardNotOwned,
                       absl::StrCat("Shard ", shard->shard().value(),
                                    " could not be taken in time; does another replica named "
                                    "otherwise own it?"));
    }
  }
  return absl::OkStatus();
}

void QueueEngine::Stop() {
  if (move_tasks_ != nullptr) move_tasks_->Stop();
  for (const auto& shard : shards_) shard->Stop();
  if (lease_keeper_ != nullptr) lease_keeper_->Stop();
}

absl::Status QueueEngine::DeleteQueue(const QueueInfo& queue, absl::Time deadline) {
  const absl::Status deleted = registry_->Delete(queue, deadline);
  // Also when it was gone already: an earlier try may have deleted it without knowing.
  if (deleted.ok() || absl::IsNotFound(deleted)) {
    // Refused while the shard is being read: then it finds by ConfigOf that the queue is gone.
    (void)shard(queue.address.shard)
        .SubmitInternal(core::DropPartition{queue.address.partition}, nullptr);
  }
  return deleted;
}

absl::StatusOr<core::PartitionStats> QueueEngine::Stats(const QueueInfo& queue) {
  core::PartitionStats stats;
  WEIR_RETURN_IF_ERROR(shard(queue.address.shard).Inspect([&](const core::ShardState& state) {
    stats = state.Stats(queue.address.partition);
  }));
  return stats;
}

std::vector<std::pair<QueueInfoPtr, core::PartitionStats>> QueueEngine::AllStats() {
  std::vector<std::vector<QueueInfoPtr>> by_shard(shards_.size());
  for (QueueInfoPtr& queue : registry_->All()) {
    by_shard[queue->address.shard.value()].push_back(std::move(queue));
  }
  std::vector<std::pair<QueueInfoPtr, core::PartitionStats>> all;
  for (size_t i = 0; i < shards_.size(); ++i) {
    // A shard that is being read has no numbers; a scrape shows the others.
    (void)shards_[i]->Inspect([&](const core::ShardState& state) {
      for (const QueueInfoPtr& queue : by_shard[i]) {
        all.emplace_back(queue, state.Stats(queue->address.partition));
      }
    });
  }
  return all;
}

core::ConfigPtr QueueEngine::ConfigOf(core::PartitionId partition) const {
  const QueueInfoPtr queue = registry_->FindByPartition(partition);
  return queue == nullptr ? nullptr : queue->config;
}

void QueueEngine::StartTransfer(core::ShardId source, const core::Transfer& transfer,
                                core::ContentPtr content) {
  transfers_->Start(source, transfer, std::move(content));
}

}  // namespace weir::queue::engine
