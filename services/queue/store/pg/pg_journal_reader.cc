// Sequential scans, a statement and a transaction each: a reader never holds two tables, nor one for long, so that a segment which is
// to be dropped waits for one scan at most.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/substitute.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "services/queue/store/pg/pg_stores.h"
#include "services/queue/store/pg/shard_schema.h"

namespace weir::queue::store {
namespace {

// Of one table.
constexpr absl::Duration kScanTimeout = absl::Seconds(30);
// A drop that waits for somebody else must not make readers wait behind it for long.
constexpr absl::Duration kLockTimeout = absl::Seconds(2);

// Microseconds since 1970, null where there is none.
std::string Micros(absl::string_view column) {
  return absl::StrCat("(extract(epoch FROM ", column, ") * 1000000)::bigint");
}

absl::Time TimeOf(const pqxx::field& field) {
  return field.is_null() ? absl::InfinitePast() : absl::FromUnixMicros(field.as<int64_t>());
}

std::optional<core::TransferId> TransferOf(const pqxx::field& partition, const pqxx::field& seq) {
  if (partition.is_null()) return std::nullopt;
  return core::TransferId{core::PartitionId(partition.as<int64_t>()),
                          core::MessageSeq(seq.as<int64_t>())};
}

JournalRow RowOf(core::ShardId shard, core::SegmentNo segment, const pqxx::row& row) {
  JournalRow found{.shard = shard,
                   .partition = core::PartitionId(row[1].as<int64_t>()),
                   .log_no = core::LogNo(row[0].as<int64_t>()),
                   .dead_letter_source_arn = row[10].as<std::string>(""),
                   .consumer = row[11].as<std::string>("")};
  found.meta.seq = core::MessageSeq(row[2].as<int64_t>());
  found.meta.segment = segment;
  found.meta.sent_at = TimeOf(row[3]);
  found.meta.visible_at = TimeOf(row[4]);
  if (!row[5].is_null()) found.meta.first_received_at = TimeOf(row[5]);
  found.meta.transfer = TransferOf(row[6], row[7]);
  found.meta.receive_count = row[8].as<int32_t>();
  found.meta.in_flight = row[9].as<bool>();
  return found;
}

JournalEvent EventOf(core::ShardId shard, const pqxx::row& row) {
  core::AppendEvent event;
  event.log_no = core::LogNo(row[0].as<int64_t>());
  event.partition = core::PartitionId(row[1].as<int64_t>());
  event.seq = core::MessageSeq(row[2].as<int64_t>());
  event.at = TimeOf(row[3]);
  event.visible_at = TimeOf(row[4]);
  event.receive_count = row[5].as<int32_t>();
  event.kind = static_cast<core::EventKind>(row[6].as<int16_t>());
  event.transfer = TransferOf(row[7], row[8]);
  event.consumer = row[9].as<std::string>("");
  return {shard, std::move(event)};
}

class PgJournalReader final : public JournalReader {
 public:
  explicit PgJournalReader(std::shared_ptr<pg::Pool> pool) : pool_(std::move(pool)) {}

  absl::StatusOr<MessageHistory> FindMessage(absl::string_view message_id,
                                             absl::Time deadline) override {
    MessageHistory history;
    std::vector<core::ShardId> shards;
    WEIR_RETURN_IF_ERROR(Read(
        absl::StrCat("SELECT shard, ", Micros("clock_timestamp()"),
                     " FROM queue.shards ORDER BY shard"),
        deadline, [&](const pqxx::row& row) {
          shards.push_back(core::ShardId(row[0].as<int32_t>()));
          history.now = TimeOf(row[1]);
        }));
    for (const core::ShardId shard : shards) {
      WEIR_RETURN_IF_ERROR(FindInShard(shard, message_id, deadline, history));
    }
    return history;
  }

