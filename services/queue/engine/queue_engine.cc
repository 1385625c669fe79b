#include "services/queue/engine/queue_engine.h"

#include <algorithm>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"
#include "services/queue/store/store_errors.h"

namespace weir::queue::engine {
namespace {

// While shards are waited for.
constexpr absl::Duration kReportEvery = absl::Seconds(5);
// Numbers are worth a wait of so much; a shard that answers later has a store in trouble.
constexpr absl::Duration kStatsWait = absl::Seconds(5);
constexpr absl::Duration kAllStatsWait = absl::Seconds(2);
constexpr absl::Duration kLoadWait = absl::Seconds(1);
// How long a change of a queue waits for the other replicas to know it. One that cannot be reached for so long finds out by itself.
constexpr absl::Duration kAnnounceWait = absl::Seconds(1);
// A hand-over takes milliseconds; what has not ended by then is stopped.
constexpr absl::Duration kLeaveWait = absl::Seconds(5);
// Beyond its lease, which a dead owner keeps: the time to find that out and to read the shard.
constexpr absl::Duration kHoldBeyondLease = absl::Seconds(5);
// Reads of the list of queues that somebody asked for have at least this distance.
constexpr absl::Duration kReadDistance = absl::Milliseconds(50);

}  // namespace

QueueEngine::QueueEngine(EngineOptions options, store::RegistryStore& registry_store,
                         store::LeaseStore& leases, store::ShardLogFactory& logs,
                         store::MoveTaskStore& move_task_store, const Clock& clock,
                         EngineMetrics& metrics, Peers* peers)
    : options_(std::move(options)),
      registry_store_(registry_store),
      leases_(leases),
      logs_(logs),
      move_task_store_(move_task_store),
      clock_(clock),
      metrics_(metrics),
      peers_(peers),
      next_turn_(absl::Uniform<size_t>(absl::BitGen())) {}

QueueEngine::~QueueEngine() { Stop(); }

absl::Status QueueEngine::Start(std::string address, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const int shard_count,
                        registry_store_.EnsureShards(options_.shards, deadline));
  registry_ = std::make_unique<Registry>(registry_store_, shard_count);
  WEIR_RETURN_IF_ERROR(registry_->Load(deadline));
  lease_keeper_ = std::make_unique<LeaseKeeper>(leases_, options_.replica, options_.lease_time, clock_);

  router_ = std::make_shared<ShardRouter>(
      RouterOptions{.replica = options_.replica, .hold_time = options_.lease_time + kHoldBeyondLease},
      *this, peers_, clock_);
  transfers_ = std::make_unique<Transfers>(*registry_, *router_);
  move_tasks_ = std::make_unique<MoveTasks>(
      MoveTasks::Options{.period = options_.lease_time / 3, .tell_peers = [this] { HintPeers(); }},
      move_task_store_, *registry_, *transfers_, *router_, clock_);
  for (int i = 0; i < shard_count; ++i) {
    shards_.push_back(std::make_unique<ShardEngine>(core::ShardId(i), options_.replica,
                                                    options_.shard, leases_, logs_, *this, clock_,
                                                    metrics_));
    router_->AddShard(*shards_.back());
  }
  placement_ = std::make_unique<Placement>(options_.replica, options_.lease_time, leases_, *router_, peers_);
  registry_->OnConfigChange([this](const QueueInfo& queue) {
    // Refused while the shard is not served here: whoever serves it asks ConfigOf itself before it does, and hears of later changes.
    for (const core::PartitionAddress& address : queue.record.partitions) {
      (void)local(address.shard)
          .SubmitInternal(core::Configure{address.partition, queue.config}, nullptr);
    }
    partition_watch_.Tell(queue.record.id, queue.record.partitions);
  });
  registry_->OnDisappearance([this](const QueueInfo& queue) {
    for (const core::PartitionAddress& address : queue.record.partitions) {
      (void)local(address.shard).SubmitInternal(core::DropPartition{address.partition}, nullptr);
    }
  });
  registry_->OnChange([this](absl::Time change_deadline) { AnnounceChange(change_deadline); });
  // From here on peers may come.
  WEIR_RETURN_IF_ERROR(lease_keeper_->Start(std::move(address), deadline));
  WEIR_RETURN_IF_ERROR(placement_->Start(deadline));
  refresher_ = std::thread([this] { KeepRefreshing(); });
  move_tasks_->Start();
  return AwaitShards(deadline);
}

