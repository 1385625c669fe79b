// What MemoryQueueStore and its logs share: the "tables". Private to this folder.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/queue/store/move_task_store.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::store {

struct MemoryMessageRow {
  core::LogNo log_no;
  core::PartitionId partition;
  core::MessageMeta meta;
  core::ContentPtr content;
  std::string consumer;
};

struct MemorySegment {
  core::LogNo first_log_no;
  bool retired = false;
  // Rows up to here, by (partition, seq), are superseded. Zeros: none.
  std::pair<core::PartitionId, core::MessageSeq> copied_to;
  std::vector<MemoryMessageRow> messages;
  std::vector<core::AppendEvent> events;

  bool IsSuperseded(const MemoryMessageRow& row) const {
    return std::pair(row.partition, row.meta.seq) <= copied_to;
  }
};

struct MemoryShard {
  core::Epoch epoch;
  std::string owner;
  core::SegmentNo last_segment;  // the newest that was ever created
  std::map<core::SegmentNo, MemorySegment> segments;
};

struct MemoryReplica {
  std::string address;
  bool leaving = false;
  absl::Time expires_at;
};

// One mutex over everything: a fake need not be fast, and then each call is a transaction.
class MemoryDatabase {
 public:
  explicit MemoryDatabase(const Clock& clock) : clock(clock) {}

  // Microseconds, as PostgreSQL's timestamptz.
  static absl::Time Rounded(absl::Time time) {
    if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) return time;
    return absl::FromUnixMicros(absl::ToUnixMicros(time));
  }
  absl::Time Now() const { return Rounded(clock.Now()); }
  bool IsAlive(const std::string& replica) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    const auto it = replicas.find(replica);
    return it != replicas.end() && Now() < it->second.expires_at;
  }
  bool HasShard(core::ShardId shard) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    return shard.value() >= 0 && shard.value() < static_cast<int>(shards.size());
  }

  MoveTaskRecord* FindMoveTask(absl::string_view id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void EndMoveTask(MoveTaskRecord& task, MoveTaskState state, const absl::Status& failure = absl::OkStatus())
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  const Clock& clock;
  Mutex mu;
  std::vector<MemoryShard> shards ABSL_GUARDED_BY(mu);
  std::map<std::string, MemoryReplica> replicas ABSL_GUARDED_BY(mu);
  std::map<core::QueueId, QueueRecord> queues ABSL_GUARDED_BY(mu);
  core::QueueId last_queue ABSL_GUARDED_BY(mu);
  core::PartitionId last_partition ABSL_GUARDED_BY(mu);
  int64_t version ABSL_GUARDED_BY(mu) = 0;
  std::map<QueueName, absl::Time> deleted_at ABSL_GUARDED_BY(mu);
  std::map<core::QueueId, absl::Time> purged_at ABSL_GUARDED_BY(mu);
  std::vector<MoveTaskRecord> move_tasks ABSL_GUARDED_BY(mu);  // oldest first
};

std::unique_ptr<ShardLog> NewMemoryShardLog(std::shared_ptr<MemoryDatabase> db,
                                            core::ShardId shard);

}  // namespace weir::queue::store