 private:
  absl::Status FindInShard(core::ShardId shard, absl::string_view message_id, absl::Time deadline,
                           MessageHistory& history) {
    // Retired ones, too, as long as they are there. Oldest first: what is copied forward meanwhile is found in the copy.
    std::vector<core::SegmentNo> segments;
    WEIR_RETURN_IF_ERROR(
        Read(absl::StrCat("SELECT segment FROM ", SegmentsTable(shard), " ORDER BY segment"),
             deadline, [&](const pqxx::row& row) {
               segments.push_back(core::SegmentNo(row[0].as<int32_t>()));
             }));
    const size_t before = history.rows.size();
    for (const core::SegmentNo segment : segments) {
      const std::string sql = absl::Substitute(
          "SELECT log_no, partition_id, seq, $0, $1, $2, source_partition, source_seq,"
          " receive_count, in_flight, dead_letter_source_arn, consumer FROM $3"
          " WHERE message_id = '$4'::uuid",
          Micros("sent_at"), Micros("visible_at"), Micros("first_received_at"),
          MessagesTable(shard, segment), message_id);
      WEIR_RETURN_IF_ERROR(Read(sql, deadline, [&](const pqxx::row& row) {
        history.rows.push_back(RowOf(shard, segment, row));
      }));
    }
    std::set<std::pair<core::PartitionId, core::MessageSeq>> found;
    core::SegmentNo first(std::numeric_limits<int32_t>::max());
    for (size_t i = before; i < history.rows.size(); ++i) {
      found.emplace(history.rows[i].partition, history.rows[i].meta.seq);
      first = std::min(first, history.rows[i].meta.segment);
    }
    if (found.empty()) return absl::OkStatus();
    std::vector<std::string> wanted;
    for (const auto& [partition, seq] : found) {
      wanted.push_back(absl::Substitute("(partition_id = $0 AND (seq = $1 OR (kind = $2 AND seq > $1)))",
                                        partition.value(), seq.value(),
                                        static_cast<int>(core::EventKind::kPurged)));
    }
    for (const core::SegmentNo segment : segments) {
      // Nothing happens to a message before its row is there.
      if (segment < first) continue;
      const std::string sql = absl::Substitute(
          "SELECT log_no, partition_id, seq, $0, $1, receive_count, kind, source_partition,"
          " source_seq, consumer FROM $2 WHERE $3",
          Micros("at"), Micros("visible_at"), EventsTable(shard, segment),
          absl::StrJoin(wanted, " OR "));
      WEIR_RETURN_IF_ERROR(Read(sql, deadline, [&](const pqxx::row& row) {
        history.events.push_back(EventOf(shard, row));
      }));
    }
    return absl::OkStatus();
  }

  // A table that is gone by now has no rows.
  absl::Status Read(const std::string& sql, absl::Time deadline,
                    absl::FunctionRef<void(const pqxx::row&)> visit) {
    return pool_->RunReadOnly(deadline, [&](pqxx::work& tx) -> absl::Status {
      const int64_t left_ms =
          absl::ToInt64Milliseconds(std::min(deadline - absl::Now(), kScanTimeout));
      if (left_ms <= 0) {
        return MakeError(ErrorReason::kStoreUnavailable, "The database did not answer in time.");
      }
      tx.exec(absl::StrCat("SET LOCAL statement_timeout = ", left_ms, "; SET LOCAL lock_timeout = ",
                           absl::ToInt64Milliseconds(kLockTimeout),
                           "; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off"));
      try {
        for (const auto& row : tx.exec(sql)) visit(row);
      } catch (const pqxx::undefined_table&) {
        return absl::OkStatus();
      }
      return absl::OkStatus();
    });
  }

  const std::shared_ptr<pg::Pool> pool_;
};

}  // namespace

std::unique_ptr<JournalReader> NewPgJournalReader(std::shared_ptr<pg::Pool> pool) {
  return std::make_unique<PgJournalReader>(std::move(pool));
}

}  // namespace weir::queue::store
