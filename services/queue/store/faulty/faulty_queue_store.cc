#include "services/queue/store/faulty/faulty_queue_store.h"

#include <optional>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/status_macros.h"
#include "services/queue/store/store_errors.h"

namespace weir::queue::store {
namespace {

// Streams of the injector. A shard's log has the shard's number, which is not negative.
constexpr int64_t kRegistryStream = -1;
constexpr int64_t kLeaseStream = -2;
constexpr int64_t kMoveTaskStream = -3;

absl::Status InjectedError() {
  return MakeError(ErrorReason::kStoreUnavailable, "The store cannot be reached (injected fault).");
}

// Carries out `call` unless the fault says otherwise.
template <typename Call>
auto Run(CallFault fault, Call call) -> decltype(call()) {
  switch (fault) {
    case CallFault::kNone:
      return call();
    case CallFault::kDoneButFailed:
      call().IgnoreError();
      return InjectedError();
    case CallFault::kFailed:
      break;
  }
  return InjectedError();
}

class FaultyShardLog final : public ShardLog {
 public:
  FaultyShardLog(std::unique_ptr<ShardLog> inner, FaultInjector& faults, core::ShardId shard)
      : inner_(std::move(inner)), faults_(faults), shard_(shard) {}

  absl::StatusOr<Opened> Open(core::Epoch epoch) override {
    open_ = false;
    absl::StatusOr<Opened> opened =
        Run(NextCall(FaultPoint::kOpen), [&] { return inner_->Open(epoch); });
    open_ = opened.ok();
    return opened;
  }

  absl::Status CheckEpoch() override {
    WEIR_CHECK(!fault_.has_value(), "an append is outstanding");
    const absl::Status checked = Read([&] { return inner_->CheckEpoch(); });
    open_ = checked.ok();
    return checked;
  }

  absl::Status ReadEvents(EventVisitor visit) override {
    return Read([&] { return inner_->ReadEvents(visit); });
  }

  absl::Status ReadMetas(MetaVisitor visit) override {
    return Read([&] { return inner_->ReadMetas(visit); });
  }

  void BeginAppend(const AppendBatch& batch) override {
    WEIR_CHECK(!fault_.has_value(), "an append is outstanding");
    fault_ = open_ ? faults_.NextAppend(shard_.value()) : AppendFault::kRejected;
    if (Reaches(*fault_)) inner_->BeginAppend(batch);
  }

  CommitOutcome FinishAppend() override {
    WEIR_CHECK(fault_.has_value(), "no append is outstanding");
    const AppendFault fault = *std::exchange(fault_, std::nullopt);
    const CommitOutcome outcome = Reaches(fault) ? inner_->FinishAppend() : CommitOutcome::kRejected;
    faults_.Delay(shard_.value());
    const CommitOutcome told = Told(fault, outcome);
    if (told != CommitOutcome::kCommitted) open_ = false;
    return told;
  }

  absl::StatusOr<std::vector<StoredMessage>> ReadRange(core::PartitionId partition,
                                                       core::MessageSeq from, size_t max_messages,
                                                       size_t max_bytes) override {
    return Read([&] { return inner_->ReadRange(partition, from, max_messages, max_bytes); });
  }

  void BeginReadRange(core::PartitionId partition, core::MessageSeq from, size_t max_messages,
                      size_t max_bytes) override {
    inner_->BeginReadRange(partition, from, max_messages, max_bytes);
  }

  absl::StatusOr<std::vector<StoredMessage>> FinishReadRange() override {
    auto read = inner_->FinishReadRange();
    return Read([&] { return std::move(read); });
  }

  absl::StatusOr<std::vector<StoredMessage>> ReadMessages(
      absl::Span<const MessageKey> keys) override {
    return Read([&] { return inner_->ReadMessages(keys); });
  }

