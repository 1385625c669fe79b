#include "libs/pg/pool.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/pg/dsn.h"
#include "libs/pg/sqlstate.h"

namespace weir::pg {
namespace {

// The server's own statement_timeout, which callers set to the same deadline, comes first: that costs no connection.
constexpr absl::Duration kGrace = absl::Milliseconds(100);

std::string ConnInfo(const Pool::Options& options) {
  auto conninfo = WithDefaults(
      options.dsn,
      {{"application_name", options.application_name},
       {"connect_timeout", absl::StrCat(absl::ToInt64Seconds(options.connect_timeout))},
       // A peer that vanished without a word is given up after 3 s.
       {"tcp_user_timeout", "3000"},
       {"keepalives_idle", "5"},
       {"keepalives_interval", "2"},
       {"keepalives_count", "3"}});
  if (conninfo.ok()) {
    conninfo = WithOption(*conninfo, absl::StrCat("-c statement_timeout=", absl::ToInt64Milliseconds(
                                                                               options.statement_timeout)));
  }
  // An unreadable DSN shows as an error of the first connection.
  return conninfo.ok() ? *conninfo : options.dsn;
}

}  // namespace

Pool::Connection::Connection(const std::string& conninfo)
    : session(conninfo), socket(fcntl(session.sock(), F_DUPFD_CLOEXEC, 0)) {
  if (socket < 0) throw pqxx::broken_connection("no descriptor is left to watch it with");
  // Else BEGIN would connect anew behind our back, to a socket that nobody watches.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  session.inhibit_reactivation(true);
#pragma GCC diagnostic pop
}

Pool::Connection::~Connection() {
  if (socket >= 0) close(socket);
}

Pool::Pool(Options options)
    : options_(std::move(options)), conninfo_(ConnInfo(options_)), watchdog_([this] { CutLate(); }) {}

Pool::~Pool() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    earlier_.SignalAll();
  }
  watchdog_.join();
}

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
  absl::StatusOr<ConnectionPtr> connection = Borrow(deadline, reused);
  if (!connection.ok()) return connection.status();
  const Watches::iterator watch = Watch(deadline, **connection);
  bool begun = false;
  bool committing = false;
  absl::Status status;
  try {
    pqxx::work transaction((*connection)->session);
    // libpqxx sends BEGIN lazily: a statement of ours shows whether the idle connection still lives.
    if (reused) transaction.exec("SELECT 1");
    begun = true;
    status = work(transaction);
    if (status.ok() && commit) {
      committing = true;
      transaction.commit();
    }
  } catch (...) {
    status = TranslateException();
    stale = reused && !begun && absl::IsUnavailable(status);
  }
  const bool whole = Unwatch(watch);
  // It did not die while it was idle, so that another would fare no better.
  if (!whole) stale = false;
  if (committing && absl::IsUnavailable(status) && !(*connection)->session.is_open()) {
    // libpqxx does not say so for every way in which a connection can break.
    status = InDoubtError(status.message());
  } else if (!whole && absl::IsUnavailable(status)) {
    status = MakeError(ErrorReason::kStoreUnavailable,
                       "The database did not answer in time; the connection to it was given up.");
  }
  if (!whole || IsInDoubt(status) || absl::IsUnavailable(status) ||
      !(*connection)->session.is_open()) {
    connection->reset();
  }
  GiveBack(*std::move(connection));
  return status;
}

absl::StatusOr<Pool::ConnectionPtr> Pool::Borrow(absl::Time deadline, bool& reused) {
  {
    MutexLock lock(&mu_);
    if (!mu_.AwaitWithDeadline([this] { return HasFree(); }, deadline)) {
      return MakeError(ErrorReason::kStoreUnavailable,
                       absl::StrCat("All ", options_.size, " database connections are busy."));
    }
    ++borrowed_;
    if (!idle_.empty()) {
      ConnectionPtr connection = std::move(idle_.back());
      idle_.pop_back();
      reused = true;
      return connection;
    }
  }
  absl::StatusOr<ConnectionPtr> connection = Connect();
  if (!connection.ok()) GiveBack(nullptr);
  return connection;
}

void Pool::GiveBack(ConnectionPtr connection) {
  MutexLock lock(&mu_);
  --borrowed_;
  if (connection != nullptr) idle_.push_back(std::move(connection));
}

absl::StatusOr<Pool::ConnectionPtr> Pool::Connect() const {
  try {
    return std::make_unique<Connection>(conninfo_);
  } catch (const std::exception& e) {
    // Whatever the reason, there is no connection: libpqxx gives no SQLSTATE for it.
    return StatusOfSqlState("", e.what());
  }
}

Pool::Watches::iterator Pool::Watch(absl::Time deadline, Connection& connection) {
  MutexLock lock(&mu_);
  const absl::Time cut_at = deadline + kGrace;
  if (cut_at < wakes_at_) {
    wakes_at_ = cut_at;
    earlier_.Signal();
  }
  return watches_.emplace(cut_at, &connection);
}

bool Pool::Unwatch(Watches::iterator watch) {
  MutexLock lock(&mu_);
  const bool whole = watch->second != nullptr;
  watches_.erase(watch);
  return whole;
}

void Pool::CutLate() {
  MutexLock lock(&mu_);
  while (!stopping_) {
    const absl::Time now = absl::Now();
    wakes_at_ = absl::InfiniteFuture();
    for (auto& [cut_at, connection] : watches_) {
      if (cut_at > now) {
        wakes_at_ = cut_at;
        break;
      }
      // Under the mutex: who has it cannot give it back meanwhile.
      if (connection != nullptr) shutdown(connection->socket, SHUT_RDWR);
      connection = nullptr;
    }
    // An infinite time waits until it is woken.
    earlier_.WaitWithTimeout(&mu_, wakes_at_ - now);
  }
}

}  // namespace weir::pg
