// The queue service's store in memory: for tests, and as the plain statement of what a store does. Passes the conformance suite.
//
// Everything lives in one MemoryDatabase. A log can be dropped and opened again, by another engine too, and finds what was
// committed: that is how a test simulates a crash. Nothing survives the process. Times are kept with microseconds, as
// PostgreSQL keeps them. The clock is passed in, so tests expire leases by hand.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "services/queue/store/journal_reader.h"
#include "services/queue/store/move_task_store.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::store {

class MemoryDatabase;

// Thread-safe. Logs that it opened may outlive it (they share the database).
class MemoryQueueStore final : public RegistryStore,
                               public LeaseStore,
                               public ShardLogFactory,
                               public JournalReader,
                               public MoveTaskStore {
 public:
  // `clock` must outlive the store and its logs.
  explicit MemoryQueueStore(const Clock& clock);
  ~MemoryQueueStore() override;

  absl::StatusOr<int> EnsureShards(int shard_count, absl::Time deadline) override;
  absl::StatusOr<QueueRecord> CreateQueue(const NewQueue& queue, absl::Time deadline) override;
  absl::StatusOr<QueueRecord> UpdateQueue(core::QueueId id, int64_t expected_version,
                                          const QueueAttributes& attributes,
                                          absl::Span<const core::ShardId> added,
                                          absl::Time deadline) override;
  absl::StatusOr<QueueRecord> SetTags(core::QueueId id, int64_t expected_version, const Tags& tags,
                                      absl::Time deadline) override;
  absl::Status DeleteQueue(core::QueueId id, absl::Time deadline) override;
  absl::Status BeginPurge(core::QueueId id, absl::Duration rest, absl::Time deadline) override;
  absl::Status ForgetPurge(core::QueueId id, absl::Time deadline) override;
  absl::StatusOr<std::vector<QueueRecord>> ListQueues(absl::Time deadline) override;
  absl::StatusOr<int64_t> Version(absl::Time deadline) override;

  absl::Status RenewReplica(const ReplicaLease& lease, absl::Time deadline) override;
  absl::Status ReleaseReplica(absl::string_view replica, absl::Time deadline) override;
  absl::StatusOr<std::vector<ReplicaRecord>> ListReplicas(absl::Time deadline) override;
  absl::StatusOr<std::vector<ShardOwnership>> ListShards(absl::Time deadline) override;
  absl::StatusOr<core::Epoch> AcquireShard(core::ShardId shard, absl::string_view replica,
                                           absl::Time deadline) override;
  absl::Status ReleaseShard(core::ShardId shard, absl::string_view replica, core::Epoch epoch,
                            absl::Time deadline) override;

  std::unique_ptr<ShardLog> OpenLog(core::ShardId shard) override;

  absl::Status StartMoveTask(const NewMoveTask& task, absl::Time deadline) override;
  absl::StatusOr<MoveTaskRecord> CancelMoveTask(absl::string_view id, absl::string_view source_arn,
                                                absl::Time deadline) override;
  absl::Status FailMoveTask(absl::string_view id, const absl::Status& failure,
                            absl::Time deadline) override;
  absl::StatusOr<std::vector<MoveTaskRecord>> ListMoveTasks(core::QueueId source, size_t limit,
                                                            absl::Time deadline) override;
  absl::StatusOr<std::vector<MoveTaskRecord>> ListActiveMoveTasks(absl::Time deadline) override;
  absl::StatusOr<MoveTaskPart> ClaimMovePart(absl::string_view task, core::PartitionId partition,
                                             core::Epoch epoch, absl::Time deadline) override;
  absl::StatusOr<std::vector<bool>> NoteMoves(absl::Span<const MoveProgress> moves,
                                              absl::Time deadline) override;

  absl::StatusOr<MessageHistory> FindMessage(absl::string_view message_id,
                                             absl::Time deadline) override;

 private:
  const std::shared_ptr<MemoryDatabase> db_;
};

}  // namespace weir::queue::store
