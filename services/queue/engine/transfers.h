// Moves messages between partitions: dead-lettering and redrive.
//
// The destination appends first, then the source marks the message as moved; a crash in between repeats the transfer, and the
// destination recognises it by its TransferId. On one shard both are one decision, so one commit. The source's shard is served here, or
// the transfer is void and the next owner begins anew; the destination's may be served by another replica.
//
//      source: moving ──► destination: AcceptTransfer ──ok──► source: FinishTransfer ──► destination: ForgetTransfer
//                                        └──refused / away──► source: AbortTransfer (ready again)
//
// Thread-safe; never blocks.
#pragma once

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "libs/base/mutex.h"
#include "services/queue/core/decision.h"
#include "services/queue/engine/registry.h"
#include "services/queue/engine/shard_router.h"

namespace weir::queue::engine {

class Transfers {
 public:
  // Told once for each message of a redrive: OK when it has moved. On a shard's thread: must not block.
  using RedriveListener = std::function<void(const absl::Status&)>;

  // References must outlive this.
  Transfers(const Registry& registry, ShardRouter& shards) : registry_(registry), shards_(shards) {}

  // Carries out a Transfer effect of shard `source`.
  void Start(core::ShardId source, const core::Transfer& transfer, core::ContentPtr content);

  // Who wants to hear of the redrive of partition `source`, and where its messages go: to the queue `destination_arn`, or, when
  // that is empty, each to the queue it was dead-lettered from. To be added before the first TakeForRedrive.
  struct Redrive {
    std::string destination_arn;
    RedriveListener listener;
  };
  void AddRedrive(core::PartitionId source, Redrive redrive);
  void RemoveRedrive(core::PartitionId source);

 private:
  struct Job;
  absl::StatusOr<core::AcceptTransfer> Prepare(core::ShardId source, const core::Transfer& transfer,
                                               const core::MessageContent& content,
                                               core::PartitionAddress& destination) const;
  void MoveWithin(const Job& job, core::AcceptTransfer accept);
  void MoveAcross(const Job& job, core::AcceptTransfer accept);
  void Abort(const Job& job, const absl::Status& why);
  void Report(const Job& job, const absl::Status& outcome);

  // Constant after construction.
  const Registry& registry_;
  ShardRouter& shards_;

  mutable Mutex mu_;
  // By source partition: one redrive runs for a queue at a time.
  absl::flat_hash_map<core::PartitionId, Redrive> redrives_ ABSL_GUARDED_BY(mu_);
};

}  // namespace weir::queue::engine
