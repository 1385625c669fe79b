// MemoryQueueStore's move tasks.
#include <algorithm>

#include "services/queue/store/memory/memory_database.h"
#include "services/queue/store/memory/memory_queue_store.h"
#include "services/queue/store/store_errors.h"

namespace weir::queue::store {
namespace {

MoveTaskPart* FindPart(MoveTaskRecord& task, core::PartitionId partition) {
  const auto it = std::find_if(task.parts.begin(), task.parts.end(),
                               [&](const MoveTaskPart& part) { return part.partition == partition; });
  return it == task.parts.end() ? nullptr : &*it;
}

// Those of `source` beyond the newest, and those of any queue that are too old.
void ForgetOld(std::vector<MoveTaskRecord>& tasks, core::QueueId source, absl::Time now) {
  int kept = 0;
  for (size_t i = tasks.size(); i-- > 0;) {
    const MoveTaskRecord& task = tasks[i];
    if (IsActive(task.state)) continue;
    const bool too_many = task.source == source && ++kept > kMoveTasksKept;
    if (!too_many && *task.ended_at >= now - kMoveTaskKeptFor) continue;
    tasks.erase(tasks.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace

MoveTaskRecord* MemoryDatabase::FindMoveTask(absl::string_view id) {
  const auto it = std::find_if(move_tasks.begin(), move_tasks.end(),
                               [&](const MoveTaskRecord& task) { return task.id == id; });
  return it == move_tasks.end() ? nullptr : &*it;
}

void MemoryDatabase::EndMoveTask(MoveTaskRecord& task, MoveTaskState state,
                                 const absl::Status& failure) {
  task.state = state;
  task.failure = failure;
  task.ended_at = Now();
}

absl::Status MemoryQueueStore::StartMoveTask(const NewMoveTask& task, absl::Time) {
  MutexLock lock(&db_->mu);
  if (!db_->queues.contains(task.source)) return NoSuchQueueError(task.source);
  for (const MoveTaskRecord& other : db_->move_tasks) {
    if (other.source == task.source && IsActive(other.state)) return MoveTaskRunsError(task.source_arn);
  }
  ForgetOld(db_->move_tasks, task.source, db_->Now());
  MoveTaskRecord record{.id = task.id,
                        .source = task.source,
                        .source_arn = task.source_arn,
                        .destination_arn = task.destination_arn,
                        .max_messages_per_second = task.max_messages_per_second,
                        .started_at = db_->Now()};
  for (const core::PartitionAddress& address : task.partitions) {
    record.parts.push_back({.partition = address.partition, .shard = address.shard});
  }
  std::sort(record.parts.begin(), record.parts.end(),
            [](const auto& a, const auto& b) { return a.partition < b.partition; });
  db_->move_tasks.push_back(std::move(record));
  return absl::OkStatus();
}

absl::StatusOr<MoveTaskRecord> MemoryQueueStore::CancelMoveTask(absl::string_view id, absl::string_view source_arn,
                                                                absl::Time) {
  MutexLock lock(&db_->mu);
  MoveTaskRecord* task = db_->FindMoveTask(id);
  if (task == nullptr || task->source_arn != source_arn) return NoSuchMoveTaskError();
  if (task->state != MoveTaskState::kRunning) return MoveTaskEndedError(task->state);
  task->state = MoveTaskState::kCancelling;
  return *task;
}

absl::Status MemoryQueueStore::FailMoveTask(absl::string_view id, const absl::Status& failure,
                                            absl::Time) {
  MutexLock lock(&db_->mu);
  MoveTaskRecord* task = db_->FindMoveTask(id);
  if (task != nullptr && IsActive(task->state)) {
    db_->EndMoveTask(*task, MoveTaskState::kFailed, MakeError(ReasonOf(failure), failure.message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<MoveTaskRecord>> MemoryQueueStore::ListMoveTasks(core::QueueId source,
                                                                            size_t limit, absl::Time) {
  MutexLock lock(&db_->mu);
  std::vector<MoveTaskRecord> found;
  for (auto it = db_->move_tasks.rbegin(); it != db_->move_tasks.rend() && found.size() < limit; ++it) {
    if (it->source == source) found.push_back(*it);
  }
  return found;
}

absl::StatusOr<std::vector<MoveTaskRecord>> MemoryQueueStore::ListActiveMoveTasks(absl::Time) {
  MutexLock lock(&db_->mu);
  std::vector<MoveTaskRecord> active;
  for (const MoveTaskRecord& task : db_->move_tasks) {
    if (IsActive(task.state)) active.push_back(task);
  }
  return active;
}

absl::StatusOr<MoveTaskPart> MemoryQueueStore::ClaimMovePart(absl::string_view id,
                                                             core::PartitionId partition,
                                                             core::Epoch epoch, absl::Time) {
  MutexLock lock(&db_->mu);
  MoveTaskRecord* task = db_->FindMoveTask(id);
  if (task == nullptr || !IsActive(task->state)) return NoSuchMovePartError();
  MoveTaskPart* part = FindPart(*task, partition);
  if (part == nullptr || part->done) return NoSuchMovePartError();
  if (db_->shards[static_cast<size_t>(part->shard.value())].epoch != epoch) {
    return FencedError(part->shard, epoch);
  }
  part->epoch = epoch;
  return *part;
}

absl::StatusOr<std::vector<bool>> MemoryQueueStore::NoteMoves(absl::Span<const MoveProgress> moves,
                                                              absl::Time) {
  MutexLock lock(&db_->mu);
  std::vector<bool> noted;
  for (const MoveProgress& progress : moves) {
    MoveTaskRecord* task = db_->FindMoveTask(progress.task);
    MoveTaskPart* part = task == nullptr ? nullptr : FindPart(*task, progress.partition);
    const bool ours = part != nullptr && part->epoch == progress.epoch;
    const bool may_end =
        ours && db_->shards[static_cast<size_t>(part->shard.value())].epoch == progress.epoch;
    noted.push_back(ours && (!progress.done || may_end));
    if (!noted.back()) continue;
    part->to_move = progress.to_move;
    part->moved = progress.moved;
    part->done = part->done || progress.done;
    const bool all_done = std::all_of(task->parts.begin(), task->parts.end(),
                                      [](const MoveTaskPart& each) { return each.done; });
    if (!all_done || !IsActive(task->state)) continue;
    db_->EndMoveTask(*task, task->state == MoveTaskState::kRunning ? MoveTaskState::kCompleted
                                                                   : MoveTaskState::kCancelled);
  }
  return noted;
}

}  // namespace weir::queue::store
