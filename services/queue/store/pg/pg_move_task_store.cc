#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "services/queue/store/pg/pg_stores.h"
#include "services/queue/store/store_errors.h"

namespace weir::queue::store {
namespace {

// Tasks `t` with their parts, in this order.
constexpr char kTaskColumns[] =
    "SELECT t.task_id, t.queue_id, t.source_arn, coalesce(t.destination_arn, ''),"
    " coalesce(t.max_messages_per_second, 0), t.state, t.failure_reason, t.failure_message,"
    " (extract(epoch FROM t.started_at) * 1000000)::bigint,"
    " (extract(epoch FROM t.ended_at) * 1000000)::bigint,"
    " p.partition_id, p.shard, p.epoch, p.to_move, p.moved, p.done";
constexpr int kPartColumn = 10;

// PostgreSQL refuses to compare anything else with a uuid.
bool IsUuid(absl::string_view id) {
  if (id.size() != 36) return false;
  for (size_t i = 0; i < id.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? id[i] != '-' : !absl::ascii_isxdigit(static_cast<unsigned char>(id[i]))) return false;
  }
  return true;
}

MoveTaskPart PartOf(const pqxx::row& row, int first) {
  MoveTaskPart part{.partition = core::PartitionId(row[first].as<int64_t>()),
                    .shard = core::ShardId(row[first + 1].as<int32_t>()),
                    .epoch = core::Epoch(row[first + 2].as<int64_t>()),
                    .moved = row[first + 4].as<int64_t>(),
                    .done = row[first + 5].as<bool>()};
  if (!row[first + 3].is_null()) part.to_move = row[first + 3].as<int64_t>();
  return part;
}

MoveTaskRecord TaskOf(const pqxx::row& row) {
  MoveTaskRecord task{.id = row[0].as<std::string>(),
                      .source = core::QueueId(row[1].as<int64_t>()),
                      .source_arn = row[2].as<std::string>(),
                      .destination_arn = row[3].as<std::string>(),
                      .max_messages_per_second = row[4].as<int32_t>(),
                      .state = static_cast<MoveTaskState>(row[5].as<int16_t>()),
                      .started_at = absl::FromUnixMicros(row[8].as<int64_t>())};
  if (!row[6].is_null()) {
    task.failure = MakeError(static_cast<ErrorReason>(row[6].as<int>()), row[7].as<std::string>());
  }
  if (!row[9].is_null()) task.ended_at = absl::FromUnixMicros(row[9].as<int64_t>());
  return task;
}

// `rows` of kTaskColumns, a task's together.
std::vector<MoveTaskRecord> TasksOf(const pqxx::result& rows) {
  std::vector<MoveTaskRecord> tasks;
  for (const auto& row : rows) {
    if (tasks.empty() || tasks.back().id != row[0].as<std::string>()) tasks.push_back(TaskOf(row));
    tasks.back().parts.push_back(PartOf(row, kPartColumn));
  }
  return tasks;
}

// Those that run at this moment are left for later: nobody waits for anybody.
void ForgetOld(pqxx::work& tx, core::QueueId source) {
  tx.exec_params(
      "DELETE FROM queue.move_tasks WHERE task_id IN (SELECT task_id FROM queue.move_tasks"
      " WHERE ended_at < now() - $2 * interval '1 microsecond' OR ended_at IS NOT NULL AND queue_id = $1"
      " AND number <= (SELECT number FROM queue.move_tasks WHERE queue_id = $1 AND ended_at IS NOT NULL"
      " ORDER BY number DESC OFFSET $3 LIMIT 1) FOR UPDATE SKIP LOCKED)",
      source.value(), absl::ToInt64Microseconds(kMoveTaskKeptFor), kMoveTasksKept);
}

// Moves as arrays, one a column.
struct MoveParams {
  explicit MoveParams(absl::Span<const MoveProgress> moves) {
    const auto column = [&](auto format) {
      return absl::StrCat("{", absl::StrJoin(moves, ",", [&](std::string* out, const MoveProgress& move) {
                            absl::StrAppend(out, format(move));
                          }), "}");
    };
    tasks = column([](const MoveProgress& move) { return move.task; });
    partitions = column([](const MoveProgress& move) { return move.partition.value(); });
    epochs = column([](const MoveProgress& move) { return move.epoch.value(); });
    to_move = column([](const MoveProgress& move) {
      return move.to_move.has_value() ? absl::StrCat(*move.to_move) : std::string("NULL");
    });
    moved = column([](const MoveProgress& move) { return move.moved; });
    done = column([](const MoveProgress& move) { return move.done ? "t" : "f"; });
  }

