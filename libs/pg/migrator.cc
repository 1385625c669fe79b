#include "libs/pg/migrator.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/hash.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"

namespace weir::pg {
namespace {

// CREATE IF NOT EXISTS can still collide with another session's, as a unique violation in the catalogue; then theirs is as good.
absl::Status EnsureBookkeeping(Pool& pool, absl::Time deadline) {
  const absl::Status status = pool.Run(deadline, [](pqxx::work& tx) {
    tx.exec("CREATE SCHEMA IF NOT EXISTS weir_meta");
    tx.exec(
        "CREATE TABLE IF NOT EXISTS weir_meta.schema_migrations ("
        " component text NOT NULL, version int NOT NULL, name text NOT NULL, checksum text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (component, version))");
    return absl::OkStatus();
  });
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
}

// How many migrations are applied, after checking that they are ours.
absl::StatusOr<size_t> CheckApplied(pqxx::work& tx, absl::string_view component,
                                    absl::Span<const Migration> migrations) {
  const pqxx::result rows = tx.exec_params(
      "SELECT version, name, checksum FROM weir_meta.schema_migrations WHERE component = $1 "
      "ORDER BY version",
      std::string(component));
  for (const auto& row : rows) {
    const size_t version = row[0].as<size_t>();
    if (version > migrations.size()) {
      return absl::FailedPreconditionError(
          absl::StrCat("The database has version ", version, " of schema \"", component,
                       "\", but this binary knows only up to ", migrations.size(),
                       ": use a newer Weir, or a database of its own."));
    }
    if (row[2].as<std::string>() != Sha256Hex(migrations[version - 1].sql)) {
      return absl::FailedPreconditionError(
          absl::StrCat("Migration ", version, " (", row[1].c_str(), ") of schema \"", component,
                       "\" was applied in another form than this binary has."));
    }
  }
  return rows.size();
}

// Applies the next migration, if there is one. `done` says whether there was none.
absl::Status ApplyNext(Pool& pool, absl::string_view component,
                       absl::Span<const Migration> migrations, absl::Time deadline, bool& done) {
  return pool.Run(deadline, [&](pqxx::work& tx) -> absl::Status {
    tx.exec("LOCK TABLE weir_meta.schema_migrations IN ACCESS EXCLUSIVE MODE");
    WEIR_ASSIGN_OR_RETURN(const size_t applied, CheckApplied(tx, component, migrations));
    done = applied == migrations.size();
    if (done) return absl::OkStatus();
    const Migration& next = migrations[applied];
    tx.exec(std::string(next.sql));
    tx.exec_params(
        "INSERT INTO weir_meta.schema_migrations (component, version, name, checksum) "
        "VALUES ($1, $2, $3, $4)",
        std::string(component), next.version, std::string(next.name), Sha256Hex(next.sql));
    observe::Log(observe::Level::kInfo, "schema migrated",
                 {{"component", std::string(component)},
                  {"version", absl::StrCat(next.version)},
                  {"name", std::string(next.name)}});
    return absl::OkStatus();
  });
}

}  // namespace

absl::Status Migrate(Pool& pool, absl::string_view component,
                     absl::Span<const Migration> migrations, absl::Time deadline) {
  WEIR_RETURN_IF_ERROR(EnsureBookkeeping(pool, deadline));
  bool done = false;
  while (!done) WEIR_RETURN_IF_ERROR(ApplyNext(pool, component, migrations, deadline, done));
  return absl::OkStatus();
}

}  // namespace weir::pg
