// One connection to PostgreSQL over libpq, for the log of a shard. libpqxx serves everywhere else; the log needs what it has not:
// sending without waiting, binary parameters and results, and to know exactly how far a failed statement got.
//
// Not thread-safe. Every wait is bounded; when one runs out, or the connection breaks, the session is broken and stays so.
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/queue/store/pg/row_codec.h"

namespace weir::queue::store {

// The rows of an answer, in binary. Movable.
class PgRows {
 public:
  PgRows() = default;
  explicit PgRows(PGresult* result) : result_(result) {}
  int size() const { return result_ == nullptr ? 0 : PQntuples(result_.get()); }
  int columns() const { return PQnfields(result_.get()); }
  PgField At(int row, int column) const;
  // All of a row. The second form takes a vector that was used before.
  std::vector<PgField> Row(int row) const;
  void Row(int row, std::vector<PgField>& fields) const;

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

class JournalSession {
 public:
  // `conninfo` in keyword form. `timeout` bounds each wait for the server from then on.
  static absl::StatusOr<std::unique_ptr<JournalSession>> Connect(const std::string& conninfo,
                                                                 absl::Duration timeout);
  ~JournalSession();
  JournalSession(const JournalSession&) = delete;
  JournalSession& operator=(const JournalSession&) = delete;

  // Runs statements without parameters, separated by semicolons. They are one transaction unless they say otherwise.
  absl::Status Execute(const std::string& sql);
  // One statement with binary parameters and answer.
  absl::StatusOr<PgRows> Query(const std::string& sql, absl::Span<const std::string> params = {});
  absl::Status Prepare(const std::string& name, const std::string& sql);
  absl::StatusOr<PgRows> QueryPrepared(const std::string& name,
                                       absl::Span<const std::string> params);
  // The same in two steps: sends it and returns at once; then waits for its rows. An error of sending shows in Await.
  void SendPrepared(const std::string& name, absl::Span<const std::string> params);
  absl::StatusOr<PgRows> Await();
  // A binary COPY … TO STDOUT: `visit` sees each chunk of the stream. An error of its own breaks the session: the rest of the
  // stream may be long.
  absl::Status CopyOut(const std::string& sql,
                       absl::FunctionRef<absl::Status(absl::string_view)> visit);

  // Sends a prepared statement and returns at once; Finish waits for its end.
  // False: nothing was sent.
  bool Send(const std::string& name, absl::Span<const std::string* const> params);

  struct Finished {
    enum class How {
      kDone,     // its transaction is committed
      kRefused,  // the server says that it was rolled back
      kUnknown,
    };
    How how = How::kUnknown;
    PgRows rows;          // kDone
    absl::Status status;  // of the others
  };
  // Of a statement in a transaction of its own.
  Finished Finish();

  bool broken() const { return broken_; }
  // Of the last error that the server reported.
  absl::string_view last_sqlstate() const { return last_sqlstate_; }

 private:
  JournalSession(PGconn* connection, absl::Duration timeout)
      : connection_(connection), timeout_(timeout) {}

  // As far as can be told without asking the server.
  bool IsAlive();
  // Waits until PQgetResult does not block.
  absl::Status AwaitResult();
  absl::Status AwaitSocket(bool for_write, absl::Time deadline);
  // The answers of what was sent, up to the last, whose rows it returns; or the first error.
  absl::StatusOr<PgRows> Collect();
  absl::Status Broken(absl::string_view what);
  absl::Status ErrorOf(const PGresult* result);

  PGconn* const connection_;
  const absl::Duration timeout_;
  bool broken_ = false;
  bool send_failed_ = false;  // of SendPrepared
  std::string last_sqlstate_;
};

}  // namespace weir::queue::store
