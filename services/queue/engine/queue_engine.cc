#include "services/queue/engine/queue_engine.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"

namespace weir::queue::engine {
namespace {

// While shards are waited for.
constexpr absl::Duration kReportEvery = absl::Seconds(5);
// Numbers are worth a wait of so much; a shard that answers later has a store in trouble.
constexpr absl::Duration kStatsWait = absl::Seconds(5);
constexpr absl::Duration kAllStatsWait = absl::Seconds(2);

}  // namespace

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
  lease_keeper_ = std::make_unique<LeaseKeeper>(leases_, options_.replica, options_.lease_time, clock_);
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
    // Refused while the shard is not served: it asks ConfigOf itself before it is.
    (void)shard(queue.address.shard)
        .SubmitInternal(core::Configure{queue.address.partition, queue.config}, nullptr);
  });
  registry_->OnDisappearance([this](const QueueInfo& queue) { DropPartition(queue, nullptr); });
  for (const auto& shard : shards_) shard->Start();
  refresher_ = std::thread([this] { KeepRefreshing(); });
  return AwaitShards(deadline);
}

absl::Status QueueEngine::AwaitShards(absl::Time deadline) {
  absl::Time report = absl::Now() + kReportEvery;
  for (const auto& shard : shards_) {
    while (true) {
      const absl::Time now = absl::Now();
      // Once the deadline is over, a shard that is still read is looked at from time to time.
      if (shard->AwaitServing(std::min(report, std::max(deadline, now + kReportEvery / 10)))) break;
      const absl::Status why = shard->NotServingError();
      if (absl::Now() >= deadline && !shard->HoldsShard()) {
        return MakeError(ReasonOf(why), absl::StrCat("Shard ", shard->shard().value(),
                                                     " could not be taken in time. ", why.message()));
      }
      if (absl::Now() < report) continue;
      observe::Log(observe::Level::kInfo, "waiting for a shard",
                   {{"shard", absl::StrCat(shard->shard().value())},
                    {"state", std::string(why.message())}});
      report = absl::Now() + kReportEvery;
    }
  }
  return absl::OkStatus();
}

void QueueEngine::KeepRefreshing() {
  const absl::Duration period = options_.lease_time / 3;
  while (true) {
    {
      MutexLock lock(&refresher_mu_);
      if (refresher_mu_.AwaitWithTimeout([this] { return refresher_stopping_; }, period)) return;
    }
    const absl::Status refreshed = registry_->Refresh(absl::Now() + period);
    if (!refreshed.ok()) {
      observe::Log(observe::Level::kWarning, "queues not refreshed", {{"error", refreshed.ToString()}});
    }
  }
}

void QueueEngine::Stop() {
  {
    MutexLock lock(&refresher_mu_);
    refresher_stopping_ = true;
  }
  if (refresher_.joinable()) refresher_.join();
  if (move_tasks_ != nullptr) move_tasks_->Stop();
  for (const auto& shard : shards_) shard->Stop();
  if (lease_keeper_ != nullptr) lease_keeper_->Stop();
}

absl::Status QueueEngine::DeleteQueue(const QueueInfo& queue, absl::Time deadline) {
  const absl::Status deleted = registry_->Delete(queue, deadline);
  // Also when it was gone already: an earlier try may have deleted it without knowing.
  if (!deleted.ok() && !absl::IsNotFound(deleted)) return deleted;
  auto dropped = std::make_shared<Notification>();
  if (DropPartition(queue, dropped) &&
      !dropped->WaitForNotificationWithTimeout(deadline - absl::Now())) {
    return MakeError(ErrorReason::kDeadlineExceeded,
                     absl::StrCat("The queue \"", queue.record.name.name,
                                  "\" is deleted, but its shard has not ended the waiting receives in time."));
  }
  return deleted;
}

bool QueueEngine::DropPartition(const QueueInfo& queue, std::shared_ptr<Notification> done) {
  ReplySink sink;
  if (done != nullptr) {
    // Also a reply that says the shard was lost will do: then every waiting receive was answered, and the next owner finds by
    // ConfigOf that the queue is gone. So it is when the command is refused.
    sink = [done](const core::Reply&) {
      done->Notify();
      return true;
    };
  }
  return shard(queue.address.shard)
      .SubmitInternal(core::DropPartition{queue.address.partition}, std::move(sink))
      .ok();
}

absl::StatusOr<core::PartitionStats> QueueEngine::Stats(const QueueInfo& queue,
                                                        absl::Time deadline) {
  core::PartitionStats stats;
  WEIR_RETURN_IF_ERROR(shard(queue.address.shard)
                           .Inspect(
                               [&](const core::ShardState& state) {
                                 stats = state.Stats(queue.address.partition);
                               },
                               std::min(deadline, absl::Now() + kStatsWait)));
  return stats;
}

std::vector<std::pair<QueueInfoPtr, core::PartitionStats>> QueueEngine::AllStats() {
  std::vector<std::vector<QueueInfoPtr>> by_shard(shards_.size());
  for (QueueInfoPtr& queue : registry_->All()) {
    by_shard[queue->address.shard.value()].push_back(std::move(queue));
  }
  std::vector<std::pair<QueueInfoPtr, core::PartitionStats>> all;
  const absl::Time deadline = absl::Now() + kAllStatsWait;
  for (size_t i = 0; i < shards_.size(); ++i) {
    // A shard that is not served has no numbers; a scrape shows the others.
    (void)shards_[i]->Inspect(
        [&](const core::ShardState& state) {
          for (const QueueInfoPtr& queue : by_shard[i]) {
            all.emplace_back(queue, state.Stats(queue->address.partition));
          }
        },
        deadline);
  }
  return all;
}

absl::Status QueueEngine::RefreshQueues(absl::Time deadline) {
  return registry_->Refresh(deadline);
}

int64_t QueueEngine::LeaseTerm() const { return lease_keeper_->Term(); }

core::ConfigPtr QueueEngine::ConfigOf(core::PartitionId partition) const {
  const QueueInfoPtr queue = registry_->FindByPartition(partition);
  return queue == nullptr ? nullptr : queue->config;
}

void QueueEngine::StartTransfer(core::ShardId source, const core::Transfer& transfer,
                                core::ContentPtr content) {
  transfers_->Start(source, transfer, std::move(content));
}

}  // namespace weir::queue::engine
