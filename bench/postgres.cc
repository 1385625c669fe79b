#include "bench/postgres.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace weir::bench {

absl::StatusOr<std::unique_ptr<Postgres>> Postgres::Connect(const std::string& database_url) {
  Connection connection(PQconnectdb(database_url.c_str()), PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return absl::UnavailableError(
        absl::StrCat("Cannot connect to PostgreSQL: ", PQerrorMessage(connection.get())));
  }
  return std::unique_ptr<Postgres>(new Postgres(std::move(connection)));
}

absl::StatusOr<Postgres::Result> Postgres::Check(PGresult* raw) {
  Result result(raw, PQclear);
  const ExecStatusType status = PQresultStatus(raw);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return result;
  return absl::UnavailableError(
      absl::StrCat("PostgreSQL answered: ", PQerrorMessage(connection_.get())));
}

absl::StatusOr<Postgres::Result> Postgres::Run(const std::string& sql) {
  return Check(PQexec(connection_.get(), sql.c_str()));
}

absl::Status Postgres::Prepare(const std::string& name, const std::string& sql) {
  return Check(PQprepare(connection_.get(), name.c_str(), sql.c_str(), 0, nullptr)).status();
}

absl::StatusOr<Postgres::Result> Postgres::RunPrepared(const char* name,
                                                       const std::vector<const char*>& parameters) {
  return Check(PQexecPrepared(connection_.get(), name, static_cast<int>(parameters.size()),
                              parameters.data(), nullptr, nullptr, /*resultFormat=*/0));
}

absl::StatusOr<std::string> WithDatabase(const std::string& database_url, absl::string_view name) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(
      PQconninfoParse(database_url.c_str(), &error), PQconninfoFree);
  const std::unique_ptr<char, void (*)(void*)> owned_error(error, PQfreemem);
  if (options == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("The database URL cannot be read: ",
                                                   error == nullptr ? "out of memory" : error));
  }
  std::string keywords = absl::StrCat("dbname='", name, "'");
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr || absl::string_view(option->keyword) == "dbname") continue;
    absl::StrAppend(&keywords, " ", option->keyword, "='",
                    absl::StrReplaceAll(option->val, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
  }
  return keywords;
}

pid_t FindPostgresPid(const std::string& database_url) {
  if (database_url.empty()) return 0;
  const auto connection = Postgres::Connect(database_url);
  if (!connection.ok()) return 0;
  const auto folder = (*connection)->Run("SHOW data_directory");
  if (!folder.ok()) return 0;
  std::ifstream file(absl::StrCat(PQgetvalue(folder->get(), 0, 0), "/postmaster.pid"));
  pid_t pid = 0;
  return file >> pid ? pid : 0;
}

}  // namespace weir::bench