  absl::StatusOr<std::vector<StoredMessage>> ReadSegment(core::SegmentNo segment,
                                                         size_t max_messages,
                                                         size_t max_bytes) override {
    return Read([&] { return inner_->ReadSegment(segment, max_messages, max_bytes); });
  }

  absl::StatusOr<core::SegmentNo> StartSegment(core::LogNo first_log_no) override {
    if (!open_) return LogNotOpenError(shard_);
    auto started = Run(NextCall(FaultPoint::kSegment),
                       [&] { return inner_->StartSegment(first_log_no); });
    // Whether the segment exists is unknown now, so nothing may be appended before it is opened anew.
    open_ = started.ok();
    return started;
  }

  absl::Status DropSegment(core::SegmentNo segment) override {
    if (!open_) return LogNotOpenError(shard_);
    return Run(NextCall(FaultPoint::kSegment), [&] { return inner_->DropSegment(segment); });
  }

 private:
  // Whether the batch gets to the store.
  static bool Reaches(AppendFault fault) {
    return fault == AppendFault::kNone || fault == AppendFault::kInDoubtWritten;
  }

  static CommitOutcome Told(AppendFault fault, CommitOutcome outcome) {
    switch (fault) {
      case AppendFault::kNone:
        return outcome;
      case AppendFault::kRejected:
        return CommitOutcome::kRejected;
      case AppendFault::kInDoubtWritten:
      case AppendFault::kInDoubtNotWritten:
        return CommitOutcome::kInDoubt;
      case AppendFault::kFenced:
        return CommitOutcome::kFenced;
    }
    return CommitOutcome::kInDoubt;
  }

  CallFault NextCall(FaultPoint point) { return faults_.NextCall(point, shard_.value()); }

  template <typename Call>
  auto Read(Call call) -> decltype(call()) {
    if (!open_) return LogNotOpenError(shard_);
    if (NextCall(FaultPoint::kRead) != CallFault::kNone) return InjectedError();
    return call();
  }

  const std::unique_ptr<ShardLog> inner_;
  FaultInjector& faults_;
  const core::ShardId shard_;
  bool open_ = false;
  std::optional<AppendFault> fault_;  // of the append that is outstanding
};

}  // namespace

absl::StatusOr<int> FaultyRegistryStore::EnsureShards(int shard_count, absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kRegistry, kRegistryStream),
             [&] { return inner_.EnsureShards(shard_count, deadline); });
}

absl::StatusOr<QueueRecord> FaultyRegistryStore::CreateQueue(const NewQueue& queue,
                                                             absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kRegistry, kRegistryStream),
             [&] { return inner_.CreateQueue(queue, deadline); });
}

absl::StatusOr<QueueRecord> FaultyRegistryStore::UpdateQueue(core::QueueId id,
                                                             int64_t expected_version,
                                                             const QueueAttributes& attributes,
                                                             absl::Span<const core::ShardId> added,
                                                             absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kRegistry, kRegistryStream),
             [&] { return inner_.UpdateQueue(id, expected_version, attributes, added, deadline); });
}

absl::StatusOr<QueueRecord> FaultyRegistryStore::SetTags(core::QueueId id, int64_t expected_version,
                                                         const Tags& tags, absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kRegistry, kRegistryStream),
             [&] { return inner_.SetTags(id, expected_version, tags, deadline); });
}

absl::Status FaultyRegistryStore::DeleteQueue(core::QueueId id, absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kRegistry, kRegistryStream),
             [&] { return inner_.DeleteQueue(id, deadline); });
}

absl::Status FaultyRegistryStore::BeginPurge(core::QueueId id, absl::Duration rest,
                                             absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kRegistry, kRegistryStream),
             [&] { return inner_.BeginPurge(id, rest, deadline); });
}

absl::Status FaultyRegistryStore::ForgetPurge(core::QueueId id, absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kRegistry, kRegistryStream),
             [&] { return inner_.ForgetPurge(id, deadline); });
}

