#include "services/queue/engine/registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status_macros.h"
#include "services/queue/engine/partitioning.h"

namespace weir::queue::engine {

std::string QueueArn(const store::QueueName& name) {
  return absl::StrCat("arn:aws:sqs:", name.region, ":", name.account, ":", name.name);
}

std::optional<store::QueueName> ParseQueueArn(absl::string_view arn) {
  const std::vector<std::string> parts = absl::StrSplit(arn, ':');
  if (parts.size() != 6 || parts[0] != "arn" || parts[1] != "aws" || parts[2] != "sqs") {
    return std::nullopt;
  }
  if (parts[3].empty() || parts[4].empty() || parts[5].empty()) return std::nullopt;
  return store::QueueName{.account = parts[4], .region = parts[3], .name = parts[5]};
}

Registry::Registry(store::RegistryStore& store, int shard_count)
    : store_(store), shard_count_(shard_count) {}

absl::Status Registry::Load(absl::Time deadline) {
  MutexLock change_lock(&change_mu_);
  WEIR_ASSIGN_OR_RETURN(const int64_t version, store_.Version(deadline));
  WEIR_ASSIGN_OR_RETURN(std::vector<store::QueueRecord> records, store_.ListQueues(deadline));
  version_ = version;
  WriterMutexLock lock(&mu_);
  by_name_.clear();
  by_partition_.clear();
  sources_.clear();
  // Twice over, so that every redrive policy finds its target whatever the order.
  for (const store::QueueRecord& record : records) InsertLocked(record);
  for (store::QueueRecord& record : records) InsertLocked(std::move(record));
  shown_version_.store(version);
  return absl::OkStatus();
}

QueueInfoPtr Registry::Find(const store::QueueName& name) const {
  ReaderMutexLock lock(&mu_);
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

QueueInfoPtr Registry::FindByArn(absl::string_view arn) const {
  const std::optional<store::QueueName> name = ParseQueueArn(arn);
  return name.has_value() ? Find(*name) : nullptr;
}

QueueInfoPtr Registry::FindByPartition(core::PartitionId partition) const {
  ReaderMutexLock lock(&mu_);
  const auto it = by_partition_.find(partition);
  return it == by_partition_.end() ? nullptr : it->second;
}

std::vector<QueueInfoPtr> Registry::List(absl::string_view account, absl::string_view region,
                                         absl::string_view prefix, absl::string_view after,
                                         size_t limit) const {
  const bool from_after = after >= prefix && !after.empty();
  store::QueueName from{.account = std::string(account),
                        .region = std::string(region),
                        .name = std::string(from_after ? after : prefix)};
  std::vector<QueueInfoPtr> found;
  ReaderMutexLock lock(&mu_);
  auto it = from_after ? by_name_.upper_bound(from) : by_name_.lower_bound(from);
  for (; it != by_name_.end() && found.size() < limit; ++it) {
    const store::QueueName& name = it->first;
    if (name.account != account || name.region != region || !absl::StartsWith(name.name, prefix)) {
      break;
    }
    found.push_back(it->second);
  }
  return found;
}

std::vector<QueueInfoPtr> Registry::DeadLetterSources(absl::string_view arn, absl::string_view after,
                                                      size_t limit) const {
  std::vector<QueueInfoPtr> found;
  ReaderMutexLock lock(&mu_);
  const auto sources = sources_.find(std::string(arn));
  if (sources == sources_.end()) return found;
  for (const auto& [name, unused] : sources->second) {
    if (found.size() >= limit) break;
    if (name.name > std::string(after)) found.push_back(by_name_.at(name));
  }
  return found;
}

std::vector<QueueInfoPtr> Registry::All() const {
  ReaderMutexLock lock(&mu_);
  std::vector<QueueInfoPtr> all;
  all.reserve(by_name_.size());
  for (const auto& [name, info] : by_name_) all.push_back(info);
  return all;
}

absl::StatusOr<QueueInfoPtr> Registry::Create(const store::QueueName& name,
                                              const store::QueueAttributes& attributes,
                                              absl::Time deadline, const CreateOptions& options) {
  absl::StatusOr<QueueInfoPtr> created = DoCreate(name, attributes, deadline, options);
  if (created.ok()) Changed(deadline);
  return created;
}

absl::StatusOr<QueueInfoPtr> Registry::DoCreate(const store::QueueName& name,
                                                const store::QueueAttributes& attributes,
                                                absl::Time deadline, const CreateOptions& options) {
  MutexLock change_lock(&change_mu_);
  WEIR_RETURN_IF_ERROR(ReloadIfStale(deadline));
  absl::StatusOr<store::QueueRecord> record = store_.CreateQueue({.name = name,
                                                                  .attributes = attributes,
                                                                  .tags = options.tags,
                                                                  .shards = NewShards(QueueArn(name), 0, attributes.partitions),
                                                                  .name_rest = options.name_rest},
                                                                 deadline);
  if (!record.ok()) return NoteFailure(record.status(), deadline);
  std::vector<QueueInfoPtr> changed;
  {
    WriterMutexLock lock(&mu_);
    changed.push_back(InsertLocked(*std::move(record)));
    ResolveSourcesLocked(QueueArn(name), changed);
  }
  Notify(changed);
  return changed.front();
}

absl::StatusOr<QueueInfoPtr> Registry::Update(const QueueInfo& expected,
                                              const store::QueueAttributes& attributes,
                                              absl::Time deadline) {
  absl::StatusOr<QueueInfoPtr> updated = DoUpdate(expected, attributes, deadline);
  if (updated.ok()) Changed(deadline);
  return updated;
}

absl::StatusOr<QueueInfoPtr> Registry::DoUpdate(const QueueInfo& expected,
                                                const store::QueueAttributes& attributes,
                                                absl::Time deadline) {
  MutexLock change_lock(&change_mu_);
  WEIR_RETURN_IF_ERROR(ReloadIfStale(deadline));
  const auto have = static_cast<int32_t>(expected.record.partitions.size());
  return Adopt(store_.UpdateQueue(expected.record.id, expected.record.version, attributes,
                                  NewShards(expected.arn, have, attributes.partitions), deadline),
               deadline);
}

absl::StatusOr<QueueInfoPtr> Registry::SetTags(const QueueInfo& expected, const store::Tags& tags,
                                               absl::Time deadline) {
  absl::StatusOr<QueueInfoPtr> tagged = DoSetTags(expected, tags, deadline);
  if (tagged.ok()) Changed(deadline);
  return tagged;
}

absl::StatusOr<QueueInfoPtr> Registry::DoSetTags(const QueueInfo& expected, const store::Tags& tags,
                                                 absl::Time deadline) {
  MutexLock change_lock(&change_mu_);
  WEIR_RETURN_IF_ERROR(ReloadIfStale(deadline));
  return Adopt(store_.SetTags(expected.record.id, expected.record.version, tags, deadline), deadline);
}

absl::StatusOr<QueueInfoPtr> Registry::Adopt(absl::StatusOr<store::QueueRecord> record,
                                             absl::Time deadline) {
  if (!record.ok()) return NoteFailure(record.status(), deadline);
  std::vector<QueueInfoPtr> changed;
  {
    WriterMutexLock lock(&mu_);
    changed.push_back(InsertLocked(*std::move(record)));
  }
  Notify(changed);
  return changed.front();
}

absl::Status Registry::Delete(const QueueInfo& queue, absl::Time deadline) {
  WEIR_RETURN_IF_ERROR(DoDelete(queue, deadline));
  Changed(deadline);
  return absl::OkStatus();
}

absl::Status Registry::DoDelete(const QueueInfo& queue, absl::Time deadline) {
  MutexLock change_lock(&change_mu_);
  WEIR_RETURN_IF_ERROR(ReloadIfStale(deadline));
  if (absl::Status status = store_.DeleteQueue(queue.record.id, deadline); !status.ok()) {
    return NoteFailure(std::move(status), deadline);
  }
  std::vector<QueueInfoPtr> changed;
  {
    WriterMutexLock lock(&mu_);
    RemoveLocked(queue);
    ResolveSourcesLocked(queue.arn, changed);
  }
  Notify(changed);
  return absl::OkStatus();
}

absl::Status Registry::BeginPurge(const QueueInfo& queue, absl::Duration rest, absl::Time deadline) {
  return store_.BeginPurge(queue.record.id, rest, deadline);
}

absl::Status Registry::ForgetPurge(const QueueInfo& queue, absl::Time deadline) {
  return store_.ForgetPurge(queue.record.id, deadline);
}

absl::Status Registry::NoteFailure(absl::Status status, absl::Time deadline) {
  stale_ = true;
  // When the store is there and says no, somebody else has changed the queue. When it is away, the next change finds out.
  if (!absl::IsUnavailable(status)) (void)ReloadIfStale(deadline);
  return status;
}

absl::Status Registry::Refresh(absl::Time deadline) {
  const int64_t number = reads_begun_.fetch_add(1) + 1;
  // Not under the mutex: several shards may ask at once, and the first one that reads reads for all.
  WEIR_ASSIGN_OR_RETURN(const int64_t version, store_.Version(deadline));
  MutexLock change_lock(&change_mu_);
  if (stale_ || version_ < version) WEIR_RETURN_IF_ERROR(Reload(deadline));
  if (reads_done_.load() < number) reads_done_.store(number);
  return absl::OkStatus();
}

absl::Status Registry::ReloadIfStale(absl::Time deadline) {
  return stale_ ? Reload(deadline) : absl::OkStatus();
}

absl::Status Registry::Reload(absl::Time deadline) {
  // In this order: what changes in between is read again next time.
  WEIR_ASSIGN_OR_RETURN(const int64_t version, store_.Version(deadline));
  WEIR_ASSIGN_OR_RETURN(std::vector<store::QueueRecord> records, store_.ListQueues(deadline));
  stale_ = false;
  version_ = version;
  std::vector<QueueInfoPtr> changed;
  std::vector<QueueInfoPtr> gone;
  {
    WriterMutexLock lock(&mu_);
    absl::flat_hash_map<core::QueueId, int64_t> versions;
    for (const store::QueueRecord& record : records) versions[record.id] = record.version;
    for (const auto& [name, info] : by_name_) {
      if (!versions.contains(info->record.id)) gone.push_back(info);
    }
    for (const QueueInfoPtr& info : gone) {
      RemoveLocked(*info);
      ResolveSourcesLocked(info->arn, changed);
    }
    for (store::QueueRecord& record : records) {
      const auto known = by_name_.find(record.name);
      if (known != by_name_.end() && known->second->record.version == record.version) continue;
      const std::string arn = QueueArn(record.name);
      changed.push_back(InsertLocked(std::move(record)));
      ResolveSourcesLocked(arn, changed);
    }
  }
  shown_version_.store(version);
  Notify(changed);
  // Last: one that is gone may have got a new config above, when its dead-letter queue went first.
  if (gone_listener_) {
    for (const QueueInfoPtr& info : gone) gone_listener_(*info);
  }
  return absl::OkStatus();
}

void Registry::RemoveLocked(const QueueInfo& queue) {
  const auto it = by_name_.find(queue.record.name);
  if (it != by_name_.end() && it->second->record.id == queue.record.id) {
    const auto& policy = it->second->record.attributes.redrive_policy;
    if (policy.has_value()) sources_[policy->dead_letter_queue_arn].erase(queue.record.name);
    by_name_.erase(it);
  }
  for (const auto& partition : queue.record.partitions) by_partition_.erase(partition.partition);
}

QueueInfoPtr Registry::InsertLocked(store::QueueRecord record) {
  const auto old = by_name_.find(record.name);
  if (old != by_name_.end()) {
    const auto& policy = old->second->record.attributes.redrive_policy;
    if (policy.has_value()) sources_[policy->dead_letter_queue_arn].erase(record.name);
  }
  if (record.attributes.redrive_policy.has_value()) {
    sources_[record.attributes.redrive_policy->dead_letter_queue_arn].emplace(record.name, true);
  }
  QueueInfoPtr info = MakeInfoLocked(std::move(record));
  by_name_[info->record.name] = info;
  for (const auto& partition : info->record.partitions) by_partition_[partition.partition] = info;
  return info;
}

QueueInfoPtr Registry::MakeInfoLocked(store::QueueRecord record) {
  auto config = std::make_shared<core::QueueConfig>();
  config->queue = record.id;
  config->version = next_config_version_++;
  config->visibility_timeout = record.attributes.visibility_timeout;
  config->delay = record.attributes.delay;
  config->retention = record.attributes.retention;
  config->fifo = record.attributes.fifo;
  config->deduplication_scope = record.attributes.deduplication_scope;
  if (const auto& policy = record.attributes.redrive_policy; policy.has_value()) {
    const auto name = ParseQueueArn(policy->dead_letter_queue_arn);
    const auto target = name.has_value() ? by_name_.find(*name) : by_name_.end();
    if (target != by_name_.end()) {
      config->redrive = core::QueueConfig::Redrive{.max_receive_count = policy->max_receive_count,
                                                   .dead_letter = target->second->address};
    }
  }
  auto info = std::make_shared<QueueInfo>();
  info->arn = QueueArn(record.name);
  info->config = std::move(config);
  info->address = record.partitions.front();
  info->record = std::move(record);
  return info;
}

void Registry::ResolveSourcesLocked(const std::string& arn, std::vector<QueueInfoPtr>& changed) {
  const auto sources = sources_.find(arn);
  if (sources == sources_.end()) return;
  std::vector<store::QueueRecord> records;
  for (const auto& [name, unused] : sources->second) records.push_back(by_name_.at(name)->record);
  for (store::QueueRecord& record : records) changed.push_back(InsertLocked(std::move(record)));
}

void Registry::Notify(const std::vector<QueueInfoPtr>& changed) const {
  if (!listener_) return;
  for (const QueueInfoPtr& info : changed) listener_(*info);
}

std::vector<core::ShardId> Registry::NewShards(absl::string_view arn, int32_t have, int32_t want) const {
  std::vector<core::ShardId> shards;
  for (int32_t i = have; i < want; ++i) shards.push_back(ShardOfPartition(arn, i, shard_count_));
  return shards;
}

}  // namespace weir::queue::engine