  std::string tasks;
  std::string partitions;
  std::string epochs;
  std::string to_move;
  std::string moved;
  std::string done;
};

// The ids of the tasks of which a part ends, as an array.
std::string EndingTasks(absl::Span<const MoveProgress> moves) {
  std::set<std::string> ending;
  for (const MoveProgress& move : moves) {
    if (move.done) ending.insert(move.task);
  }
  return absl::StrCat("{", absl::StrJoin(ending, ","), "}");
}

class PgMoveTaskStore final : public MoveTaskStore {
 public:
  explicit PgMoveTaskStore(std::shared_ptr<pg::Pool> pool) : pool_(std::move(pool)) {}

  absl::Status StartMoveTask(const NewMoveTask& task, absl::Time deadline) override {
    return RunUntil(*pool_, deadline, [&](pqxx::work& tx) -> absl::Status {
      // Held to the end, so that who deletes the queue finds the task.
      const pqxx::result source = tx.exec_params(
          "SELECT 1 FROM queue.queues WHERE queue_id = $1 FOR KEY SHARE", task.source.value());
      if (source.empty()) return NoSuchQueueError(task.source);
      ForgetOld(tx, task.source);
      const pqxx::result made = tx.exec_params(
          "INSERT INTO queue.move_tasks (task_id, queue_id, source_arn, destination_arn,"
          " max_messages_per_second) VALUES ($1, $2, $3, nullif($4, ''), nullif($5, 0))"
          " ON CONFLICT (queue_id) WHERE ended_at IS NULL DO NOTHING RETURNING 1",
          task.id, task.source.value(), task.source_arn, task.destination_arn,
          task.max_messages_per_second);
      if (made.empty()) return MoveTaskRunsError(task.source_arn);
      for (const core::PartitionAddress& address : task.partitions) {
        tx.exec_params("INSERT INTO queue.move_task_parts (task_id, partition_id, shard) VALUES ($1, $2, $3)",
                       task.id, address.partition.value(), address.shard.value());
      }
      return absl::OkStatus();
    });
  }

  absl::StatusOr<MoveTaskRecord> CancelMoveTask(absl::string_view id, absl::string_view source_arn,
                                                absl::Time deadline) override {
    if (!IsUuid(id)) return NoSuchMoveTaskError();
    std::vector<MoveTaskRecord> tasks;
    WEIR_RETURN_IF_ERROR(RunUntil(*pool_, deadline, [&](pqxx::work& tx) -> absl::Status {
      const pqxx::result task = tx.exec_params(
          "SELECT state FROM queue.move_tasks WHERE task_id = $1 AND source_arn = $2 FOR NO KEY UPDATE", std::string(id),
          std::string(source_arn));
      if (task.empty()) return NoSuchMoveTaskError();
      const auto state = static_cast<MoveTaskState>(task[0][0].as<int16_t>());
      if (state != MoveTaskState::kRunning) return MoveTaskEndedError(state);
      tx.exec_params("UPDATE queue.move_tasks SET state = $2 WHERE task_id = $1", std::string(id),
                     static_cast<int>(MoveTaskState::kCancelling));
      tasks = TasksOf(tx.exec_params(
          absl::StrCat(kTaskColumns, " FROM queue.move_tasks t JOIN queue.move_task_parts p USING (task_id)"
                                     " WHERE task_id = $1 ORDER BY p.partition_id"),
          std::string(id)));
      return absl::OkStatus();
    }));
    return std::move(tasks.at(0));
  }

  absl::Status FailMoveTask(absl::string_view id, const absl::Status& failure,
                            absl::Time deadline) override {
    return RunUntil(*pool_, deadline, [&](pqxx::work& tx) {
      tx.exec_params(
          "UPDATE queue.move_tasks SET state = $2, failure_reason = $3, failure_message = $4,"
          " ended_at = clock_timestamp() WHERE task_id = $1 AND ended_at IS NULL",
          std::string(id), static_cast<int>(MoveTaskState::kFailed),
          static_cast<int>(ReasonOf(failure)), std::string(failure.message()));
      return absl::OkStatus();
    });
  }

  absl::StatusOr<std::vector<MoveTaskRecord>> ListMoveTasks(core::QueueId source, size_t limit,
                                                            absl::Time deadline) override {
    std::vector<MoveTaskRecord> tasks;
    WEIR_RETURN_IF_ERROR(ReadUntil(*pool_, deadline, [&](pqxx::work& tx) {
      tasks = TasksOf(tx.exec_params(
          absl::StrCat(kTaskColumns,
                       " FROM (SELECT * FROM queue.move_tasks WHERE queue_id = $1"
                       " ORDER BY number DESC LIMIT $2) t JOIN queue.move_task_parts p USING (task_id)"
                       " ORDER BY t.number DESC, p.partition_id"),
          source.value(), limit));
      return absl::OkStatus();
    }));
    return tasks;
  }

  absl::StatusOr<std::vector<MoveTaskRecord>> ListActiveMoveTasks(absl::Time deadline) override {
    std::vector<MoveTaskRecord> tasks;
    WEIR_RETURN_IF_ERROR(ReadUntil(*pool_, deadline, [&](pqxx::work& tx) {
      tasks = TasksOf(tx.exec(
          absl::StrCat(kTaskColumns, " FROM queue.move_tasks t JOIN queue.move_task_parts p USING (task_id)"
                                     " WHERE t.ended_at IS NULL ORDER BY t.number, p.partition_id")));
      return absl::OkStatus();
    }));
    return tasks;
  }

