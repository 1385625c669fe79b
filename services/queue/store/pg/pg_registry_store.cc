#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "services/queue/store/pg/pg_stores.h"
#include "services/queue/store/pg/shard_schema.h"
#include "services/queue/store/store_errors.h"

namespace weir::queue::store {
namespace {

// Each shard takes a few entries of PostgreSQL's table of locks, so not all are made at once.
constexpr int kShardsPerTransaction = 32;

constexpr char kSelectQueues[] =
    "SELECT q.queue_id, q.account, q.region, q.name, q.visibility_timeout_s, q.delay_s,"
    " q.retention_s, q.receive_wait_time_s, q.maximum_message_bytes, q.dead_letter_queue_arn,"
    " q.max_receive_count, q.redrive_permission, q.redrive_source_arns,"
    " (extract(epoch FROM q.created_at) * 1000000)::bigint,"
    " (extract(epoch FROM q.updated_at) * 1000000)::bigint, q.version, q.fifo,"
    " q.content_based_deduplication, q.deduplication_scope, q.fifo_throughput_limit,"
    " q.partition_count, q.tag_keys, q.tag_values, q.created_partition_count, q.policy,"
    " q.annotation_keys, q.annotation_values, p.partition_id, p.shard"
    " FROM queue.queues q JOIN queue.partitions p USING (queue_id)";
constexpr int kFifoColumn = 16;
constexpr int kTagColumn = 21;
constexpr int kCreatedColumn = 23;
constexpr int kPolicyColumn = 24;
constexpr int kAnnotationColumn = 25;
constexpr int kPartitionColumn = 27;
constexpr int kShardColumn = 28;

// PostgreSQL's text form of an array.
std::string ArrayLiteral(const std::vector<std::string>& values) {
  std::string out = "{";
  for (const std::string& value : values) {
    absl::StrAppend(&out, out.size() > 1 ? "," : "", "\"");
    for (const char c : value) {
      if (c == '"' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
    out.push_back('"');
  }
  return out + "}";
}

std::vector<std::string> ParseArray(const pqxx::field& field) {
  std::vector<std::string> values;
  pqxx::array_parser parser = field.as_array();
  while (true) {
    auto [what, value] = parser.get_next();
    if (what == pqxx::array_parser::juncture::done) return values;
    if (what == pqxx::array_parser::juncture::string_value) values.push_back(std::move(value));
  }
}

// Tags and annotations are two arrays each.
using Texts = std::map<std::string, std::string>;

Texts TextsOf(const pqxx::field& keys, const pqxx::field& values) {
  std::vector<std::string> key = ParseArray(keys);
  std::vector<std::string> value = ParseArray(values);
  Texts texts;
  for (size_t i = 0; i < key.size(); ++i) texts[std::move(key[i])] = std::move(value[i]);
  return texts;
}

// As parameters.
struct TextsParams {
  explicit TextsParams(const Texts& texts) {
    std::vector<std::string> key;
    std::vector<std::string> value;
    for (const auto& [k, v] : texts) {
      key.push_back(k);
      value.push_back(v);
    }
    keys = ArrayLiteral(key);
    values = ArrayLiteral(value);
  }
  std::string keys;
  std::string values;
};

absl::Duration SecondsOf(const pqxx::field& field) { return absl::Seconds(field.as<int64_t>()); }

QueueRecord RecordOf(const pqxx::row& row) {
  QueueRecord record{.id = core::QueueId(row[0].as<int64_t>()),
                     .name = {.account = row[1].as<std::string>(),
                              .region = row[2].as<std::string>(),
                              .name = row[3].as<std::string>()},
                     .created_at = absl::FromUnixMicros(row[13].as<int64_t>()),
                     .updated_at = absl::FromUnixMicros(row[14].as<int64_t>()),
                     .version = row[15].as<int64_t>()};
  QueueAttributes& attributes = record.attributes;
  attributes.visibility_timeout = SecondsOf(row[4]);
  attributes.delay = SecondsOf(row[5]);
  attributes.retention = SecondsOf(row[6]);
  attributes.receive_wait_time = SecondsOf(row[7]);
  attributes.maximum_message_bytes = row[8].as<int32_t>();
  if (!row[9].is_null()) {
    attributes.redrive_policy = {.dead_letter_queue_arn = row[9].as<std::string>(),
                                 .max_receive_count = row[10].as<int32_t>()};
  }
  if (!row[11].is_null()) {
    attributes.redrive_allow_policy = {
        .permission = static_cast<RedrivePermission>(row[11].as<int16_t>()),
        .source_queue_arns = ParseArray(row[12])};
  }
  attributes.fifo = row[kFifoColumn].as<bool>();
  attributes.content_based_deduplication = row[kFifoColumn + 1].as<bool>();
  attributes.deduplication_scope =
      static_cast<core::DeduplicationScope>(row[kFifoColumn + 2].as<int16_t>());
  attributes.fifo_throughput_limit =
      static_cast<FifoThroughputLimit>(row[kFifoColumn + 3].as<int16_t>());
  attributes.partitions = row[kFifoColumn + 4].as<int32_t>();
  if (!row[kPolicyColumn].is_null()) attributes.policy = row[kPolicyColumn].as<std::string>();
  attributes.annotations = TextsOf(row[kAnnotationColumn], row[kAnnotationColumn + 1]);
  record.tags = TextsOf(row[kTagColumn], row[kTagColumn + 1]);
  record.created_partitions = row[kCreatedColumn].as<int32_t>();
  return record;
}

// `rows` of kSelectQueues, a queue's together and in the order of its partitions.
std::vector<QueueRecord> RecordsOf(const pqxx::result& rows) {
  std::vector<QueueRecord> records;
  for (const auto& row : rows) {
    const core::QueueId id(row[0].as<int64_t>());
    if (records.empty() || records.back().id != id) records.push_back(RecordOf(row));
    records.back().partitions.push_back({core::ShardId(row[kShardColumn].as<int32_t>()),
                                         core::PartitionId(row[kPartitionColumn].as<int64_t>()), id});
  }
  return records;
}

// As parameters, in the order of the columns.
struct AttributeParams {
  explicit AttributeParams(const QueueAttributes& attributes)
      : visibility_timeout_s(absl::ToInt64Seconds(attributes.visibility_timeout)),
        delay_s(absl::ToInt64Seconds(attributes.delay)),
        retention_s(absl::ToInt64Seconds(attributes.retention)),
        receive_wait_time_s(absl::ToInt64Seconds(attributes.receive_wait_time)),
        maximum_message_bytes(attributes.maximum_message_bytes),
        fifo(attributes.fifo),
        content_based_deduplication(attributes.content_based_deduplication),
        deduplication_scope(static_cast<int>(attributes.deduplication_scope)),
        fifo_throughput_limit(static_cast<int>(attributes.fifo_throughput_limit)),
        partition_count{attributes.partitions},
        annotations{attributes.annotations} {
    if (attributes.redrive_policy.has_value()) {
      dead_letter_queue_arn = attributes.redrive_policy->dead_letter_queue_arn;
      max_receive_count = absl::StrCat(attributes.redrive_policy->max_receive_count);
    }
    if (attributes.redrive_allow_policy.has_value()) {
      redrive_permission =
          absl::StrCat(static_cast<int>(attributes.redrive_allow_policy->permission));
      redrive_source_arns = ArrayLiteral(attributes.redrive_allow_policy->source_queue_arns);
    }
    if (!attributes.policy.empty()) policy = attributes.policy;
  }
  // libpqxx passes a null pointer as NULL.
  static const char* OrNull(const std::optional<std::string>& value) {
    return value.has_value() ? value->c_str() : nullptr;
  }

  int64_t visibility_timeout_s;
  int64_t delay_s;
  int64_t retention_s;
  int64_t receive_wait_time_s;
  int32_t maximum_message_bytes;
  std::optional<std::string> dead_letter_queue_arn;
  std::optional<std::string> max_receive_count;
  std::optional<std::string> redrive_permission;
  std::optional<std::string> redrive_source_arns;
  bool fifo;
  bool content_based_deduplication;
  int deduplication_scope;
  int fifo_throughput_limit;
  int32_t partition_count;
  std::optional<std::string> policy;
  TextsParams annotations;
};

// Every change of a queue begins so: changes are serial, and replicas see that there was one.
void RaiseVersion(pqxx::work& tx) {
  tx.exec("UPDATE queue.settings SET registry_version = registry_version + 1");
}

std::optional<QueueRecord> FindQueue(pqxx::work& tx, core::QueueId id) {
  std::vector<QueueRecord> records = RecordsOf(tx.exec_params(
      std::string(kSelectQueues) + " WHERE q.queue_id = $1 ORDER BY p.number", id.value()));
  if (records.empty()) return std::nullopt;
  return std::move(records.front());
}

// The one whose source the queue was.
void FailMoveTask(pqxx::work& tx, core::QueueId source) {
  const pqxx::result task = tx.exec_params(
      "SELECT task_id, source_arn FROM queue.move_tasks WHERE queue_id = $1 AND ended_at IS NULL"
      " FOR NO KEY UPDATE",
      source.value());
  if (task.empty()) return;
  const absl::Status failure = SourceDeletedError(task[0][1].as<std::string>());
  tx.exec_params(
      "UPDATE queue.move_tasks SET state = $2, failure_reason = $3, failure_message = $4,"
      " ended_at = clock_timestamp() WHERE task_id = $1",
      task[0][0].as<std::string>(), static_cast<int>(MoveTaskState::kFailed),
      static_cast<int>(ReasonOf(failure)), std::string(failure.message()));
}

// When the name was deleted is known for kRestMax.
bool NameRests(pqxx::work& tx, const QueueName& name, absl::Duration rest) {
  return !tx.exec_params(
                "SELECT 1 FROM queue.deleted_names WHERE account = $1 AND region = $2 AND name = $3"
                " AND deleted_at > now() - $4 * interval '1 microsecond'",
                name.account, name.region, name.name, absl::ToInt64Microseconds(rest))
              .empty();
}

// The id of the new queue; nothing when its name is taken.
std::optional<core::QueueId> InsertQueue(pqxx::work& tx, const NewQueue& queue) {
  const AttributeParams a(queue.attributes);
  const TextsParams tags(queue.tags);
  const pqxx::result made = tx.exec_params(
      "INSERT INTO queue.queues (account, region, name, visibility_timeout_s, delay_s,"
      " retention_s, receive_wait_time_s, maximum_message_bytes, dead_letter_queue_arn,"
      " max_receive_count, redrive_permission, redrive_source_arns, fifo,"
      " content_based_deduplication, deduplication_scope, fifo_throughput_limit, partition_count,"
      " created_partition_count, tag_keys, tag_values, policy, annotation_keys, annotation_values,"
      " created_at, updated_at, version)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,"
      " $20, $21, $22, $23, now(), now(), 1) ON CONFLICT (account, region, name) DO NOTHING RETURNING queue_id",
      queue.name.account, queue.name.region, queue.name.name, a.visibility_timeout_s, a.delay_s,
      a.retention_s, a.receive_wait_time_s, a.maximum_message_bytes,
      a.OrNull(a.dead_letter_queue_arn), a.OrNull(a.max_receive_count),
      a.OrNull(a.redrive_permission), a.OrNull(a.redrive_source_arns), a.fifo,
      a.content_based_deduplication, a.deduplication_scope, a.fifo_throughput_limit,
      a.partition_count, static_cast<int>(queue.shards.size()), tags.keys, tags.values,
      a.OrNull(a.policy), a.annotations.keys, a.annotations.values);
  if (made.empty()) return std::nullopt;
  return core::QueueId(made[0][0].as<int64_t>());
}

// The numbers of the shards as an array.
std::string ShardsLiteral(absl::Span<const core::ShardId> shards) {
  return absl::StrCat("{", absl::StrJoin(shards, ",",
                                         [](std::string* out, core::ShardId shard) {
                                           absl::StrAppend(out, shard.value());
                                         }),
                      "}");
}

// Partitions of the queue on `shards`, behind those that it has.
absl::Status AddPartitions(pqxx::work& tx, core::QueueId id, absl::Span<const core::ShardId> shards) {
  if (shards.empty()) return absl::OkStatus();
  const std::string literal = ShardsLiteral(shards);
  const pqxx::result unknown = tx.exec_params(
      "SELECT s FROM unnest($1::int[]) s WHERE NOT EXISTS (SELECT FROM queue.shards WHERE shard = s) LIMIT 1",
      literal);
  if (!unknown.empty()) return NoSuchShardError(core::ShardId(unknown[0][0].as<int32_t>()));
  tx.exec_params(
      "INSERT INTO queue.partitions (queue_id, number, shard)"
      " SELECT $1, have.n + s.i - 1, s.shard FROM unnest($2::int[]) WITH ORDINALITY s (shard, i),"
      " (SELECT count(*) AS n FROM queue.partitions WHERE queue_id = $1) have ORDER BY s.i",
      id.value(), literal);
  return absl::OkStatus();
}

class PgRegistryStore final : public RegistryStore {
 public:
  explicit PgRegistryStore(std::shared_ptr<pg::Pool> pool) : pool_(std::move(pool)) {}

  absl::StatusOr<int> EnsureShards(int shard_count, absl::Time deadline) override {
    int stored = 0;
    int made = -1;
    while (made < stored) {
      WEIR_RETURN_IF_ERROR(RunUntil(*pool_, deadline, [&](pqxx::work& tx) {
        // The row's lock keeps replicas that start together apart.
        const pqxx::result settings = tx.exec_params(
            "UPDATE queue.settings SET shard_count = coalesce(shard_count, $1)"
            " RETURNING shard_count",
            shard_count);
        stored = settings[0][0].as<int>();
        made = tx.exec("SELECT count(*) FROM queue.shards")[0][0].as<int>();
        const int end = std::min(stored, made + kShardsPerTransaction);
        for (; made < end; ++made) {
          tx.exec(CreateShardSql(core::ShardId(made)));
          tx.exec_params("INSERT INTO queue.shards (shard) VALUES ($1)", made);
        }
        return absl::OkStatus();
      }));
    }
    return stored;
  }

  absl::StatusOr<QueueRecord> CreateQueue(const NewQueue& queue, absl::Time deadline) override {
    std::optional<QueueRecord> record;
    WEIR_RETURN_IF_ERROR(RunUntil(*pool_, deadline, [&](pqxx::work& tx) -> absl::Status {
      RaiseVersion(tx);
      const std::optional<core::QueueId> id = InsertQueue(tx, queue);
      if (!id.has_value()) return QueueExistsError(queue.name);
      // Asked last: a queue that exists is told as such.
      if (NameRests(tx, queue.name, queue.name_rest)) return NameRestsError(queue.name);
      WEIR_RETURN_IF_ERROR(AddPartitions(tx, *id, queue.shards));
      record = FindQueue(tx, *id);
      return absl::OkStatus();
    }));
    return *std::move(record);
  }

  absl::StatusOr<QueueRecord> UpdateQueue(core::QueueId id, int64_t expected_version,
                                          const QueueAttributes& attributes,
                                          absl::Span<const core::ShardId> added,
                                          absl::Time deadline) override {
    const AttributeParams a(attributes);
    return Change(id, expected_version, deadline, [&](pqxx::work& tx) {
      tx.exec_params(
          "UPDATE queue.queues SET visibility_timeout_s = $2, delay_s = $3, retention_s = $4,"
          " receive_wait_time_s = $5, maximum_message_bytes = $6, dead_letter_queue_arn = $7,"
          " max_receive_count = $8, redrive_permission = $9, redrive_source_arns = $10, fifo = $11,"
          " content_based_deduplication = $12, deduplication_scope = $13,"
          " fifo_throughput_limit = $14, partition_count = $15, policy = $16, annotation_keys = $17,"
          " annotation_values = $18,"
          " updated_at = now(), version = version + 1 WHERE queue_id = $1",
          id.value(), a.visibility_timeout_s, a.delay_s, a.retention_s, a.receive_wait_time_s,
          a.maximum_message_bytes, a.OrNull(a.dead_letter_queue_arn), a.OrNull(a.max_receive_count),
          a.OrNull(a.redrive_permission), a.OrNull(a.redrive_source_arns), a.fifo,
          a.content_based_deduplication, a.deduplication_scope, a.fifo_throughput_limit,
          a.partition_count, a.OrNull(a.policy), a.annotations.keys, a.annotations.values);
      return AddPartitions(tx, id, added);
    });
  }

  absl::StatusOr<QueueRecord> SetTags(core::QueueId id, int64_t expected_version, const Tags& tags,
                                      absl::Time deadline) override {
    const TextsParams params(tags);
    return Change(id, expected_version, deadline, [&](pqxx::work& tx) {
      tx.exec_params(
          "UPDATE queue.queues SET tag_keys = $2, tag_values = $3, version = version + 1"
          " WHERE queue_id = $1",
          id.value(), params.keys, params.values);
      return absl::OkStatus();
    });
  }

  absl::Status DeleteQueue(core::QueueId id, absl::Time deadline) override {
    return RunUntil(*pool_, deadline, [&](pqxx::work& tx) -> absl::Status {
      RaiseVersion(tx);
      const pqxx::result deleted = tx.exec_params(
          "WITH gone AS (DELETE FROM queue.queues WHERE queue_id = $1 RETURNING account, region, name)"
          " INSERT INTO queue.deleted_names SELECT account, region, name, now() FROM gone"
          " ON CONFLICT (account, region, name) DO UPDATE SET deleted_at = excluded.deleted_at",
          id.value());
      if (deleted.affected_rows() == 0) return NoSuchQueueError(id);
      FailMoveTask(tx, id);
      tx.exec_params(
          "DELETE FROM queue.deleted_names WHERE deleted_at < now() - $1 * interval '1 microsecond'",
          absl::ToInt64Microseconds(kRestMax));
      return absl::OkStatus();
    });
  }

  absl::Status BeginPurge(core::QueueId id, absl::Duration rest, absl::Time deadline) override {
    return RunUntil(*pool_, deadline, [&](pqxx::work& tx) -> absl::Status {
      const pqxx::result queue = tx.exec_params(
          "SELECT name, coalesce(purged_at > now() - $2 * interval '1 microsecond', false)"
          " FROM queue.queues WHERE queue_id = $1 FOR UPDATE",
          id.value(), absl::ToInt64Microseconds(rest));
      if (queue.empty()) return NoSuchQueueError(id);
      if (queue[0][1].as<bool>()) return PurgeRestsError(queue[0][0].c_str());
      // By the clock, not by when the transaction began: it may have waited for another purge.
      tx.exec_params("UPDATE queue.queues SET purged_at = clock_timestamp() WHERE queue_id = $1",
                     id.value());
      return absl::OkStatus();
    });
  }

  absl::Status ForgetPurge(core::QueueId id, absl::Time deadline) override {
    return RunUntil(*pool_, deadline, [&](pqxx::work& tx) {
      tx.exec_params("UPDATE queue.queues SET purged_at = NULL WHERE queue_id = $1", id.value());
      return absl::OkStatus();
    });
  }

  absl::StatusOr<std::vector<QueueRecord>> ListQueues(absl::Time deadline) override {
    std::vector<QueueRecord> records;
    WEIR_RETURN_IF_ERROR(ReadUntil(*pool_, deadline, [&](pqxx::work& tx) {
      records = RecordsOf(tx.exec(std::string(kSelectQueues) + " ORDER BY q.queue_id, p.number"));
      return absl::OkStatus();
    }));
    return records;
  }

  absl::StatusOr<int64_t> Version(absl::Time deadline) override {
    int64_t version = 0;
    WEIR_RETURN_IF_ERROR(ReadUntil(*pool_, deadline, [&](pqxx::work& tx) {
      version = tx.exec("SELECT registry_version FROM queue.settings")[0][0].as<int64_t>();
      return absl::OkStatus();
    }));
    return version;
  }

 private:
  // Runs `change` on the queue if it is of the expected version.
  absl::StatusOr<QueueRecord> Change(core::QueueId id, int64_t expected_version, absl::Time deadline,
                                     absl::FunctionRef<absl::Status(pqxx::work&)> change) {
    std::optional<QueueRecord> record;
    WEIR_RETURN_IF_ERROR(RunUntil(*pool_, deadline, [&](pqxx::work& tx) -> absl::Status {
      RaiseVersion(tx);
      record = FindQueue(tx, id);
      if (!record.has_value()) return NoSuchQueueError(id);
      if (record->version != expected_version) return QueueChangedError(id);
      WEIR_RETURN_IF_ERROR(change(tx));
      record = FindQueue(tx, id);
      return absl::OkStatus();
    }));
    return *std::move(record);
  }

  const std::shared_ptr<pg::Pool> pool_;
};

}  // namespace

std::unique_ptr<RegistryStore> NewPgRegistryStore(std::shared_ptr<pg::Pool> pool) {
  return std::make_unique<PgRegistryStore>(std::move(pool));
}

}  // namespace weir::queue::store
