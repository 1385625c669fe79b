#include "services/queue/engine/move_tasks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "services/queue/core/command.h"

namespace weir::queue::engine {
namespace {

// Ended tasks that List still knows.
constexpr size_t kEndedTasksKept = 100;
// One lot; at the greatest rate (500 messages/s) a lot is a fifth of a second.
constexpr int32_t kLot = 100;

}  // namespace

struct MoveTasks::Task {
  QueueInfoPtr source;
  std::thread thread;
  Mutex mu;
  MoveTaskStatus status ABSL_GUARDED_BY(mu);
  bool cancelled ABSL_GUARDED_BY(mu) = false;
  int64_t ended ABSL_GUARDED_BY(mu) = 0;  // transfers that moved or did not
  absl::Status failure ABSL_GUARDED_BY(mu);

  bool Running() {
    MutexLock lock(&mu);
    return status.state == MoveTaskState::kRunning || status.state == MoveTaskState::kCancelling;
  }
};

absl::StatusOr<std::string> MoveTasks::Start(QueueInfoPtr source, absl::string_view destination_arn,
                                             int32_t max_messages_per_second) {
  MutexLock lock(&mu_);
  if (stopping_) return MakeError(ErrorReason::kShuttingDown, "This server is stopping; try again.");
  for (const auto& task : tasks_) {
    if (task->source->arn == source->arn && task->Running()) {
      return MakeError(ErrorReason::kMoveTaskAlreadyRunning,
                       "There is already a task running. Only one active task is allowed for a "
                       "source queue arn at a given time.",
                       {{"source_arn", source->arn}});
    }
  }
  Prune();
  auto task = std::make_shared<Task>();
  task->source = std::move(source);
  {
    MutexLock task_lock(&task->mu);
    task->status.id = RandomUuid();
    task->status.source_arn = task->source->arn;
    task->status.destination_arn = std::string(destination_arn);
    task->status.max_messages_per_second = max_messages_per_second;
    task->status.started_at = clock_.Now();
  }
  task->thread = std::thread([this, task] { Run(task); });
  tasks_.push_back(task);
  MutexLock task_lock(&task->mu);
  return task->status.id;
}

void MoveTasks::Prune() {
  size_t ended = 0;
  for (size_t i = tasks_.size(); i-- > 0;) {
    if (tasks_[i]->Running() || ++ended <= kEndedTasksKept) continue;
    tasks_[i]->thread.join();
    tasks_.erase(tasks_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

std::vector<MoveTaskStatus> MoveTasks::List(absl::string_view source_arn, size_t limit) const {
  std::vector<MoveTaskStatus> found;
  MutexLock lock(&mu_);
  for (auto it = tasks_.rbegin(); it != tasks_.rend() && found.size() < limit; ++it) {
    if ((*it)->source->arn != source_arn) continue;
    MutexLock task_lock(&(*it)->mu);
    found.push_back((*it)->status);
  }
  return found;
}

absl::StatusOr<int64_t> MoveTasks::Cancel(absl::string_view id) {
  MutexLock lock(&mu_);
  for (const auto& task : tasks_) {
    MutexLock task_lock(&task->mu);
    if (task->status.id != id) continue;
    if (task->status.state != MoveTaskState::kRunning) {
      return MakeError(ErrorReason::kMoveTaskNotRunning, "The task has already ended.");
    }
    task->status.state = MoveTaskState::kCancelling;
    task->cancelled = true;
    return task->status.moved;
  }
  return MakeError(ErrorReason::kMoveTaskDoesNotExist, "Task does not exist.");
}

void MoveTasks::Stop() {
  std::vector<std::shared_ptr<Task>> tasks;
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    tasks = tasks_;
  }
  for (const auto& task : tasks) {
    {
      MutexLock task_lock(&task->mu);
      task->cancelled = true;
    }
    if (task->thread.joinable()) task->thread.join();
  }
}

void MoveTasks::Run(std::shared_ptr<Task> task) {
  std::string destination_arn;
  {
    MutexLock lock(&task->mu);
    destination_arn = task->status.destination_arn;
  }
  // The listener outlives the task's run when a shard is lost in the middle: hence shared.
  transfers_.AddRedrive(task->source->address.partition,
                        {destination_arn, [task](const absl::Status& outcome) {
                           MutexLock lock(&task->mu);
                           ++task->ended;
                           if (outcome.ok()) {
                             ++task->status.moved;
                           } else if (task->failure.ok()) {
                             task->failure = outcome;
                           }
                         }});
  const absl::Status outcome = MoveLots(*task);
  transfers_.RemoveRedrive(task->source->address.partition);
  MutexLock lock(&task->mu);
  if (!outcome.ok()) {
    task->status.state = MoveTaskState::kFailed;
    task->status.failure = outcome;
  } else {
    task->status.state =
        task->cancelled ? MoveTaskState::kCancelled : MoveTaskState::kCompleted;
  }
  task->status.ended_at = clock_.Now();
}

absl::Status MoveTasks::MoveLots(Task& task) {
  WEIR_ASSIGN_OR_RETURN(const int64_t to_move, CountReady(*task.source));
  int32_t rate = 0;
  {
    MutexLock lock(&task.mu);
    task.status.to_move = to_move;
    rate = task.status.max_messages_per_second;
  }
  int64_t taken = 0;
  while (taken < to_move) {
    const int32_t limit = static_cast<int32_t>(
        std::min<int64_t>({kLot, to_move - taken, rate > 0 ? std::max(rate / 5, 1) : kLot}));
    const absl::Time lot_start = absl::Now();
    WEIR_ASSIGN_OR_RETURN(const int32_t lot, MoveLot(task, limit));
    taken += lot;
    MutexLock lock(&task.mu);
    if (!task.failure.ok()) return task.failure;
    if (task.cancelled || lot == 0) break;
    if (rate > 0 && taken < to_move) {
      const absl::Duration pace = absl::Seconds(1) * lot / rate;
      task.mu.AwaitWithDeadline([&task] { return task.cancelled; }, lot_start + pace);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> MoveTasks::CountReady(const QueueInfo& source) {
  struct Answer {
    Notification done;
    absl::StatusOr<ShardAnswer> stats;
  };
  auto answer = std::make_shared<Answer>();
  shards_.local(source.address.shard)
      .Ask(StatsQuery{{source.address.partition}}, [answer](absl::StatusOr<ShardAnswer> stats) {
        answer->stats = std::move(stats);
        answer->done.Notify();
      });
  answer->done.WaitForNotification();
  if (!answer->stats.ok()) return answer->stats.status();
  return std::get<StatsAnswer>(*answer->stats).stats.at(0).ready;
}

absl::StatusOr<int32_t> MoveTasks::MoveLot(Task& task, int32_t limit) {
  struct Answer {
    Notification done;
    core::Reply reply;
  };
  auto answer = std::make_shared<Answer>();
  int64_t ended_before = 0;
  {
    MutexLock lock(&task.mu);
    ended_before = task.ended;
  }
  WEIR_RETURN_IF_ERROR(
      shards_.local(task.source->address.shard)
          .SubmitInternal(core::TakeForRedrive{task.source->address.partition, task.source->config,
                                               limit},
                          [answer](core::Reply reply) {
                            answer->reply = std::move(reply);
                            answer->done.Notify();
                            return true;
                          })
          .status());
  answer->done.WaitForNotification();
  if (const auto* status = std::get_if<absl::Status>(&answer->reply)) return *status;
  const int32_t taken = std::get<core::TakeReply>(answer->reply).taken;
  // Each transfer is reported once, also when a shard is lost on the way: every sink is called.
  MutexLock lock(&task.mu);
  const auto all_ended = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(task.mu) {
    return task.ended - ended_before >= taken;
  };
  task.mu.Await(all_ended);
  return taken;
}

}  // namespace weir::queue::engine
