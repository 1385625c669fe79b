// Redrive: moves the messages of a dead-letter queue back to where they came from, or to a queue of choice.
//
// At most one task runs for a source queue. A task takes ready messages in small lots at its rate and ends when it has taken as
// many as the queue held when it began, so that messages which fail again meanwhile do not go round for ever. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "services/queue/engine/registry.h"
#include "services/queue/engine/transfers.h"

namespace weir::queue::engine {

enum class MoveTaskState { kRunning, kCompleted, kCancelling, kCancelled, kFailed };

struct MoveTaskStatus {
  std::string id;
  MoveTaskState state = MoveTaskState::kRunning;
  std::string source_arn;
  std::string destination_arn;  // empty: each message's own source
  int32_t max_messages_per_second = 0;
  int64_t moved = 0;
  int64_t to_move = 0;  // ready messages when the task began
  absl::Status failure;  // not OK when kFailed
  absl::Time started_at;
  std::optional<absl::Time> ended_at;  // unset while it runs
};

class MoveTasks {
 public:
  // References must outlive this.
  MoveTasks(Transfers& transfers, ShardRouter& shards, const Clock& clock)
      : transfers_(transfers), shards_(shards), clock_(clock) {}
  ~MoveTasks() { Stop(); }

  // Starts moving; the id is the answer. MOVE_TASK_ALREADY_RUNNING. That the queues fit together is the caller's to check.
  absl::StatusOr<std::string> Start(QueueInfoPtr source, absl::string_view destination_arn,
                                    int32_t max_messages_per_second);
  // The newest first, at most `limit`.
  std::vector<MoveTaskStatus> List(absl::string_view source_arn, size_t limit) const;
  // Answers how many were moved so far. MOVE_TASK_DOES_NOT_EXIST or MOVE_TASK_NOT_RUNNING.
  absl::StatusOr<int64_t> Cancel(absl::string_view id);

  // Cancels what runs and waits for it.
  void Stop();

 private:
  struct Task;
  void Run(std::shared_ptr<Task> task);
  absl::Status MoveLots(Task& task);
  // The ready messages of the queue now.
  absl::StatusOr<int64_t> CountReady(const QueueInfo& source);
  // Takes one lot and waits until each of its messages has moved or not. Answers how many were taken.
  absl::StatusOr<int32_t> MoveLot(Task& task, int32_t limit);
  void Prune() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Constant after construction.
  Transfers& transfers_;
  ShardRouter& shards_;
  const Clock& clock_;

  mutable Mutex mu_;
  std::vector<std::shared_ptr<Task>> tasks_ ABSL_GUARDED_BY(mu_);  // oldest first
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace weir::queue::engine
