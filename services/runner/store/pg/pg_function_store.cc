#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "services/runner/store/pg/pg_runner_store.h"
#include "services/runner/store/pg/pg_values.h"

namespace weir::runner::store {
namespace {

// Deployments of code that are kept: the current one and the one before.
constexpr int kCodesKept = 2;

std::string SelectFunction() {
  return absl::StrCat(
      "SELECT function_id, account, region, name, runtime, handler, timeout_s, memory_mib, "
      "environment::text, concurrency_limit, description, code_sha256, code_bytes, revision, ",
      MicrosOf("created_at"), ", ", MicrosOf("modified_at"), " FROM runner.functions ");
}

core::Function ReadFunction(const pqxx::row& row) {
  core::Function f;
  f.id = core::FunctionId(row[0].as<int64_t>());
  f.name = {row[1].as<std::string>(), row[2].as<std::string>(), row[3].as<std::string>()};
  f.config.runtime = row[4].as<std::string>();
  f.config.handler = row[5].as<std::string>();
  f.config.timeout = absl::Seconds(row[6].as<int64_t>());
  f.config.memory_mib = row[7].as<int32_t>();
  f.config.environment = FromJson(row[8].as<std::string>());
  f.config.concurrency_limit = row[9].as<int32_t>();
  f.config.description = row[10].as<std::string>();
  f.code_sha256 = row[11].as<std::string>();
  f.code_bytes = row[12].as<int64_t>();
  f.revision = core::Revision(row[13].as<int64_t>());
  f.created_at = FromMicros(row[14].as<int64_t>());
  f.modified_at = FromMicros(row[15].as<int64_t>());
  return f;
}

absl::Status DoesNotExist(const core::FunctionName& name) {
  return MakeError(ErrorReason::kFunctionDoesNotExist,
                   absl::StrCat("Function \"", name.name, "\" does not exist in account ",
                                name.account, ", region ", name.region, "."),
                   {{"function", name.name}});
}

void InsertCode(pqxx::work& tx, const core::Function& function, const core::FunctionCode& code) {
  const int64_t id = function.id.value();
  const int64_t revision = function.revision.value();
  const int kind = static_cast<int>(code.kind);
  if (code.kind == core::FunctionCode::Kind::kZip) {
    tx.exec_params(
        "INSERT INTO runner.function_code (function_id, revision, kind, zip) VALUES ($1, $2, $3, $4)",
        id, revision, kind, pqxx::binarystring(code.zip));
    return;
  }
  tx.exec_params("INSERT INTO runner.function_code (function_id, revision, kind) VALUES ($1, $2, $3)",
                 id, revision, kind);
  for (const auto& [path, content] : code.files) {
    tx.exec_params(
        "INSERT INTO runner.function_files (function_id, revision, path, content) "
        "VALUES ($1, $2, $3, $4)",
        id, revision, path, pqxx::binarystring(content));
  }
}

void DeleteOldCode(pqxx::work& tx, core::FunctionId function) {
  tx.exec_params(
      "DELETE FROM runner.function_code WHERE function_id = $1 AND revision NOT IN "
      "(SELECT revision FROM runner.function_code WHERE function_id = $1 "
      " ORDER BY revision DESC LIMIT $2)",
      function.value(), kCodesKept);
}

std::string BytesOf(const pqxx::field& field) { return pqxx::binarystring(field).str(); }

}  // namespace

absl::StatusOr<core::Function> PgFunctionStore::CreateFunction(core::Function function,
                                                               const core::FunctionCode& code,
                                                               absl::Time deadline) {
  WEIR_RETURN_IF_ERROR(pool_.Run(deadline, [&](pqxx::work& tx) -> absl::Status {
    const core::FunctionConfig& config = function.config;
    const pqxx::result rows = tx.exec_params(
        "INSERT INTO runner.functions (account, region, name, runtime, handler, timeout_s, "
        "memory_mib, environment, concurrency_limit, description, code_sha256, code_bytes, revision, "
        "created_at, modified_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
        "$14, $15) ON CONFLICT DO NOTHING RETURNING function_id",
        function.name.account, function.name.region, function.name.name, config.runtime,
        config.handler, absl::ToInt64Seconds(config.timeout), config.memory_mib,
        ToJson(config.environment), config.concurrency_limit, config.description,
        function.code_sha256, function.code_bytes, function.revision.value(),
        ToTimestamp(function.created_at), ToTimestamp(function.modified_at));
    if (rows.empty()) {
      return MakeError(ErrorReason::kFunctionAlreadyExists,
                       absl::StrCat("Function \"", function.name.name, "\" exists already in account ",
                                    function.name.account, ", region ", function.name.region, "."),
                       {{"function", function.name.name}});
    }
    function.id = core::FunctionId(rows[0][0].as<int64_t>());
    InsertCode(tx, function, code);
    return absl::OkStatus();
  }));
  return function;
}

absl::Status PgFunctionStore::UpdateFunction(const core::Function& function,
                                             const core::FunctionCode* code, absl::Time deadline) {
  return pool_.Run(deadline, [&](pqxx::work& tx) -> absl::Status {
    const core::FunctionConfig& config = function.config;
    const pqxx::result rows = tx.exec_params(
        "UPDATE runner.functions SET runtime = $3, handler = $4, timeout_s = $5, memory_mib = $6, "
        "environment = $7, concurrency_limit = $8, description = $9, code_sha256 = $10, "
        "code_bytes = $11, revision = $12, modified_at = $13 "
        "WHERE function_id = $1 AND revision = $2",
        function.id.value(), function.revision.Previous().value(), config.runtime, config.handler,
        absl::ToInt64Seconds(config.timeout), config.memory_mib, ToJson(config.environment),
        config.concurrency_limit, config.description, function.code_sha256, function.code_bytes,
        function.revision.value(), ToTimestamp(function.modified_at));
    if (rows.affected_rows() == 0) {
      return MakeError(ErrorReason::kConcurrentModification,
                       absl::StrCat("Function \"", function.name.name,
                                    "\" was changed or deleted at the same time."));
    }
    if (code != nullptr) {
      InsertCode(tx, function, *code);
      DeleteOldCode(tx, function.id);
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<core::FunctionPtr> PgFunctionStore::FindFunction(const core::FunctionName& name,
                                                                absl::Time deadline) {
  core::FunctionPtr found;
  WEIR_RETURN_IF_ERROR(pool_.RunReadOnly(deadline, [&](pqxx::work& tx) -> absl::Status {
    const pqxx::result rows =
        tx.exec_params(SelectFunction() + "WHERE account = $1 AND region = $2 AND name = $3",
                       name.account, name.region, name.name);
    if (rows.empty()) return DoesNotExist(name);
    found = std::make_shared<core::Function>(ReadFunction(rows[0]));
    return absl::OkStatus();
  }));
  return found;
}

absl::StatusOr<core::FunctionPtr> PgFunctionStore::FindFunction(core::FunctionId id,
                                                                absl::Time deadline) {
  core::FunctionPtr found;
  WEIR_RETURN_IF_ERROR(pool_.RunReadOnly(deadline, [&](pqxx::work& tx) -> absl::Status {
    const pqxx::result rows = tx.exec_params(SelectFunction() + "WHERE function_id = $1", id.value());
    if (rows.empty()) {
      return MakeError(ErrorReason::kFunctionDoesNotExist, "The function has been deleted.");
    }
    found = std::make_shared<core::Function>(ReadFunction(rows[0]));
    return absl::OkStatus();
  }));
  return found;
}

absl::StatusOr<std::vector<core::Function>> PgFunctionStore::ListFunctions(
    const core::FunctionName& after, absl::string_view prefix, int limit, absl::Time deadline) {
  std::vector<core::Function> functions;
  WEIR_RETURN_IF_ERROR(pool_.RunReadOnly(deadline, [&](pqxx::work& tx) -> absl::Status {
    functions.clear();
    const pqxx::result rows = tx.exec_params(
        SelectFunction() +
            "WHERE account = $1 AND region = $2 AND name > $3 AND starts_with(name, $4) "
            "ORDER BY name LIMIT $5",
        after.account, after.region, after.name, std::string(prefix), limit);
    for (const auto& row : rows) functions.push_back(ReadFunction(row));
    return absl::OkStatus();
  }));
  return functions;
}

absl::StatusOr<core::FunctionId> PgFunctionStore::DeleteFunction(const core::FunctionName& name,
                                                                 absl::Time deadline) {
  core::FunctionId id;
  WEIR_RETURN_IF_ERROR(pool_.Run(deadline, [&](pqxx::work& tx) -> absl::Status {
    // Locked, so that no mapping is bound to it meanwhile.
    const pqxx::result rows = tx.exec_params(
        "SELECT function_id FROM runner.functions WHERE account = $1 AND region = $2 AND name = $3 "
        "FOR UPDATE",
        name.account, name.region, name.name);
    if (rows.empty()) return DoesNotExist(name);
    id = core::FunctionId(rows[0][0].as<int64_t>());
    const pqxx::result mappings = tx.exec_params(
        "SELECT uuid, event_source_arn FROM runner.event_source_mappings WHERE function_id = $1 "
        "ORDER BY uuid LIMIT 1",
        id.value());
    if (!mappings.empty()) {
      const std::string uuid = mappings[0][0].as<std::string>();
      return MakeError(ErrorReason::kFunctionInUse,
                       absl::StrCat("Function \"", name.name, "\" is in use: event source mapping ",
                                    uuid, " feeds it from ", mappings[0][1].as<std::string>(),
                                    "; delete the mapping first."),
                       {{"function", name.name}, {"uuid", uuid}});
    }
    tx.exec_params("DELETE FROM runner.functions WHERE function_id = $1", id.value());
    return absl::OkStatus();
  }));
  return id;
}

absl::StatusOr<core::FunctionCode> PgFunctionStore::ReadCode(core::FunctionId function,
                                                             core::Revision revision,
                                                             absl::Time deadline) {
  core::FunctionCode code;
  WEIR_RETURN_IF_ERROR(pool_.RunReadOnly(deadline, [&](pqxx::work& tx) -> absl::Status {
    code = core::FunctionCode();
    const pqxx::result rows = tx.exec_params(
        "SELECT revision, kind, zip FROM runner.function_code WHERE function_id = $1 AND "
        "revision <= $2 ORDER BY revision DESC LIMIT 1",
        function.value(), revision.value());
    if (rows.empty()) {
      return absl::NotFoundError(absl::StrCat("The code of revision ", revision.value(),
                                              " has been replaced or deleted."));
    }
    code.kind = static_cast<core::FunctionCode::Kind>(rows[0][1].as<int>());
    if (code.kind == core::FunctionCode::Kind::kZip) {
      code.zip = BytesOf(rows[0][2]);
      return absl::OkStatus();
    }
    const pqxx::result files = tx.exec_params(
        "SELECT path, content FROM runner.function_files WHERE function_id = $1 AND revision = $2",
        function.value(), rows[0][0].as<int64_t>());
    for (const auto& row : files) code.files[row[0].as<std::string>()] = BytesOf(row[1]);
    return absl::OkStatus();
  }));
  return code;
}

}  // namespace weir::runner::store
