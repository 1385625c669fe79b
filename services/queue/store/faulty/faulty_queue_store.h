// Wrappers around any store that make calls go wrong as a FaultInjector says. Without faults they change nothing, so they pass
// the conformance suite.
//
// As with a real store, after an append that did not end in kCommitted the log is closed: appends are rejected and reads fail
// until Open is called with a newer epoch.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "services/queue/store/faulty/fault_injector.h"
#include "services/queue/store/move_task_store.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::store {

// `inner` and `faults` must outlive it, for all four.
class FaultyRegistryStore final : public RegistryStore {
 public:
  FaultyRegistryStore(RegistryStore& inner, FaultInjector& faults)
      : inner_(inner), faults_(faults) {}

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

 private:
  RegistryStore& inner_;
  FaultInjector& faults_;
};

class FaultyLeaseStore final : public LeaseStore {
 public:
  FaultyLeaseStore(LeaseStore& inner, FaultInjector& faults) : inner_(inner), faults_(faults) {}

  absl::Status RenewReplica(const ReplicaLease& lease, absl::Time deadline) override;
  absl::Status ReleaseReplica(absl::string_view replica, absl::Time deadline) override;
  absl::StatusOr<std::vector<ReplicaRecord>> ListReplicas(absl::Time deadline) override;
  absl::StatusOr<std::vector<ShardOwnership>> ListShards(absl::Time deadline) override;
  absl::StatusOr<core::Epoch> AcquireShard(core::ShardId shard, absl::string_view replica,
                                           absl::Time deadline) override;
  absl::Status ReleaseShard(core::ShardId shard, absl::string_view replica, core::Epoch epoch,
                            absl::Time deadline) override;

 private:
  LeaseStore& inner_;
  FaultInjector& faults_;
};

class FaultyMoveTaskStore final : public MoveTaskStore {
 public:
  FaultyMoveTaskStore(MoveTaskStore& inner, FaultInjector& faults) : inner_(inner), faults_(faults) {}

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

 private:
  MoveTaskStore& inner_;
  FaultInjector& faults_;
};

class FaultyShardLogFactory final : public ShardLogFactory {
 public:
  FaultyShardLogFactory(ShardLogFactory& inner, FaultInjector& faults)
      : inner_(inner), faults_(faults) {}

  std::unique_ptr<ShardLog> OpenLog(core::ShardId shard) override;

 private:
  ShardLogFactory& inner_;
  FaultInjector& faults_;
};

}  // namespace weir::queue::store