  absl::StatusOr<MoveTaskPart> ClaimMovePart(absl::string_view task, core::PartitionId partition,
                                             core::Epoch epoch, absl::Time deadline) override {
    std::optional<MoveTaskPart> part;
    WEIR_RETURN_IF_ERROR(RunUntil(*pool_, deadline, [&](pqxx::work& tx) -> absl::Status {
      // The row may have been claimed by a newer owner while this waited for it, which a look at the shard does not tell.
      const pqxx::result claimed = tx.exec_params(
          "UPDATE queue.move_task_parts p SET epoch = $3"
          " WHERE p.task_id = $1 AND p.partition_id = $2 AND NOT p.done AND p.epoch <= $3"
          " AND EXISTS (SELECT 1 FROM queue.move_tasks t WHERE t.task_id = p.task_id AND t.ended_at IS NULL)"
          " AND EXISTS (SELECT 1 FROM queue.shards s WHERE s.shard = p.shard AND s.epoch = $3)"
          " RETURNING p.partition_id, p.shard, p.epoch, p.to_move, p.moved, p.done",
          std::string(task), partition.value(), epoch.value());
      if (claimed.empty()) return WhyNotClaimed(tx, task, partition, epoch);
      part = PartOf(claimed[0], 0);
      return absl::OkStatus();
    }));
    return *part;
  }

  absl::StatusOr<std::vector<bool>> NoteMoves(absl::Span<const MoveProgress> moves,
                                              absl::Time deadline) override {
    const MoveParams params(moves);
    const std::string ending = EndingTasks(moves);
    std::set<std::pair<std::string, int64_t>> found;
    WEIR_RETURN_IF_ERROR(RunUntil(*pool_, deadline, [&](pqxx::work& tx) {
      found.clear();
      // Owners that end parts of one task do it one after the other, so that the last of them sees that it is the last.
      tx.exec_params(
          "SELECT 1 FROM queue.move_tasks WHERE task_id = ANY($1::uuid[]) ORDER BY task_id FOR NO KEY UPDATE",
          ending);
      const pqxx::result noted = tx.exec_params(
          "UPDATE queue.move_task_parts p SET to_move = m.to_move, moved = m.moved, done = p.done OR m.done"
          " FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[])"
          " AS m(task_id, partition_id, epoch, to_move, moved, done)"
          " WHERE p.task_id = m.task_id AND p.partition_id = m.partition_id AND p.epoch = m.epoch"
          " AND (NOT m.done OR EXISTS (SELECT 1 FROM queue.shards s WHERE s.shard = p.shard AND s.epoch = m.epoch))"
          " RETURNING p.task_id, p.partition_id",
          params.tasks, params.partitions, params.epochs, params.to_move, params.moved, params.done);
      for (const auto& row : noted) found.emplace(row[0].as<std::string>(), row[1].as<int64_t>());
      tx.exec_params(
          "UPDATE queue.move_tasks t SET state = CASE state WHEN $2 THEN $3::smallint ELSE $4 END,"
          " ended_at = clock_timestamp() WHERE task_id = ANY($1::uuid[]) AND ended_at IS NULL"
          " AND NOT EXISTS (SELECT 1 FROM queue.move_task_parts p WHERE p.task_id = t.task_id AND NOT p.done)",
          ending, static_cast<int>(MoveTaskState::kCancelling), static_cast<int>(MoveTaskState::kCancelled),
          static_cast<int>(MoveTaskState::kCompleted));
      return absl::OkStatus();
    }));
    std::vector<bool> answer;
    for (const MoveProgress& move : moves) answer.push_back(found.contains({move.task, move.partition.value()}));
    return answer;
  }

 private:
  static absl::Status WhyNotClaimed(pqxx::work& tx, absl::string_view task, core::PartitionId partition,
                                    core::Epoch epoch) {
    const pqxx::result part = tx.exec_params(
        "SELECT p.shard FROM queue.move_task_parts p JOIN queue.move_tasks t USING (task_id)"
        " WHERE p.task_id = $1 AND p.partition_id = $2 AND NOT p.done AND t.ended_at IS NULL",
        std::string(task), partition.value());
    if (part.empty()) return NoSuchMovePartError();
    return FencedError(core::ShardId(part[0][0].as<int32_t>()), epoch);
  }

  const std::shared_ptr<pg::Pool> pool_;
};

}  // namespace

std::unique_ptr<MoveTaskStore> NewPgMoveTaskStore(std::shared_ptr<pg::Pool> pool) {
  return std::make_unique<PgMoveTaskStore>(std::move(pool));
}

}  // namespace weir::queue::store
