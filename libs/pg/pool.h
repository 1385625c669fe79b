// A bounded pool of connections to PostgreSQL.
//
// Connections are made when first needed, and anew after they broke. Thread-safe; every call blocks, until its deadline at the latest.
#pragma once

#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace weir::pg {

class Pool {
 public:
  struct Options {
    std::string dsn;  // libpq URI or keywords
    int size = 8;
    std::string application_name = "weir";
    absl::Duration connect_timeout = absl::Seconds(2);
    // Statements that run longer are cancelled by the server.
    absl::Duration statement_timeout = absl::Seconds(30);
  };
  explicit Pool(Options options);
  ~Pool();

  using Work = absl::FunctionRef<absl::Status(pqxx::work&)>;

  // Runs `work` in a transaction and commits it, or rolls back if it answers an error or throws. An idle connection that turns out
  // to be dead when the transaction begins is replaced once; nothing that was sent is ever repeated.
  // UNAVAILABLE, OUTCOME_UNKNOWN (see IsInDoubt), `work`'s own error.
  absl::Status Run(absl::Time deadline, Work work);

  // The same without commit.
  absl::Status RunReadOnly(absl::Time deadline, Work work);

  const Options& options() const { return options_; }

 private:
  using Connection = std::unique_ptr<pqxx::connection>;
  absl::Status RunOnce(absl::Time deadline, Work work, bool commit, bool& stale);
  // Null: nobody gave one back in time.
  absl::StatusOr<Connection> Borrow(absl::Time deadline, bool& reused);
  void GiveBack(Connection connection);
  absl::StatusOr<Connection> Connect() const;
  bool HasFree() const ABSL_SHARED_LOCKS_REQUIRED(mu_) { return borrowed_ < options_.size; }

  const Options options_;
  const std::string conninfo_;
  Mutex mu_;
  std::vector<Connection> idle_ ABSL_GUARDED_BY(mu_);
  int borrowed_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace weir::pg