absl::Status QueueEngine::AdvertiseAt(std::string address, absl::Time deadline) {
  return lease_keeper_->AdvertiseAt(std::move(address), deadline);
}

absl::Status QueueEngine::AwaitShards(absl::Time deadline) {
  absl::Time report = absl::Now() + kReportEvery;
  for (const auto& shard : shards_) {
    while (!placement_->IsElsewhere(shard->shard())) {
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
      const auto wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresher_mu_) {
        return refresher_stopping_ || read_requested_;
      };
      refresher_mu_.AwaitWithTimeout(wanted, period);
      if (refresher_stopping_) return;
      read_requested_ = false;
    }
    const absl::Status refreshed = registry_->Refresh(absl::Now() + period);
    if (!refreshed.ok()) {
      observe::Log(observe::Level::kWarning, "queues not refreshed", {{"error", refreshed.ToString()}});
    }
    const int64_t done = refreshed.ok() ? registry_->last_read_done() : registry_->last_read_begun();
    std::vector<ReadWaiter> ready;
    {
      MutexLock lock(&refresher_mu_);
      for (ReadWaiter& waiter : std::exchange(read_waiters_, {})) {
        (waiter.after < done ? ready : read_waiters_).push_back(std::move(waiter));
      }
      read_requested_ = read_requested_ || !read_waiters_.empty();
    }
    for (ReadWaiter& waiter : ready) waiter.done(refreshed);
    router_->RegistryWasRead();
    MutexLock lock(&refresher_mu_);
    refresher_mu_.AwaitWithTimeout(
        [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresher_mu_) { return refresher_stopping_; },
        kReadDistance);
  }
}

void QueueEngine::Leave() {
  if (left_.exchange(true) || router_ == nullptr) return;
  move_tasks_->Stop();
  router_->EndReceives();
  if (SomebodyStays(absl::Now() + kLeaveWait / 5)) {
    // First in the store, so that nobody takes this replica for one that is to have shards.
    const absl::Status told = lease_keeper_->Leave(absl::Now() + kLeaveWait / 5);
    if (!told.ok()) {
      observe::Log(observe::Level::kWarning, "the store was not told that this replica leaves",
                   {{"error", told.ToString()}});
    }
    placement_->Leave();
    AwaitIdle(absl::Now() + kLeaveWait);
  }
  for (const auto& shard : shards_) shard->Stop();
}

bool QueueEngine::SomebodyStays(absl::Time deadline) {
  if (peers_ == nullptr) return false;
  // One that has just come may be what this one makes room for, so who was there a moment ago is not enough to know.
  const absl::StatusOr<std::vector<store::ReplicaRecord>> now = leases_.ListReplicas(deadline);
  const std::vector<store::ReplicaRecord> replicas = now.ok() ? *now : placement_->LivePeers();
  return std::any_of(replicas.begin(), replicas.end(), [this](const store::ReplicaRecord& other) {
    return other.replica != options_.replica && other.alive() && !other.leaving;
  });
}

void QueueEngine::AwaitIdle(absl::Time deadline) {
  MutexLock lock(&idle_mu_);
  idle_mu_.AwaitWithDeadline(
      [this] {
        return std::all_of(shards_.begin(), shards_.end(),
                           [](const auto& shard) { return shard->IsIdle(); });
      },
      deadline);
}

void QueueEngine::Stop() {
  Leave();
  {
    MutexLock lock(&refresher_mu_);
    refresher_stopping_ = true;
  }
  if (refresher_.joinable()) refresher_.join();
  if (placement_ != nullptr) placement_->Stop();
  if (router_ != nullptr) router_->Stop();
  if (lease_keeper_ != nullptr) lease_keeper_->Stop();
  std::vector<ReadWaiter> waiting;
  {
    MutexLock lock(&refresher_mu_);
    waiting.swap(read_waiters_);
  }
  for (ReadWaiter& waiter : waiting) {
    waiter.done(MakeError(ErrorReason::kShuttingDown, "This server is stopping; try again."));
  }
}

absl::Status QueueEngine::DeleteQueue(const QueueInfo& queue, absl::Time deadline) {
  const absl::Status deleted = registry_->Delete(queue, deadline);
  // Also when it was gone already: an earlier try may have deleted it without knowing.
  if (!deleted.ok() && !absl::IsNotFound(deleted)) return deleted;
  std::vector<std::shared_ptr<Notification>> dropped;
  for (const core::PartitionAddress& address : queue.record.partitions) {
    dropped.push_back(DropPartition(address));
  }
  for (const auto& partition : dropped) {
    if (partition->WaitForNotificationWithTimeout(deadline - absl::Now())) continue;
    return MakeError(ErrorReason::kDeadlineExceeded,
                     absl::StrCat("The queue \"", queue.record.name.name,
                                  "\" is deleted, but a shard has not ended its waiting receives in time."));
  }
  return deleted;
}

