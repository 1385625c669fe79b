#include "services/queue/store/memory/memory_queue_store.h"

#include <algorithm>
#include <set>
#include <utility>

#include "services/queue/store/memory/memory_database.h"
#include "services/queue/store/store_errors.h"

namespace weir::queue::store {

namespace {

// `last` is the newest partition of all queues.
void AddPartitions(absl::Span<const core::ShardId> shards, core::PartitionId& last, QueueRecord& record) {
  for (const core::ShardId shard : shards) {
    last = last.Next();
    record.partitions.push_back({shard, last, record.id});
  }
}

}  // namespace

MemoryQueueStore::MemoryQueueStore(const Clock& clock)
    : db_(std::make_shared<MemoryDatabase>(clock)) {}

MemoryQueueStore::~MemoryQueueStore() = default;

absl::StatusOr<int> MemoryQueueStore::EnsureShards(int shard_count, absl::Time) {
  MutexLock lock(&db_->mu);
  if (db_->shards.empty()) db_->shards.resize(static_cast<size_t>(shard_count));
  return static_cast<int>(db_->shards.size());
}

absl::StatusOr<QueueRecord> MemoryQueueStore::CreateQueue(const NewQueue& queue, absl::Time) {
  MutexLock lock(&db_->mu);
  for (const core::ShardId shard : queue.shards) {
    if (!db_->HasShard(shard)) return NoSuchShardError(shard);
  }
  for (const auto& [id, other] : db_->queues) {
    if (other.name == queue.name) return QueueExistsError(queue.name);
  }
  const auto deleted = db_->deleted_at.find(queue.name);
  if (deleted != db_->deleted_at.end() && db_->Now() < deleted->second + queue.name_rest) {
    return NameRestsError(queue.name);
  }
  db_->last_queue = db_->last_queue.Next();
  const absl::Time now = db_->Now();
  QueueRecord record{.id = db_->last_queue,
                     .name = queue.name,
                     .attributes = queue.attributes,
                     .tags = queue.tags,
                     .created_at = now,
                     .updated_at = now,
                     .version = 1,
                     .created_partitions = static_cast<int32_t>(queue.shards.size())};
  AddPartitions(queue.shards, db_->last_partition, record);
  db_->queues.emplace(record.id, record);
  ++db_->version;
  return record;
}

absl::StatusOr<QueueRecord> MemoryQueueStore::UpdateQueue(core::QueueId id, int64_t expected_version,
                                                          const QueueAttributes& attributes,
                                                          absl::Span<const core::ShardId> added,
                                                          absl::Time) {
  MutexLock lock(&db_->mu);
  const auto it = db_->queues.find(id);
  if (it == db_->queues.end()) return NoSuchQueueError(id);
  QueueRecord& record = it->second;
  if (record.version != expected_version) return QueueChangedError(id);
  for (const core::ShardId shard : added) {
    if (!db_->HasShard(shard)) return NoSuchShardError(shard);
  }
  record.attributes = attributes;
  AddPartitions(added, db_->last_partition, record);
  record.updated_at = db_->Now();
  ++record.version;
  ++db_->version;
  return record;
}

absl::StatusOr<QueueRecord> MemoryQueueStore::SetTags(core::QueueId id, int64_t expected_version,
                                                      const Tags& tags, absl::Time) {
  MutexLock lock(&db_->mu);
  const auto it = db_->queues.find(id);
  if (it == db_->queues.end()) return NoSuchQueueError(id);
  QueueRecord& record = it->second;
  if (record.version != expected_version) return QueueChangedError(id);
  record.tags = tags;
  ++record.version;
  ++db_->version;
  return record;
}

absl::Status MemoryQueueStore::DeleteQueue(core::QueueId id, absl::Time) {
  MutexLock lock(&db_->mu);
  const auto it = db_->queues.find(id);
  if (it == db_->queues.end()) return NoSuchQueueError(id);
  db_->deleted_at[it->second.name] = db_->Now();
  db_->queues.erase(it);
  for (MoveTaskRecord& task : db_->move_tasks) {
    if (task.source != id || !IsActive(task.state)) continue;
    db_->EndMoveTask(task, MoveTaskState::kFailed, SourceDeletedError(task.source_arn));
  }
  db_->purged_at.erase(id);
  ++db_->version;
  return absl::OkStatus();
}

absl::Status MemoryQueueStore::BeginPurge(core::QueueId id, absl::Duration rest, absl::Time) {
  MutexLock lock(&db_->mu);
  const auto queue = db_->queues.find(id);
  if (queue == db_->queues.end()) return NoSuchQueueError(id);
  const auto last = db_->purged_at.find(id);
  if (last != db_->purged_at.end() && db_->Now() < last->second + rest) {
    return PurgeRestsError(queue->second.name.name);
  }
  db_->purged_at[id] = db_->Now();
  return absl::OkStatus();
}

absl::Status MemoryQueueStore::ForgetPurge(core::QueueId id, absl::Time) {
  MutexLock lock(&db_->mu);
  db_->purged_at.erase(id);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<QueueRecord>> MemoryQueueStore::ListQueues(absl::Time) {
  MutexLock lock(&db_->mu);
  std::vector<QueueRecord> records;
  for (const auto& [id, record] : db_->queues) records.push_back(record);
  return records;
}

absl::StatusOr<int64_t> MemoryQueueStore::Version(absl::Time) {
  MutexLock lock(&db_->mu);
  return db_->version;
}

absl::Status MemoryQueueStore::RenewReplica(const ReplicaLease& lease, absl::Time) {
  MutexLock lock(&db_->mu);
  const absl::Time now = db_->Now();
  std::erase_if(db_->replicas, [&](const auto& replica) {
    return replica.second.expires_at < now - kReplicaForgottenAfter;
  });
  db_->replicas[lease.replica] = {
      .address = lease.address, .leaving = lease.leaving, .expires_at = now + lease.lease_time};
  return absl::OkStatus();
}

absl::Status MemoryQueueStore::ReleaseReplica(absl::string_view replica, absl::Time) {
  MutexLock lock(&db_->mu);
  db_->replicas.erase(std::string(replica));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ReplicaRecord>> MemoryQueueStore::ListReplicas(absl::Time) {
  MutexLock lock(&db_->mu);
  std::vector<ReplicaRecord> replicas;
  for (const auto& [name, replica] : db_->replicas) {
    replicas.push_back({.replica = name,
                        .address = replica.address,
                        .leaving = replica.leaving,
                        .lease_left = replica.expires_at - db_->Now()});
  }
  return replicas;
}

absl::StatusOr<std::vector<ShardOwnership>> MemoryQueueStore::ListShards(absl::Time) {
  MutexLock lock(&db_->mu);
  std::vector<ShardOwnership> shards;
  for (size_t i = 0; i < db_->shards.size(); ++i) {
    const MemoryShard& shard = db_->shards[i];
    ShardOwnership ownership{.shard = core::ShardId(static_cast<int32_t>(i)),
                             .epoch = shard.epoch,
                             .owner = shard.owner};
    const auto replica = db_->replicas.find(shard.owner);
    if (replica != db_->replicas.end()) ownership.address = replica->second.address;
    ownership.owner_alive = db_->IsAlive(shard.owner);
    shards.push_back(std::move(ownership));
  }
  return shards;
}

absl::StatusOr<core::Epoch> MemoryQueueStore::AcquireShard(core::ShardId shard,
                                                           absl::string_view replica, absl::Time) {
  MutexLock lock(&db_->mu);
  if (!db_->HasShard(shard)) return NoSuchShardError(shard);
  MemoryShard& row = db_->shards[static_cast<size_t>(shard.value())];
  if (row.owner != replica && db_->IsAlive(row.owner)) return ShardHasOwnerError(shard, row.owner);
  row.owner = std::string(replica);
  row.epoch = row.epoch.Next();
  return row.epoch;
}

absl::Status MemoryQueueStore::ReleaseShard(core::ShardId shard, absl::string_view replica,
                                            core::Epoch epoch, absl::Time) {
  MutexLock lock(&db_->mu);
  if (!db_->HasShard(shard)) return NoSuchShardError(shard);
  MemoryShard& row = db_->shards[static_cast<size_t>(shard.value())];
  if (row.owner == replica && row.epoch == epoch) row.owner.clear();
  return absl::OkStatus();
}

absl::StatusOr<MessageHistory> MemoryQueueStore::FindMessage(absl::string_view message_id,
                                                             absl::Time) {
  MutexLock lock(&db_->mu);
  MessageHistory history{.now = db_->Now()};
  std::set<std::pair<core::PartitionId, core::MessageSeq>> found;
  const auto visit_segments = [&](auto visit) {
    for (size_t i = 0; i < db_->shards.size(); ++i) {
      for (const auto& [number, segment] : db_->shards[i].segments) {
        visit(core::ShardId(static_cast<int32_t>(i)), segment);
      }
    }
  };
  visit_segments([&](core::ShardId shard, const MemorySegment& segment) {
    for (const MemoryMessageRow& row : segment.messages) {
      if (row.content->message_id != message_id) continue;
      found.emplace(row.partition, row.meta.seq);
      history.rows.push_back({shard, row.partition, row.log_no, row.meta,
                              row.content->dead_letter_source_arn, row.consumer});
    }
  });
  visit_segments([&](core::ShardId shard, const MemorySegment& segment) {
    for (const core::AppendEvent& event : segment.events) {
      const bool about = std::any_of(found.begin(), found.end(), [&](const auto& key) {
        return event.partition == key.first &&
               (event.kind == core::EventKind::kPurged ? event.seq >= key.second
                                                       : event.seq == key.second);
      });
      if (about) history.events.push_back({shard, event});
    }
  });
  return history;
}

std::unique_ptr<ShardLog> MemoryQueueStore::OpenLog(core::ShardId shard) {
  return NewMemoryShardLog(db_, shard);
}

}  // namespace weir::queue::store
