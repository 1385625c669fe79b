#include "libs/pg/pool.h"

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/pg/dsn.h"
#include "libs/pg/sqlstate.h"

namespace weir::pg {
namespace {

std::string ConnInfo(const Pool::Options& options) {
  auto conninfo = WithDefaults(
      options.dsn,
      {{"application_name", options.application_name},
       {"connect_timeout", absl::StrCat(absl::ToInt64Seconds(options.connect_timeout))},
       // A peer that vanished without a word is given up after 3 s.
       {"tcp_user_timeout", "3000"},
       {"keepalives_idle", "5"},
       {"options", absl::StrCat("-c statement_timeout=",
                                absl::ToInt64Milliseconds(options.statement_timeout))}});
  // An unreadable DSN shows as an error of the first connection.
  return conninfo.ok() ? *conninfo : options.dsn;
}

}  // namespace

Pool::Pool(Options options) : options_(std::move(options)), conninfo_(ConnInfo(options_)) {}

Pool::~Pool() = default;

absl::Status Pool::Run(absl::Time deadline, Work work) {
  bool stale = false;
  absl::Status status = RunOnce(deadline, work, /*commit=*/true, stale);
  while (stale) status = RunOnce(deadline, work, /*commit=*/true, stale);
  return status;
}

absl::Status Pool::RunReadOnly(absl::Time deadline, Work work) {
  bool stale = false;
  absl::Status status = RunOnce(deadline, work, /*commit=*/false, stale);
  while (stale) status = RunOnce(deadline, work, /*commit=*/false, stale);
  return status;
}

absl::Status Pool::RunOnce(absl::Time deadline, Work work, bool commit, bool& stale) {
  stale = false;
  bool reused = false;
  absl::StatusOr<Connection> connection = Borrow(deadline, reused);
  if (!connection.ok()) return connection.status();
  bool begun = false;
  absl::Status status;
  try {
    pqxx::work transaction(**connection);
    // libpqxx sends BEGIN lazily: a statement of ours shows whether the idle connection still lives.
    if (reused) transaction.exec("SELECT 1");
    begun = true;
    status = work(transaction);
    if (status.ok() && commit) transaction.commit();
  } catch (...) {
    status = TranslateException();
    stale = reused && !begun && absl::IsUnavailable(status);
  }
  if (IsInDoubt(status) || absl::IsUnavailable(status) || !(*connection)->is_open()) {
    connection->reset();
  }
  GiveBack(*std::move(connection));
  return status;
}

absl::StatusOr<Pool::Connection> Pool::Borrow(absl::Time deadline, bool& reused) {
  {
    MutexLock lock(&mu_);
    if (!mu_.AwaitWithDeadline([this] { return HasFree(); }, deadline)) {
      return MakeError(ErrorReason::kStoreUnavailable,
                       absl::StrCat("All ", options_.size, " database connections are busy."));
    }
    ++borrowed_;
    if (!idle_.empty()) {
      Connection connection = std::move(idle_.back());
      idle_.pop_back();
      reused = true;
      return connection;
    }
  }
  absl::StatusOr<Connection> connection = Connect();
  if (!connection.ok()) GiveBack(nullptr);
  return connection;
}

void Pool::GiveBack(Connection connection) {
  MutexLock lock(&mu_);
  --borrowed_;
  if (connection != nullptr) idle_.push_back(std::move(connection));
}

absl::StatusOr<Pool::Connection> Pool::Connect() const {
  try {
    return std::make_unique<pqxx::connection>(conninfo_);
  } catch (const std::exception& e) {
    // Whatever the reason, there is no connection: libpqxx gives no SQLSTATE for it.
    return StatusOfSqlState("", e.what());
  }
}

}  // namespace weir::pg
