// The errors that every store words alike.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/base/error.h"
#include "services/queue/store/move_task_store.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::store {

inline absl::Status QueueExistsError(const QueueName& name) {
  return MakeError(ErrorReason::kQueueAlreadyExists,
                   absl::StrCat("The queue \"", name.name, "\" exists already."));
}

inline absl::Status NameRestsError(const QueueName& name) {
  return MakeError(ErrorReason::kQueueDeletedRecently,
                   absl::StrCat("You must wait 60 seconds after deleting a queue before you can create "
                                "another with the same name, \"",
                                name.name, "\"."),
                   {{"queue", name.name}});
}

inline absl::Status PurgeRestsError(absl::string_view name) {
  return MakeError(ErrorReason::kPurgeInProgress,
                   absl::StrCat("Only one PurgeQueue operation on ", name,
                                " is allowed every 60 seconds."),
                   {{"queue", std::string(name)}});
}

inline absl::Status NoSuchQueueError(core::QueueId id) {
  return MakeError(ErrorReason::kQueueDoesNotExist,
                   absl::StrCat("There is no queue with the id ", id.value(), "."));
}

inline absl::Status QueueChangedError(core::QueueId id) {
  return MakeError(ErrorReason::kConcurrentModification,
                   absl::StrCat("The queue with the id ", id.value(),
                                " was changed by another request at the same time."));
}

inline absl::Status MoveTaskRunsError(absl::string_view source_arn) {
  return MakeError(ErrorReason::kMoveTaskAlreadyRunning,
                   "There is already a task running. Only one active task is allowed for a source queue arn "
                   "at a given time.",
                   {{"source_arn", std::string(source_arn)}});
}

inline absl::Status NoSuchMoveTaskError() {
  return MakeError(ErrorReason::kMoveTaskDoesNotExist, "Task does not exist.");
}

inline absl::Status MoveTaskEndedError(MoveTaskState state) {
  return MakeError(ErrorReason::kMoveTaskNotRunning, state == MoveTaskState::kCancelling
                                                         ? "The task is being cancelled already."
                                                         : "The task has already ended.");
}

inline absl::Status NoSuchMovePartError() {
  return MakeError(ErrorReason::kMoveTaskNotRunning, "That part of a move task is not to be run.");
}

inline absl::Status SourceDeletedError(absl::string_view source_arn) {
  return MakeError(ErrorReason::kQueueDoesNotExist,
                   absl::StrCat("The source queue, ", source_arn, ", was deleted."));
}

inline absl::Status NoSuchShardError(core::ShardId shard) {
  return MakeError(ErrorReason::kInternal,
                   absl::StrCat("The store has no shard ", shard.value(), "."));
}

inline absl::Status ShardHasOwnerError(core::ShardId shard, absl::string_view owner) {
  return MakeError(ErrorReason::kShardNotOwned, absl::StrCat("Shard ", shard.value(), " is owned by \"",
                                                             owner, "\", which is alive."));
}

inline absl::Status FencedError(core::ShardId shard, core::Epoch epoch) {
  return MakeError(ErrorReason::kShardNotOwned,
                   absl::StrCat("Shard ", shard.value(), " was taken over: epoch ", epoch.value(),
                                " is not the current one."));
}

inline absl::Status LogNotOpenError(core::ShardId shard) {
  return MakeError(ErrorReason::kStoreUnavailable,
                   absl::StrCat("The log of shard ", shard.value(), " is not open."));
}

inline absl::Status NoSuchSegmentError(core::ShardId shard, core::SegmentNo segment) {
  return MakeError(ErrorReason::kInternal, absl::StrCat("Shard ", shard.value(), " has no segment ",
                                                        segment.value(), " that can be read or dropped."));
}

}  // namespace weir::queue::store
