// Move tasks (redrive), as the store keeps them: what is to be moved, how far that is, and how it ended.
//
// A task has a part for each partition of its source queue; the owner of the partition's shard runs it. Rows change when a task or a
// part changes its state, and about once a second while something moves; messages are not their business.
//
//     kRunning ──every part done──► kCompleted          A part is claimed, and ends, only under its shard's current epoch; between
//        │ │                                            the two it is whoever claimed it last that notes its progress. So an owner
//        │ └──Fail, source deleted──► kFailed ◄─┐       that has lost its shard and does not know it yet ends nothing.
//        └──Cancel──► kCancelling ──────────────┘
//                          └──every part done──► kCancelled
//
// The store is the truth for all replicas: whoever is asked reads it. Of a queue's tasks at most one is active (running, or being
// cancelled). Those that have ended are kept for a week, and at most the newest hundred of a queue.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/queue/core/types.h"

namespace weir::queue::store {

enum class MoveTaskState : int16_t {
  kRunning = 1,
  kCancelling = 2,
  kCompleted = 3,
  kCancelled = 4,
  kFailed = 5,
};

inline bool IsActive(MoveTaskState state) {
  return state == MoveTaskState::kRunning || state == MoveTaskState::kCancelling;
}

struct MoveTaskPart {
  core::PartitionId partition;
  core::ShardId shard;
  core::Epoch epoch;               // of the shard when the part was claimed last; 0: not yet
  std::optional<int64_t> to_move;  // messages that were ready when it began; unset: not counted yet
  int64_t moved = 0;
  bool done = false;
};

struct MoveTaskRecord {
  std::string id;  // UUID
  core::QueueId source;
  std::string source_arn;
  std::string destination_arn;  // empty: each message goes back to the queue that it came from
  int32_t max_messages_per_second = 0;  // 0: no bound
  MoveTaskState state = MoveTaskState::kRunning;
  absl::Status failure;  // not OK when kFailed
  absl::Time started_at;
  std::optional<absl::Time> ended_at;  // unset while it is active
  std::vector<MoveTaskPart> parts;     // in the order of their partitions
};

// Over all parts.
inline int64_t MovedBy(const MoveTaskRecord& task) {
  int64_t moved = 0;
  for (const MoveTaskPart& part : task.parts) moved += part.moved;
  return moved;
}
inline int64_t ToMoveBy(const MoveTaskRecord& task) {
  int64_t to_move = 0;
  for (const MoveTaskPart& part : task.parts) to_move += part.to_move.value_or(0);
  return to_move;
}

struct NewMoveTask {
  std::string id;  // a UUID that no other task has
  core::QueueId source;
  std::string source_arn;
  std::string destination_arn;
  int32_t max_messages_per_second = 0;
  std::vector<core::PartitionAddress> partitions;  // at least one
};

// How far a part is, absolutely: noting it twice changes nothing.
struct MoveProgress {
  std::string task;
  core::PartitionId partition;
  core::Epoch epoch;  // under which it was claimed
  std::optional<int64_t> to_move;
  int64_t moved = 0;
  bool done = false;  // the part ends, and with the last one its task
};

// Tasks that ended so long ago are forgotten when another is started, as are those of the same source beyond so many.
inline constexpr absl::Duration kMoveTaskKeptFor = absl::Hours(24 * 7);
inline constexpr int kMoveTasksKept = 100;

// Thread-safe; blocking as RegistryStore, with the same UNAVAILABLE.
class MoveTaskStore {
 public:
  virtual ~MoveTaskStore() = default;

  // The task is running when this is OK. MOVE_TASK_ALREADY_RUNNING while the source has an active one, QUEUE_DOES_NOT_EXIST. Deleting
  // the source queue (RegistryStore) ends its task as failed.
  virtual absl::Status StartMoveTask(const NewMoveTask& task, absl::Time deadline) = 0;
  // A task of that source. MOVE_TASK_DOES_NOT_EXIST, MOVE_TASK_NOT_RUNNING. The task as it stands then, kCancelling: its owners end it.
  virtual absl::StatusOr<MoveTaskRecord> CancelMoveTask(absl::string_view id, absl::string_view source_arn,
                                                        absl::Time deadline) = 0;
  // Ends the task, if it is active, with `failure`, of which code, reason and message are kept.
  virtual absl::Status FailMoveTask(absl::string_view id, const absl::Status& failure,
                                    absl::Time deadline) = 0;

  // The tasks of a queue, the newest first.
  virtual absl::StatusOr<std::vector<MoveTaskRecord>> ListMoveTasks(core::QueueId source, size_t limit,
                                                                    absl::Time deadline) = 0;
  // The active tasks of all queues, the oldest first.
  virtual absl::StatusOr<std::vector<MoveTaskRecord>> ListActiveMoveTasks(absl::Time deadline) = 0;

  // The owner of the part's shard under `epoch` runs the part from now on, from where it stands: that is the answer. SHARD_NOT_OWNED
  // when the shard has another epoch; MOVE_TASK_NOT_RUNNING when the part is done, its task is not active, or there is no such part.
  virtual absl::StatusOr<MoveTaskPart> ClaimMovePart(absl::string_view task, core::PartitionId partition,
                                                     core::Epoch epoch, absl::Time deadline) = 0;
  // Answers which were noted. Not those of a part that was claimed under another epoch since, and the end of a part only while its
  // shard has that epoch. Counts may also be noted once the task has ended.
  virtual absl::StatusOr<std::vector<bool>> NoteMoves(absl::Span<const MoveProgress> moves,
                                                      absl::Time deadline) = 0;
};

}  // namespace weir::queue::store
