#include "services/queue/engine/move_tasks.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"
#include "services/queue/engine/move_lots.h"
#include "services/queue/engine/move_pace.h"

namespace weir::queue::engine {
namespace {

// So old are the counts that List shows, and so late is a cancel noticed whose hint was lost.
constexpr absl::Duration kNotePeriod = absl::Seconds(1);
// After something that may work later.
constexpr absl::Duration kRetryAfter = absl::Seconds(1);
constexpr absl::Duration kStoreWait = absl::Seconds(2);
// How long a stop waits for the messages that are on the move. Those that take longer arrive, but are not counted.
constexpr absl::Duration kDrainWait = absl::Seconds(5);

bool MayWorkLater(const absl::Status& why) {
  return absl::IsUnavailable(why) || absl::IsResourceExhausted(why) || absl::IsAborted(why) ||
         absl::IsDeadlineExceeded(why) || absl::IsCancelled(why);
}

size_t OpenParts(const store::MoveTaskRecord& task) {
  return static_cast<size_t>(std::count_if(task.parts.begin(), task.parts.end(),
                                           [](const auto& part) { return !part.done; }));
}

}  // namespace

// A part that this replica has claimed.
//
//     counting ──► moving ──► done      it is over: told to the store, then dropped
//         └───────────┴─────► leaving   it is not ours any more: what has moved is told to the store, then it is dropped
struct MoveTasks::Part {
  int64_t moved() const { return moved_before + lots.moved(); }
  store::MoveProgress progress() const { return {task, partition, epoch, to_move, moved(), done}; }
  bool is_new() const { return progress_noted.to_move != to_move || progress_noted.moved != moved() || done; }
  // Not to be put off: what comes next waits for it.
  bool is_urgent() const {
    return done || progress_noted.to_move != to_move || (leaving && is_new() && !lots.busy());
  }

