// As much of libpq as the workloads need.
#pragma once

#include <libpq-fe.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace weir::bench {

// One connection. Not thread-safe. Errors are UNAVAILABLE with PostgreSQL's message.
class Postgres {
 public:
  static absl::StatusOr<std::unique_ptr<Postgres>> Connect(const std::string& database_url);

  using Result = std::unique_ptr<PGresult, void (*)(PGresult*)>;
  absl::StatusOr<Result> Run(const std::string& sql);
  absl::Status Prepare(const std::string& name, const std::string& sql);
  absl::StatusOr<Result> RunPrepared(const char* name, const std::vector<const char*>& parameters);

 private:
  using Connection = std::unique_ptr<PGconn, void (*)(PGconn*)>;
  explicit Postgres(Connection connection) : connection_(std::move(connection)) {}
  absl::StatusOr<Result> Check(PGresult* result);

  Connection connection_;
};

// `database_url` with another database. INVALID_ARGUMENT if libpq cannot read it.
absl::StatusOr<std::string> WithDatabase(const std::string& database_url, absl::string_view name);

// The first process of the server behind `database_url`; 0 when it is not on this machine or its
// data folder cannot be read.
pid_t FindPostgresPid(const std::string& database_url);

}  // namespace weir::bench
