#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status_macros.h"
#include "services/runner/store/pg/pg_runner_store.h"
#include "services/runner/store/pg/pg_values.h"

namespace weir::runner::store {
namespace {

// A reader of the whole table (pg_dump) delays the partitions' coming and going, and these delay others: give up early, try later.
constexpr char kLockTimeout[] = "SET LOCAL lock_timeout = '2s'";

std::string DateOf(absl::CivilDay day) {
  return absl::StrFormat("%04d-%02d-%02d", day.year(), day.month(), day.day());
}

std::string PartitionOf(absl::CivilDay day) {
  return absl::StrFormat("log_lines_%04d%02d%02d", day.year(), day.month(), day.day());
}

// The lines as one JSON array: one parameter of one statement, whatever their number.
std::string EncodeLines(absl::Span<const core::LogLine> lines) {
  nlohmann::json array = nlohmann::json::array();
  for (const core::LogLine& line : lines) {
    array.push_back({{"f", line.function.value()},
                     {"t", ToTimestamp(line.logged_at)},
                     {"r", WithoutNul(line.request_id)},
                     {"s", static_cast<int>(line.stream)},
                     {"x", WithoutNul(line.text)}});
  }
  // Lines are UTF-8 by contract; were one not, it would lose bytes rather than hold up all others.
  return array.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Conditions $1 to $5 of every query.
constexpr char kWhere[] =
    "WHERE function_id = $1 AND position > $2 AND position <= $3 AND ($4 = '' OR request_id = $4) "
    "AND logged_at >= $5 ";

std::string SinceOf(const LogQuery& query) {
  return query.since.has_value() ? ToTimestamp(*query.since) : "-infinity";
}

StoredLogLine ReadLine(core::FunctionId function, const pqxx::row& row) {
  StoredLogLine stored;
  stored.position = row[0].as<int64_t>();
  stored.line.function = function;
  stored.line.logged_at = FromMicros(row[1].as<int64_t>());
  stored.line.request_id = row[2].as<std::string>();
  stored.line.stream = static_cast<core::LogStream>(row[3].as<int>());
  stored.line.text = row[4].as<std::string>();
  return stored;
}

}  // namespace

absl::Status PgLogStore::EnsureDay(absl::CivilDay day, absl::Time deadline) {
  {
    MutexLock lock(&mu_);
    if (ensured_day_ == day) return absl::OkStatus();
  }
  const absl::Status status = pool_.Run(deadline, [&](pqxx::work& tx) {
    tx.exec(kLockTimeout);
    tx.exec(absl::StrCat("CREATE TABLE IF NOT EXISTS runner.", PartitionOf(day),
                         " PARTITION OF runner.log_lines FOR VALUES FROM ('", DateOf(day),
                         "') TO ('", DateOf(day + 1), "')"));
    return absl::OkStatus();
  });
  WEIR_RETURN_IF_ERROR(status);
  MutexLock lock(&mu_);
  ensured_day_ = day;
  return absl::OkStatus();
}

absl::Status PgLogStore::AppendLogLines(absl::Span<const core::LogLine> lines, absl::Time now,
                                        absl::Time deadline) {
  const absl::CivilDay today = absl::ToCivilDay(now, absl::UTCTimeZone());
  WEIR_RETURN_IF_ERROR(EnsureDay(today, deadline));
  const std::string json = EncodeLines(lines);
  return pool_.Run(deadline, [&](pqxx::work& tx) {
    tx.exec_params(
        "INSERT INTO runner.log_lines (written_on, function_id, position, logged_at, request_id, "
        "stream, text) SELECT $1::date, f, nextval('runner.log_positions'), t, r, s, x FROM "
        "json_to_recordset($2::json) AS lines(f bigint, t timestamptz, r text, s smallint, x text)",
        DateOf(today), json);
    return absl::OkStatus();
  });
}

absl::StatusOr<int64_t> PgLogStore::LastLogPosition(core::FunctionId function,
                                                    absl::Time deadline) {
  int64_t last = 0;
  WEIR_RETURN_IF_ERROR(pool_.RunReadOnly(deadline, [&](pqxx::work& tx) {
    last = tx.exec_params("SELECT coalesce(max(position), 0) FROM runner.log_lines "
                          "WHERE function_id = $1",
                          function.value())[0][0]
               .as<int64_t>();
    return absl::OkStatus();
  }));
  return last;
}

absl::StatusOr<int64_t> PgLogStore::LogTailStart(const LogQuery& query, int64_t until, int limit,
                                                 absl::Time deadline) {
  int64_t start = 0;
  WEIR_RETURN_IF_ERROR(pool_.RunReadOnly(deadline, [&](pqxx::work& tx) {
    const pqxx::result rows = tx.exec_params(
        absl::StrCat("SELECT coalesce(min(position) - 1, $3::bigint) FROM (SELECT position FROM "
                     "runner.log_lines ",
                     kWhere, "ORDER BY position DESC LIMIT $6) AS tail"),
        query.function.value(), query.after_position, until, query.request_id, SinceOf(query), limit);
    start = rows[0][0].as<int64_t>();
    return absl::OkStatus();
  }));
  return start;
}

absl::StatusOr<std::vector<StoredLogLine>> PgLogStore::ReadLogLines(const LogQuery& query,
                                                                    int64_t until, int limit,
                                                                    absl::Time deadline) {
  std::vector<StoredLogLine> lines;
  WEIR_RETURN_IF_ERROR(pool_.RunReadOnly(deadline, [&](pqxx::work& tx) {
    lines.clear();
    const pqxx::result rows = tx.exec_params(
        absl::StrCat("SELECT position, ", MicrosOf("logged_at"),
                     ", request_id, stream, text FROM runner.log_lines ", kWhere,
                     "ORDER BY position LIMIT $6"),
        query.function.value(), query.after_position, until, query.request_id, SinceOf(query), limit);
    for (const auto& row : rows) lines.push_back(ReadLine(query.function, row));
    return absl::OkStatus();
  }));
  return lines;
}

absl::Status PgLogStore::TrimLogs(absl::Time before, absl::Time deadline) {
  const std::string first_kept = PartitionOf(absl::ToCivilDay(before, absl::UTCTimeZone()));
  std::vector<std::string> old;
  WEIR_RETURN_IF_ERROR(pool_.RunReadOnly(deadline, [&](pqxx::work& tx) {
    old.clear();
    // The names sort as the days do.
    const pqxx::result rows = tx.exec_params(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'runner.log_lines'::regclass AND c.relname COLLATE \"C\" < $1",
        first_kept);
    for (const auto& row : rows) old.push_back(row[0].as<std::string>());
    return absl::OkStatus();
  }));
  for (const std::string& partition : old) {
    WEIR_RETURN_IF_ERROR(pool_.Run(deadline, [&](pqxx::work& tx) {
      tx.exec(kLockTimeout);
      tx.exec(absl::StrCat("DROP TABLE IF EXISTS runner.", partition));
      return absl::OkStatus();
    }));
  }
  return absl::OkStatus();
}

}  // namespace weir::runner::store
