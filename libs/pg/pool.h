// A bounded pool of connections to PostgreSQL.
//
// Connections are made when first needed, and anew after they broke. Thread-safe; every call blocks, until its deadline at the latest
// (and, where it has to connect, connect_timeout longer). A server that stalls would hold a blocking call for ever: a connection whose
// call has passed its deadline is cut by a thread of the pool's, which makes the call end. That thread sleeps until the next deadline.
#pragma once

#include <map>
#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <thread>
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
    // Statements that run longer are cancelled by the server. A setting in the DSN's own `options` comes first.
    absl::Duration statement_timeout = absl::Seconds(30);
  };
  explicit Pool(Options options);
  ~Pool();

  using Work = absl::FunctionRef<absl::Status(pqxx::work&)>;

  // Runs `work` in a transaction and commits it, or rolls back if it answers an error or throws. An idle connection that turns out
  // to be dead when the transaction begins is replaced once; nothing that was sent is ever repeated.
  // UNAVAILABLE, OUTCOME_UNKNOWN (see IsInDoubt), `work`'s own error. At the deadline: UNAVAILABLE, or OUTCOME_UNKNOWN in the commit.
  absl::Status Run(absl::Time deadline, Work work);

  // The same without commit.
  absl::Status RunReadOnly(absl::Time deadline, Work work);

  const Options& options() const { return options_; }

 private:
  struct Connection {
    Connection(const std::string& conninfo);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    pqxx::connection session;
    // Its own descriptor of the session's socket: libpq closes that one when it likes, and the number may then be somebody else's.
    const int socket;
  };
  using ConnectionPtr = std::unique_ptr<Connection>;
  // The borrowed connections that have a deadline.
  using Watches = std::multimap<absl::Time, Connection*>;

  absl::Status RunOnce(absl::Time deadline, Work work, bool commit, bool& stale);
  // UNAVAILABLE: nobody gave one back in time, or there is no server.
  absl::StatusOr<ConnectionPtr> Borrow(absl::Time deadline, bool& reused);
  // Null: it broke.
  void GiveBack(ConnectionPtr connection);
  absl::StatusOr<ConnectionPtr> Connect() const;
  bool HasFree() const ABSL_SHARED_LOCKS_REQUIRED(mu_) { return borrowed_ < options_.size; }

  Watches::iterator Watch(absl::Time deadline, Connection& connection);
  // False: it was cut.
  bool Unwatch(Watches::iterator watch);
  void CutLate();

  const Options options_;
  const std::string conninfo_;
  Mutex mu_;
  std::vector<ConnectionPtr> idle_ ABSL_GUARDED_BY(mu_);
  int borrowed_ ABSL_GUARDED_BY(mu_) = 0;
  Watches watches_ ABSL_GUARDED_BY(mu_);  // null: cut
  absl::Time wakes_at_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();  // the watchdog
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  CondVar earlier_;  // or stopping
  std::thread watchdog_;
};

}  // namespace weir::pg