std::shared_ptr<Notification> QueueEngine::DropPartition(const core::PartitionAddress& address) {
  auto done = std::make_shared<Notification>();
  // Also a reply that says the shard was lost will do: then every waiting receive was answered, and the next owner finds by
  // ConfigOf that the queue is gone. So it is when the command is refused.
  const bool submitted = shard(address.shard)
                             .SubmitInternal(core::DropPartition{address.partition},
                                             [done](const core::Reply&) {
                                               done->Notify();
                                               return true;
                                             })
                             .ok();
  if (!submitted) done->Notify();
  return done;
}

void QueueEngine::AnnounceChange(absl::Time deadline) {
  const std::vector<store::ReplicaRecord> others = placement_->LivePeers();
  if (peers_ == nullptr || others.empty()) return;
  const absl::Time until = std::min(deadline, absl::Now() + kAnnounceWait);
  const absl::StatusOr<int64_t> version = registry_store_.Version(until);
  if (!version.ok()) return;  // They find out by themselves within a third of the lease.
  int64_t known = announced_version_.load();
  while (known < *version && !announced_version_.compare_exchange_weak(known, *version)) {
  }
  struct Waiting {
    Mutex mu;
    size_t left ABSL_GUARDED_BY(mu) = 0;
  };
  auto waiting = std::make_shared<Waiting>();
  {
    MutexLock lock(&waiting->mu);
    waiting->left = others.size();
  }
  for (const store::ReplicaRecord& other : others) {
    peers_->Announce(other.address, *version, until, [waiting, name = other.replica](absl::Status told) {
      if (!told.ok()) {
        observe::Log(observe::Level::kInfo, "a replica was not told of a change of queues",
                     {{"replica", name}, {"error", told.ToString()}});
      }
      MutexLock lock(&waiting->mu);
      --waiting->left;
    });
  }
  MutexLock lock(&waiting->mu);
  waiting->mu.AwaitWithDeadline(
      [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(waiting->mu) { return waiting->left == 0; }, until);
}

void QueueEngine::HintPeers() {
  if (peers_ == nullptr) return;
  for (const store::ReplicaRecord& other : placement_->LivePeers()) {
    // A hint: who does not hear it looks at the store by itself.
    peers_->Announce(other.address, registry_->version(), absl::Now() + kAnnounceWait, [](const absl::Status&) {});
  }
}

bool QueueEngine::RefreshForUnknownQueue(DoneSink done) {
  if (peers_ == nullptr || placement_->LivePeers().empty()) return false;
  return AwaitRead(done);
}

bool QueueEngine::AwaitRead(DoneSink& done) {
  MutexLock lock(&refresher_mu_);
  if (refresher_stopping_) return false;
  read_waiters_.push_back({.after = registry_->last_read_begun(), .done = std::move(done)});
  read_requested_ = true;
  return true;
}

absl::StatusOr<ShardAnswer> QueueEngine::AskAndWait(core::ShardId shard, ShardQuery query,
                                                    absl::Time deadline) {
  struct Waiting {
    Notification done;
    absl::StatusOr<ShardAnswer> answer;
  };
  auto waiting = std::make_shared<Waiting>();
  this->shard(shard).Query(std::move(query), deadline, [waiting](absl::StatusOr<ShardAnswer> answer) {
    waiting->answer = std::move(answer);
    waiting->done.Notify();
  });
  if (!waiting->done.WaitForNotificationWithTimeout(deadline - absl::Now())) {
    return MakeError(ErrorReason::kStoreUnavailable,
                     absl::StrCat("Shard ", shard.value(),
                                  " waits for the store longer than this call can; try again."));
  }
  return std::move(waiting->answer);
}

absl::StatusOr<core::PartitionStats> QueueEngine::Stats(const QueueInfo& queue,
                                                        absl::Time deadline) {
  // Not owned: the caller keeps the queue.
  const QueueInfoPtr borrowed(QueueInfoPtr(), &queue);
  WEIR_ASSIGN_OR_RETURN(const std::vector<core::PartitionStats> stats,
                        Stats(absl::MakeConstSpan(&borrowed, 1), deadline));
  return stats.front();
}

absl::StatusOr<std::vector<core::PartitionStats>> QueueEngine::Stats(
    absl::Span<const QueueInfoPtr> queues, absl::Time deadline) {
  deadline = std::min(deadline, absl::Now() + kStatsWait);
  const std::vector<ShardPart> by_shard = PartsOf(queues);
  std::vector<core::PartitionStats> all(queues.size());
  for (size_t shard = 0; shard < by_shard.size(); ++shard) {
    if (by_shard[shard].queues.empty()) continue;
    WEIR_RETURN_IF_ERROR(
        AddStats(core::ShardId(static_cast<int32_t>(shard)), by_shard[shard], deadline, all));
  }
  return all;
}

std::vector<QueueEngine::ShardPart> QueueEngine::PartsOf(absl::Span<const QueueInfoPtr> queues) const {
  std::vector<ShardPart> by_shard(shards_.size());
  for (size_t i = 0; i < queues.size(); ++i) {
    for (const core::PartitionAddress& address : queues[i]->record.partitions) {
      ShardPart& part = by_shard[static_cast<size_t>(address.shard.value())];
      part.queues.push_back(i);
      part.partitions.push_back(address.partition);
    }
  }
  return by_shard;
}

absl::Status QueueEngine::AddStats(core::ShardId shard, const ShardPart& part, absl::Time deadline,
                                   std::vector<core::PartitionStats>& all) {
  WEIR_ASSIGN_OR_RETURN(const ShardAnswer answer,
                        AskAndWait(shard, StatsQuery{part.partitions}, deadline));
  const std::vector<core::PartitionStats>& stats = std::get<StatsAnswer>(answer).stats;
  for (size_t i = 0; i < part.queues.size(); ++i) all[part.queues[i]] += stats.at(i);
  return absl::OkStatus();
}

std::vector<std::pair<QueueInfoPtr, core::PartitionStats>> QueueEngine::LocalStats() {
  const std::vector<QueueInfoPtr> queues = registry_->All();
  const std::vector<ShardPart> by_shard = PartsOf(queues);
  std::vector<core::PartitionStats> sums(queues.size());
  std::vector<bool> known(queues.size());
  const absl::Time deadline = absl::Now() + kAllStatsWait;
  for (size_t i = 0; i < shards_.size(); ++i) {
    // A shard that is not served has no numbers; a scrape shows the others.
    if (!shards_[i]->IsServing() || by_shard[i].queues.empty()) continue;
    if (!AddStats(shards_[i]->shard(), by_shard[i], deadline, sums).ok()) continue;
    for (const size_t queue : by_shard[i].queues) known[queue] = true;
  }
  std::vector<std::pair<QueueInfoPtr, core::PartitionStats>> all;
  for (size_t i = 0; i < queues.size(); ++i) {
    if (known[i]) all.emplace_back(queues[i], sums[i]);
  }
  return all;
}

absl::StatusOr<ClusterStatus> QueueEngine::Cluster(absl::Time deadline) {
  ClusterStatus status{.replica = options_.replica};
  WEIR_ASSIGN_OR_RETURN(status.replicas, leases_.ListReplicas(deadline));
  WEIR_ASSIGN_OR_RETURN(const std::vector<store::ShardOwnership> shards, leases_.ListShards(deadline));
  const absl::Time until = std::min(deadline, absl::Now() + kLoadWait);
  struct Waiting {
    Mutex mu;
    size_t left ABSL_GUARDED_BY(mu) = 0;
    std::vector<std::optional<LoadAnswer>> loads ABSL_GUARDED_BY(mu);
  };
  auto waiting = std::make_shared<Waiting>();
  {
    MutexLock lock(&waiting->mu);
    waiting->left = shards.size();
    waiting->loads.resize(shards.size());
  }
  for (size_t i = 0; i < shards.size(); ++i) {
    shard(shards[i].shard).Query(LoadQuery{}, until, [waiting, i](absl::StatusOr<ShardAnswer> answer) {
      MutexLock lock(&waiting->mu);
      if (answer.ok()) waiting->loads[i] = std::get<LoadAnswer>(*answer);
      --waiting->left;
    });
  }
  MutexLock lock(&waiting->mu);
  waiting->mu.AwaitWithDeadline(
      [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(waiting->mu) { return waiting->left == 0; }, until);
  for (size_t i = 0; i < shards.size(); ++i) {
    ClusterStatus::Shard shard{.ownership = shards[i]};
    if (const auto& load = waiting->loads[i]; load.has_value()) {
      shard.serving =
          load->serving ? ClusterStatus::Serving::kServing : ClusterStatus::Serving::kRecovering;
      if (load->serving) shard.load = *load;
    }
    status.shards.push_back(std::move(shard));
  }
  return status;
}

std::shared_ptr<PartitionedReceive> QueueEngine::Receive(const QueueInfo& queue, core::Receive receive,
                                                         PartitionedReceive::Sink sink) {
  receive.config = queue.config;
  const size_t first = queue.record.partitions.size() == 1 ? 0 : NextTurn();
  return PartitionedReceive::Start(*this, queue.record.partitions, first, std::move(receive),
                                   std::move(sink));
}

absl::StatusOr<core::RequestId> QueueEngine::Submit(const core::PartitionAddress& address,
                                                    core::Receive receive, ReplySink sink) {
  return shard(address.shard).Submit(std::move(receive), std::move(sink));
}

void QueueEngine::Cancel(const core::PartitionAddress& address, core::RequestId request) {
  shard(address.shard).Cancel(address.partition, request);
}

void QueueEngine::Release(const core::PartitionAddress& address, core::ReleaseLease release) {
  // Refused only by a shard that is lost or stopping: then they come back when their time is over.
  (void)shard(address.shard).SubmitInternal(std::move(release), nullptr);
}

bool QueueEngine::IsAtHand(const core::PartitionAddress& address) {
  return router_->IsAtHand(address.shard);
}

void QueueEngine::Watch(const core::PartitionAddress& any, std::shared_ptr<PartitionedReceive> receive) {
  partition_watch_.Add(any.queue, receive);
  // It may have got them since the receive was told of them.
  const QueueInfoPtr queue = registry_->FindByPartition(any.partition);
  if (queue != nullptr) receive->AddPartitions(queue->record.partitions);
}

void QueueEngine::Unwatch(const core::PartitionAddress& any, PartitionedReceive* receive) {
  partition_watch_.Remove(any.queue, receive);
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

void QueueEngine::ShardServes(core::ShardId shard) {
  router_->ShardServes(shard);
  move_tasks_->Hint();
}

void QueueEngine::ShardRefuses(core::ShardId shard, const absl::Status& why) {
  router_->ShardRefuses(shard, why);
}

void QueueEngine::ShardLetGo(core::ShardId shard, Undone undone) {
  router_->ShardLetGo(shard, std::move(undone));
  move_tasks_->Hint();
}

void QueueEngine::ShardIdle(core::ShardId shard) {
  placement_->OnIdle(shard);
  router_->ShardIdle(shard);
  MutexLock lock(&idle_mu_);  // its release wakes who awaits it
}

int64_t QueueEngine::RegistryVersion() const {
  return std::max(registry_->version(), announced_version_.load());
}

void QueueEngine::RequestRegistryRead() {
  MutexLock lock(&refresher_mu_);
  read_requested_ = true;
}

core::RequestId QueueEngine::SubmitFromPeer(core::ShardId shard, const SubmitTerms& terms,
                                            core::Command command, ReplySink sink) {
  if (router_->HasShard(shard)) {
    return router_->SubmitFromPeer(shard, terms, std::move(command), std::move(sink));
  }
  if (sink != nullptr) sink(store::NoSuchShardError(shard));
  return core::RequestId();
}

void QueueEngine::CancelFromPeer(core::ShardId shard, core::PartitionId partition,
                                 core::RequestId request) {
  if (router_->HasShard(shard)) router_->Cancel(shard, partition, request);
}

void QueueEngine::QueryFromPeer(core::ShardId shard, ShardQuery query, absl::Time deadline,
                                AnswerSink sink) {
  if (!router_->HasShard(shard)) return sink(store::NoSuchShardError(shard));
  router_->QueryFromPeer(shard, std::move(query), deadline, std::move(sink));
}

void QueueEngine::AnnouncedByPeer(int64_t registry_version, absl::Time, DoneSink done) {
  move_tasks_->Hint();
  if (registry_->version() >= registry_version) return done(absl::OkStatus());
  if (AwaitRead(done)) return;
  done(MakeError(ErrorReason::kShuttingDown, "This server is stopping; try again."));
}

void QueueEngine::OfferedByPeer(core::ShardId shard) {
  if (router_->HasShard(shard)) placement_->Offered(shard);
}

}  // namespace weir::queue::engine