  const std::string task;
  const std::string source_arn;
  const core::PartitionId partition;
  const core::Epoch epoch;
  const int64_t moved_before;  // it was claimed
  std::optional<int64_t> to_move;
  store::MoveProgress progress_noted;
  MovePace pace;
  absl::Duration lot_begun;
  absl::Duration not_before = -absl::InfiniteDuration();
  bool cancelled = false;
  bool dry = false;  // nothing is ready any more
  bool done = false;
  bool leaving = false;
  bool over = false;  // there is nothing more to tell the store
  bool looked_for_queue = false;  // one was not found, so the list of queues was made new; set until a lot moves
  absl::Status failure;  // with which the task is to fail
  ShardEngine& shard;
  MoveLots lots;
};

MoveTasks::MoveTasks(Options options, store::MoveTaskStore& store, Registry& registry,
                     Transfers& transfers, ShardRouter& shards, const Clock& clock)
    : options_(std::move(options)),
      store_(store),
      registry_(registry),
      transfers_(transfers),
      shards_(shards),
      clock_(clock),
      signal_(std::make_shared<Signal>()) {}

MoveTasks::~MoveTasks() { Stop(); }

void MoveTasks::Start() {
  thread_ = std::thread([this] { Run(); });
}

void MoveTasks::Stop() {
  {
    MutexLock lock(&signal_->mu);
    signal_->stopping = true;
  }
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<std::string> MoveTasks::StartTask(const QueueInfo& source,
                                                 absl::string_view destination_arn,
                                                 int32_t max_messages_per_second, absl::Time deadline) {
  const store::NewMoveTask task{.id = RandomUuid(),
                                .source = source.record.id,
                                .source_arn = source.arn,
                                .destination_arn = std::string(destination_arn),
                                .max_messages_per_second = max_messages_per_second,
                                .partitions = source.record.partitions};
  WEIR_RETURN_IF_ERROR(store_.StartMoveTask(task, deadline));
  observe::Log(observe::Level::kInfo, "move task started",
               {{"task", task.id},
                {"source", task.source_arn},
                {"destination", task.destination_arn},
                {"max_messages_per_second", absl::StrCat(max_messages_per_second)}});
  Hint();
  options_.tell_peers();
  return task.id;
}

absl::StatusOr<std::vector<store::MoveTaskRecord>> MoveTasks::List(const QueueInfo& source, size_t limit,
                                                                   absl::Time deadline) {
  return store_.ListMoveTasks(source.record.id, limit, deadline);
}

absl::StatusOr<int64_t> MoveTasks::Cancel(absl::string_view id, absl::string_view source_arn, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const store::MoveTaskRecord task, store_.CancelMoveTask(id, source_arn, deadline));
  observe::Log(observe::Level::kInfo, "move task cancelled", {{"task", task.id}, {"source", task.source_arn}});
  Hint();
  options_.tell_peers();
  return store::MovedBy(task);
}

void MoveTasks::Hint() {
  MutexLock lock(&signal_->mu);
  signal_->look = true;
  signal_->woken = true;
}

absl::Time MoveTasks::StoreDeadline() const { return absl::Now() + kStoreWait; }

void MoveTasks::Run() {
  absl::Duration due = -absl::InfiniteDuration();
  while (true) {
    bool look = false;
    {
      MutexLock lock(&signal_->mu);
      Signal& signal = *signal_;
      const auto woken = [&signal]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(signal.mu) {
        return signal.woken || signal.stopping;
      };
      signal.mu.AwaitWithTimeout(woken, std::max(due - clock_.Monotonic(), absl::ZeroDuration()));
      if (signal.stopping) break;
      signal.woken = false;
      look = std::exchange(signal.look, false);
    }
    const absl::Duration now = clock_.Monotonic();
    if (look || now >= next_look_) next_look_ = Look(now);
    due = absl::InfiniteDuration();
    for (const auto& [partition, part] : parts_) due = std::min(due, Step(*part, now));
    due = std::min(due, Note(now, /*all=*/false));
    due = std::min(due, next_look_);
  }
  Drain();
}

void MoveTasks::Drain() {
  const absl::Time deadline = absl::Now() + kDrainWait;
  const auto at_rest = [this] {
    return std::none_of(parts_.begin(), parts_.end(), [](const auto& part) { return part.second->lots.busy(); });
  };
  while (!at_rest() && absl::Now() < deadline) {
    MutexLock lock(&signal_->mu);
    Signal& signal = *signal_;
    const auto woken = [&signal]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(signal.mu) { return signal.woken; };
    signal.mu.AwaitWithDeadline(woken, deadline);
    signal.woken = false;
  }
  Note(clock_.Monotonic(), /*all=*/true);
  parts_.clear();
}

absl::Duration MoveTasks::Look(absl::Duration now) {
  const auto active = store_.ListActiveMoveTasks(StoreDeadline());
  if (!active.ok()) {
    observe::Log(observe::Level::kWarning, "move tasks not read", {{"error", active.status().ToString()}});
    return now + kRetryAfter;
  }
  bool away = false;
  for (const auto& [partition, part] : parts_) Adjust(*part, *active);
  for (const store::MoveTaskRecord& task : *active) {
    for (const store::MoveTaskPart& part : task.parts) {
      if (part.done || parts_.contains(part.partition)) continue;
      if (shards_.local(part.shard).IsServing()) away = !Claim(task, part) || away;
    }
  }
  return now + (away || !parts_.empty() ? kNotePeriod : options_.period);
}

void MoveTasks::Adjust(Part& part, const std::vector<store::MoveTaskRecord>& active) {
  const auto task = std::find_if(active.begin(), active.end(),
                                 [&](const store::MoveTaskRecord& each) { return each.id == part.task; });
  if (task == active.end()) {
    part.leaving = true;
    return;
  }
  part.cancelled = task->state == store::MoveTaskState::kCancelling;
  part.pace.Set(task->max_messages_per_second, std::max<size_t>(OpenParts(*task), 1));
}

bool MoveTasks::Claim(const store::MoveTaskRecord& task, const store::MoveTaskPart& part) {
  ShardEngine& shard = shards_.local(part.shard);
  const absl::StatusOr<store::MoveTaskPart> claimed =
      store_.ClaimMovePart(task.id, part.partition, shard.epoch(), StoreDeadline());
  if (!claimed.ok()) {
    const ErrorReason reason = ReasonOf(claimed.status());
    // Somebody else knows better, or it has just ended.
    if (reason == ErrorReason::kShardNotOwned || reason == ErrorReason::kMoveTaskNotRunning) return true;
    observe::Log(observe::Level::kWarning, "move task not claimed",
                 {{"task", task.id}, {"error", claimed.status().ToString()}});
    return false;
  }
  const auto wake = [signal = signal_] {
    MutexLock lock(&signal->mu);
    signal->woken = true;
  };
  std::unique_ptr<Part> made(new Part{
      .task = task.id,
      .source_arn = task.source_arn,
      .partition = part.partition,
      .epoch = claimed->epoch,
      .moved_before = claimed->moved,
      .to_move = claimed->to_move,
      .progress_noted = {.to_move = claimed->to_move, .moved = claimed->moved},
      .cancelled = task.state == store::MoveTaskState::kCancelling,
      .shard = shard,
      .lots{transfers_, shard, part.partition, task.destination_arn, wake},
  });
  made->pace.Set(task.max_messages_per_second, OpenParts(task));
  observe::Log(observe::Level::kInfo, "move task runs here",
               {{"task", task.id},
                {"source", task.source_arn},
                {"partition", absl::StrCat(part.partition.value())},
                {"moved", absl::StrCat(claimed->moved)}});
  parts_.emplace(part.partition, std::move(made));
  return true;
}

absl::Duration MoveTasks::Step(Part& part, absl::Duration now) {
  if (part.lots.busy()) return absl::InfiniteDuration();
  TakeEnded(part, now);
  if (!part.shard.IsServing() || part.shard.epoch() != part.epoch) part.leaving = true;
  if (part.leaving || part.done) return absl::InfiniteDuration();
  if (now < part.not_before && !part.cancelled) return part.not_before;
  if (!part.failure.ok()) {
    Fail(part, now);
    return part.not_before;
  }
  if (part.cancelled || part.dry || (part.to_move.has_value() && part.moved() >= *part.to_move)) {
    part.done = true;
    return absl::InfiniteDuration();
  }
  if (!part.to_move.has_value()) {
    part.lots.StartCount();
    return absl::InfiniteDuration();
  }
  // First the store is to know how many there were.
  if (part.progress_noted.to_move != part.to_move) return absl::InfiniteDuration();
  if (now < part.pace.NextLotAt()) return part.pace.NextLotAt();
  const QueueInfoPtr source = registry_.FindByPartition(part.partition);
  if (source == nullptr) {
    Trouble(part, MakeError(ErrorReason::kQueueDoesNotExist, "The source queue does not exist any more."), now);
    return part.not_before;
  }
  part.lot_begun = now;
  part.lots.StartLot(source->config, static_cast<int32_t>(std::min<int64_t>(
                                         part.pace.LotMax(), *part.to_move - part.moved())));
  return absl::InfiniteDuration();
}

void MoveTasks::TakeEnded(Part& part, absl::Duration now) {
  const std::optional<MoveLots::Ended> ended = part.lots.TakeEnded();
  if (!ended.has_value()) return;
  if (!ended->answer.ok()) return Trouble(part, ended->answer.status(), now);
  if (ended->counted) {
    part.to_move = *ended->answer;
    return;
  }
  part.pace.NoteLot(part.lot_begun, *ended->answer);
  part.dry = *ended->answer == 0;
  if (!ended->failure.ok()) return Trouble(part, ended->failure, now);
  part.looked_for_queue = false;
}

void MoveTasks::Trouble(Part& part, const absl::Status& why, absl::Duration now) {
  part.not_before = now + kRetryAfter;
  if (MayWorkLater(why)) {
    observe::Log(observe::Level::kInfo, "move task put off", {{"task", part.task}, {"why", why.ToString()}});
    return;
  }
  // Another replica may have made the queue a moment ago.
  if (ReasonOf(why) == ErrorReason::kQueueDoesNotExist && !part.looked_for_queue) {
    part.looked_for_queue = registry_.Refresh(StoreDeadline()).ok();
    if (part.looked_for_queue) part.not_before = now;
    return;
  }
  part.failure = ReasonOf(why) == ErrorReason::kUnspecified ? MakeError(ErrorReason::kInternal, why.message()) : why;
  Fail(part, now);
}

void MoveTasks::Fail(Part& part, absl::Duration now) {
  const absl::Status told = store_.FailMoveTask(part.task, part.failure, StoreDeadline());
  if (!told.ok()) {
    part.not_before = now + kRetryAfter;
    return;
  }
  part.leaving = true;
  part.not_before = -absl::InfiniteDuration();
  observe::Log(observe::Level::kWarning, "move task failed",
               {{"task", part.task}, {"source", part.source_arn}, {"error", part.failure.ToString()}});
}

absl::Duration MoveTasks::Note(absl::Duration now, bool all) {
  bool urgent = all;
  std::vector<Part*> parts;
  std::vector<store::MoveProgress> moves;
  for (const auto& [partition, part] : parts_) {
    urgent = urgent || part->is_urgent();
    if (part->over || !part->is_new()) continue;
    parts.push_back(part.get());
    moves.push_back(part->progress());
  }
  if (!moves.empty()) {
    if (!all && now < next_note_ && (!urgent || store_away_)) return next_note_;
    const absl::StatusOr<std::vector<bool>> noted = store_.NoteMoves(moves, StoreDeadline());
    next_note_ = now + kNotePeriod;
    store_away_ = !noted.ok();
    if (!noted.ok()) {
      observe::Log(observe::Level::kWarning, "moves not noted", {{"error", noted.status().ToString()}});
      return next_note_;
    }
    TakeNoted(parts, moves, *noted);
  }
  DropEnded();
  return moves.empty() || !urgent ? absl::InfiniteDuration() : now;
}

void MoveTasks::TakeNoted(const std::vector<Part*>& parts, const std::vector<store::MoveProgress>& moves,
                          const std::vector<bool>& noted) {
  for (size_t i = 0; i < parts.size(); ++i) {
    Part& part = *parts[i];
    part.progress_noted = moves[i];
    part.over = moves[i].done || !noted[i];
    if (!noted[i]) part.leaving = true;
    if (!noted[i] || !moves[i].done) continue;
    observe::Log(observe::Level::kInfo, "move task done here",
                 {{"task", part.task},
                  {"source", part.source_arn},
                  {"partition", absl::StrCat(part.partition.value())},
                  {"moved", absl::StrCat(moves[i].moved)},
                  {"to_move", absl::StrCat(moves[i].to_move.value_or(0))},
                  {"cancelled", part.cancelled ? "true" : "false"}});
  }
}

void MoveTasks::DropEnded() {
  const size_t dropped = std::erase_if(parts_, [](const auto& entry) {
    const Part& part = *entry.second;
    return !part.lots.busy() && (part.over || (part.leaving && !part.is_new()));
  });
  // The partition may have another part to run, or the same one under another epoch.
  if (dropped > 0) next_look_ = -absl::InfiniteDuration();
}

}  // namespace weir::queue::engine