absl::StatusOr<std::vector<QueueRecord>> FaultyRegistryStore::ListQueues(absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kRegistry, kRegistryStream),
             [&] { return inner_.ListQueues(deadline); });
}

absl::StatusOr<int64_t> FaultyRegistryStore::Version(absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kRegistry, kRegistryStream),
             [&] { return inner_.Version(deadline); });
}

absl::Status FaultyLeaseStore::RenewReplica(const ReplicaLease& lease, absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kLease, kLeaseStream),
             [&] { return inner_.RenewReplica(lease, deadline); });
}

absl::Status FaultyLeaseStore::ReleaseReplica(absl::string_view replica, absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kLease, kLeaseStream),
             [&] { return inner_.ReleaseReplica(replica, deadline); });
}

absl::StatusOr<std::vector<ReplicaRecord>> FaultyLeaseStore::ListReplicas(absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kLease, kLeaseStream),
             [&] { return inner_.ListReplicas(deadline); });
}

absl::StatusOr<std::vector<ShardOwnership>> FaultyLeaseStore::ListShards(absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kLease, kLeaseStream),
             [&] { return inner_.ListShards(deadline); });
}

absl::StatusOr<core::Epoch> FaultyLeaseStore::AcquireShard(core::ShardId shard,
                                                           absl::string_view replica,
                                                           absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kLease, kLeaseStream),
             [&] { return inner_.AcquireShard(shard, replica, deadline); });
}

absl::Status FaultyLeaseStore::ReleaseShard(core::ShardId shard, absl::string_view replica,
                                            core::Epoch epoch, absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kLease, kLeaseStream),
             [&] { return inner_.ReleaseShard(shard, replica, epoch, deadline); });
}

absl::Status FaultyMoveTaskStore::StartMoveTask(const NewMoveTask& task, absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kMoveTasks, kMoveTaskStream),
             [&] { return inner_.StartMoveTask(task, deadline); });
}

absl::StatusOr<MoveTaskRecord> FaultyMoveTaskStore::CancelMoveTask(absl::string_view id, absl::string_view source_arn,
                                                                   absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kMoveTasks, kMoveTaskStream),
             [&] { return inner_.CancelMoveTask(id, source_arn, deadline); });
}

absl::Status FaultyMoveTaskStore::FailMoveTask(absl::string_view id, const absl::Status& failure, absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kMoveTasks, kMoveTaskStream),
             [&] { return inner_.FailMoveTask(id, failure, deadline); });
}

absl::StatusOr<std::vector<MoveTaskRecord>> FaultyMoveTaskStore::ListMoveTasks(core::QueueId source, size_t limit, absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kMoveTasks, kMoveTaskStream),
             [&] { return inner_.ListMoveTasks(source, limit, deadline); });
}

absl::StatusOr<std::vector<MoveTaskRecord>> FaultyMoveTaskStore::ListActiveMoveTasks(absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kMoveTasks, kMoveTaskStream),
             [&] { return inner_.ListActiveMoveTasks(deadline); });
}

absl::StatusOr<MoveTaskPart> FaultyMoveTaskStore::ClaimMovePart(absl::string_view task, core::PartitionId partition, core::Epoch epoch, absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kMoveTasks, kMoveTaskStream),
             [&] { return inner_.ClaimMovePart(task, partition, epoch, deadline); });
}

absl::StatusOr<std::vector<bool>> FaultyMoveTaskStore::NoteMoves(absl::Span<const MoveProgress> moves, absl::Time deadline) {
  return Run(faults_.NextCall(FaultPoint::kMoveTasks, kMoveTaskStream),
             [&] { return inner_.NoteMoves(moves, deadline); });
}

std::unique_ptr<ShardLog> FaultyShardLogFactory::OpenLog(core::ShardId shard) {
  return std::make_unique<FaultyShardLog>(inner_.OpenLog(shard), faults_, shard);
}

}  // namespace weir::queue::store
