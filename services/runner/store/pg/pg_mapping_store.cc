#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "services/runner/store/pg/pg_runner_store.h"
#include "services/runner/store/pg/pg_values.h"

namespace weir::runner::store {
namespace {

std::string SelectMapping() {
  return absl::StrCat(
      "SELECT m.uuid, m.function_id, f.account, f.region, f.name, m.event_source_arn, m.batch_size, "
      "m.maximum_batching_window_s, m.enabled, m.maximum_concurrency, m.report_batch_item_failures, ",
      MicrosOf("m.created_at"), ", ", MicrosOf("m.modified_at"),
      " FROM runner.event_source_mappings m JOIN runner.functions f USING (function_id) ");
}

core::Mapping ReadMapping(const pqxx::row& row) {
  core::Mapping mapping;
  mapping.uuid = row[0].as<std::string>();
  mapping.function = core::FunctionId(row[1].as<int64_t>());
  mapping.function_name = {row[2].as<std::string>(), row[3].as<std::string>(),
                           row[4].as<std::string>()};
  mapping.event_source_arn = row[5].as<std::string>();
  mapping.config.batch_size = row[6].as<int32_t>();
  mapping.config.maximum_batching_window = absl::Seconds(row[7].as<int64_t>());
  mapping.config.enabled = row[8].as<bool>();
  mapping.config.maximum_concurrency = row[9].as<int32_t>();
  mapping.config.report_batch_item_failures = row[10].as<bool>();
  mapping.created_at = FromMicros(row[11].as<int64_t>());
  mapping.modified_at = FromMicros(row[12].as<int64_t>());
  return mapping;
}

absl::Status DoesNotExist(absl::string_view uuid) {
  return MakeError(ErrorReason::kMappingDoesNotExist,
                   absl::StrCat("Event source mapping \"", uuid, "\" does not exist."),
                   {{"uuid", std::string(uuid)}});
}

// Holds the function against being deleted until the transaction ends.
absl::Status LockFunction(pqxx::work& tx, const core::Mapping& mapping) {
  const pqxx::result rows = tx.exec_params(
      "SELECT FROM runner.functions WHERE function_id = $1 FOR KEY SHARE", mapping.function.value());
  if (!rows.empty()) return absl::OkStatus();
  return MakeError(ErrorReason::kFunctionDoesNotExist,
                   absl::StrCat("Function \"", mapping.function_name.name, "\" does not exist in account ",
                                mapping.function_name.account, ", region ",
                                mapping.function_name.region, "."),
                   {{"function", mapping.function_name.name}});
}

absl::Status AlreadyExists(const core::Mapping& mapping, const std::string& uuid) {
  return MakeError(ErrorReason::kMappingAlreadyExists,
                   absl::StrCat("Function \"", mapping.function_name.name, "\" is fed from ",
                                mapping.event_source_arn, " by event source mapping ", uuid,
                                " already."),
                   {{"uuid", uuid}});
}

// UUID of another mapping of the same function and queue; empty: there is none.
std::string OtherMapping(pqxx::work& tx, const core::Mapping& mapping) {
  const pqxx::result rows = tx.exec_params(
      "SELECT uuid FROM runner.event_source_mappings WHERE function_id = $1 AND "
      "event_source_arn = $2 AND uuid <> $3",
      mapping.function.value(), mapping.event_source_arn, mapping.uuid);
  return rows.empty() ? std::string() : rows[0][0].as<std::string>();
}

}  // namespace

absl::Status PgMappingStore::CreateMapping(const core::Mapping& mapping, absl::Time deadline) {
  return pool_.Run(deadline, [&](pqxx::work& tx) -> absl::Status {
    WEIR_RETURN_IF_ERROR(LockFunction(tx, mapping));
    const core::MappingConfig& config = mapping.config;
    const pqxx::result inserted = tx.exec_params(
        "INSERT INTO runner.event_source_mappings (uuid, function_id, event_source_arn, batch_size, "
        "maximum_batching_window_s, enabled, maximum_concurrency, report_batch_item_failures, "
        "created_at, modified_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
        "ON CONFLICT DO NOTHING",
        mapping.uuid, mapping.function.value(), mapping.event_source_arn, config.batch_size,
        absl::ToInt64Seconds(config.maximum_batching_window), config.enabled,
        config.maximum_concurrency, config.report_batch_item_failures,
        ToTimestamp(mapping.created_at), ToTimestamp(mapping.modified_at));
    if (inserted.affected_rows() == 1) return absl::OkStatus();
    return AlreadyExists(mapping, OtherMapping(tx, mapping));
  });
}

absl::StatusOr<core::Mapping> PgMappingStore::FindMapping(absl::string_view uuid,
                                                          absl::Time deadline) {
  core::Mapping mapping;
  WEIR_RETURN_IF_ERROR(pool_.RunReadOnly(deadline, [&](pqxx::work& tx) -> absl::Status {
    const pqxx::result rows = tx.exec_params(SelectMapping() + "WHERE m.uuid = $1", std::string(uuid));
    if (rows.empty()) return DoesNotExist(uuid);
    mapping = ReadMapping(rows[0]);
    return absl::OkStatus();
  }));
  return mapping;
}

absl::StatusOr<std::vector<core::Mapping>> PgMappingStore::ListMappings(const MappingFilter& filter,
                                                                        absl::string_view after,
                                                                        int limit,
                                                                        absl::Time deadline) {
  std::vector<core::Mapping> mappings;
  WEIR_RETURN_IF_ERROR(pool_.RunReadOnly(deadline, [&](pqxx::work& tx) -> absl::Status {
    mappings.clear();
    const pqxx::result rows = tx.exec_params(
        SelectMapping() +
            "WHERE ($1 = '' OR f.account = $1) AND ($2 = '' OR f.region = $2) AND "
            "($3 = '' OR f.name = $3) AND ($4 = '' OR m.event_source_arn = $4) AND m.uuid > $5 "
            "ORDER BY m.uuid LIMIT $6",
        filter.account, filter.region, filter.function_name, filter.event_source_arn,
        std::string(after), limit);
    for (const auto& row : rows) mappings.push_back(ReadMapping(row));
    return absl::OkStatus();
  }));
  return mappings;
}

absl::Status PgMappingStore::UpdateMapping(const core::Mapping& mapping, absl::Time expected,
                                           absl::Time deadline) {
  const absl::Status status = pool_.Run(deadline, [&](pqxx::work& tx) -> absl::Status {
    WEIR_RETURN_IF_ERROR(LockFunction(tx, mapping));
    if (const std::string other = OtherMapping(tx, mapping); !other.empty()) {
      return AlreadyExists(mapping, other);
    }
    const core::MappingConfig& config = mapping.config;
    const pqxx::result rows = tx.exec_params(
        "UPDATE runner.event_source_mappings SET function_id = $3, batch_size = $4, "
        "maximum_batching_window_s = $5, enabled = $6, maximum_concurrency = $7, "
        "report_batch_item_failures = $8, modified_at = $9 WHERE uuid = $1 AND modified_at = $2",
        mapping.uuid, ToTimestamp(expected), mapping.function.value(), config.batch_size,
        absl::ToInt64Seconds(config.maximum_batching_window), config.enabled,
        config.maximum_concurrency, config.report_batch_item_failures,
        ToTimestamp(mapping.modified_at));
    if (rows.affected_rows() == 1) return absl::OkStatus();
    return MakeError(ErrorReason::kConcurrentModification,
                     absl::StrCat("Event source mapping \"", mapping.uuid,
                                  "\" was changed or deleted at the same time."));
  });
  // Somebody bound the same queue to the same function between our look and our write: as if it had been seen.
  if (absl::IsAlreadyExists(status) && ReasonOf(status) == ErrorReason::kUnspecified) {
    return MakeError(ErrorReason::kConcurrentModification, status.message());
  }
  return status;
}

absl::StatusOr<core::Mapping> PgMappingStore::DeleteMapping(absl::string_view uuid,
                                                            absl::Time deadline) {
  core::Mapping mapping;
  WEIR_RETURN_IF_ERROR(pool_.Run(deadline, [&](pqxx::work& tx) -> absl::Status {
    const pqxx::result rows = tx.exec_params(SelectMapping() + "WHERE m.uuid = $1 FOR UPDATE OF m",
                                             std::string(uuid));
    if (rows.empty()) return DoesNotExist(uuid);
    mapping = ReadMapping(rows[0]);
    tx.exec_params("DELETE FROM runner.event_source_mappings WHERE uuid = $1", std::string(uuid));
    return absl::OkStatus();
  }));
  return mapping;
}

}  // namespace weir::runner::store
