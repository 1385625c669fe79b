#include "services/queue/store/pg/journal_session.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/pg/sqlstate.h"

namespace weir::queue::store {
namespace {

constexpr int kBinary = 1;

// libpq's form of parameters. Valid as long as what it was made from.
struct ParamArrays {
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;

  void Add(const std::string& param) {
    values.push_back(param.data());
    lengths.push_back(static_cast<int>(param.size()));
    formats.push_back(kBinary);
  }
  int size() const { return static_cast<int>(values.size()); }
};

ParamArrays ArraysOf(absl::Span<const std::string> params) {
  ParamArrays arrays;
  for (const std::string& param : params) arrays.Add(param);
  return arrays;
}

absl::string_view SqlStateOf(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return state == nullptr ? "" : state;
}

// The classes in which the server itself says that it does not know (40003, 08007) or that it is about to close the connection.
// Only a plain ERROR means for sure that the transaction is rolled back: a FATAL may come after the commit was made.
bool IsPlainError(const PGresult* result) {
  const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity == nullptr || std::strcmp(severity, "ERROR") != 0) return false;
  const absl::string_view state = SqlStateOf(result);
  return state != "40003" && state.substr(0, 2) != "08";
}

}  // namespace

PgField PgRows::At(int row, int column) const {
  if (PQgetisnull(result_.get(), row, column)) return {};
  return {PQgetvalue(result_.get(), row, column), PQgetlength(result_.get(), row, column)};
}

std::vector<PgField> PgRows::Row(int row) const {
  std::vector<PgField> fields;
  Row(row, fields);
  return fields;
}

void PgRows::Row(int row, std::vector<PgField>& fields) const {
  fields.clear();
  fields.reserve(static_cast<size_t>(columns()));
  for (int column = 0; column < columns(); ++column) fields.push_back(At(row, column));
}

absl::StatusOr<std::unique_ptr<JournalSession>> JournalSession::Connect(const std::string& conninfo,
                                                                        absl::Duration timeout) {
  PGconn* connection = PQconnectdb(conninfo.c_str());
  auto session = std::unique_ptr<JournalSession>(new JournalSession(connection, timeout));
  if (PQstatus(connection) != CONNECTION_OK) return session->Broken("connecting");
  // Sends return at once; waiting is ours, with a limit.
  if (PQsetnonblocking(connection, 1) != 0) return session->Broken("connecting");
  return session;
}

JournalSession::~JournalSession() { PQfinish(connection_); }

absl::Status JournalSession::Execute(const std::string& sql) {
  if (broken_ || PQsendQuery(connection_, sql.c_str()) == 0) return Broken("sending");
  return Collect().status();
}

absl::StatusOr<PgRows> JournalSession::Query(const std::string& sql,
                                             absl::Span<const std::string> params) {
  const ParamArrays arrays = ArraysOf(params);
  if (broken_ || PQsendQueryParams(connection_, sql.c_str(), arrays.size(), nullptr,
                                   arrays.values.data(), arrays.lengths.data(),
                                   arrays.formats.data(), kBinary) == 0) {
    return Broken("sending");
  }
  return Collect();
}

absl::Status JournalSession::Prepare(const std::string& name, const std::string& sql) {
  if (broken_ ||
      PQsendPrepare(connection_, name.c_str(), sql.c_str(), 0, nullptr) == 0) {
    return Broken("sending");
  }
  return Collect().status();
}

absl::StatusOr<PgRows> JournalSession::QueryPrepared(const std::string& name,
                                                     absl::Span<const std::string> params) {
  SendPrepared(name, params);
  return Await();
}

void JournalSession::SendPrepared(const std::string& name, absl::Span<const std::string> params) {
  const ParamArrays arrays = ArraysOf(params);
  send_failed_ = broken_ || PQsendQueryPrepared(connection_, name.c_str(), arrays.size(), arrays.values.data(),
                                                arrays.lengths.data(), arrays.formats.data(), kBinary) == 0;
}

absl::StatusOr<PgRows> JournalSession::Await() {
  if (std::exchange(send_failed_, false)) return Broken("sending");
  return Collect();
}

absl::Status JournalSession::CopyOut(const std::string& sql,
                                     absl::FunctionRef<absl::Status(absl::string_view)> visit) {
  if (broken_ || PQsendQuery(connection_, sql.c_str()) == 0) return Broken("sending");
  WEIR_RETURN_IF_ERROR(AwaitResult());
  PGresult* start = PQgetResult(connection_);
  const PgRows owned(start);
  if (PQresultStatus(start) != PGRES_COPY_OUT) {
    const absl::Status refused = ErrorOf(start);
    WEIR_RETURN_IF_ERROR(Collect().status());
    return refused;
  }
  while (true) {
    char* chunk = nullptr;
    const int length = PQgetCopyData(connection_, &chunk, /*async=*/1);
    if (length > 0) {
      const absl::Status visited = visit({chunk, static_cast<size_t>(length)});
      PQfreemem(chunk);
      if (!visited.ok()) {
        broken_ = true;
        return visited;
      }
    } else if (length == 0) {
      WEIR_RETURN_IF_ERROR(AwaitSocket(/*for_write=*/false, absl::Now() + timeout_));
      if (PQconsumeInput(connection_) == 0) return Broken("reading");
    } else {
      break;
    }
  }
  return Collect().status();
}

bool JournalSession::Send(const std::string& name, absl::Span<const std::string* const> params) {
  if (broken_ || !IsAlive()) return false;
  ParamArrays arrays;
  for (const std::string* param : params) arrays.Add(*param);
  // A send that fails half way shows in Finish, as a broken connection. Here only what could not begin is told.
  return PQsendQueryPrepared(connection_, name.c_str(), arrays.size(), arrays.values.data(),
                             arrays.lengths.data(), arrays.formats.data(), kBinary) != 0;
}

bool JournalSession::IsAlive() {
  // An idle server has nothing to say but that it goes: then it is better to know before than to wonder after.
  pollfd socket = {.fd = PQsocket(connection_), .events = POLLIN | POLLRDHUP};
  if (poll(&socket, 1, 0) > 0) {
    if ((socket.revents & (POLLHUP | POLLRDHUP | POLLERR | POLLNVAL)) != 0) return false;
    if (PQconsumeInput(connection_) == 0) return false;
  }
  return PQstatus(connection_) == CONNECTION_OK;
}

JournalSession::Finished JournalSession::Finish() {
  Finished finished;
  bool answered = false;  // the statement is done, and only its commit is left
  while (true) {
    if (absl::Status waited = AwaitResult(); !waited.ok()) {
      // Whatever was heard before, its end was not.
      return {.how = Finished::How::kUnknown, .status = std::move(waited)};
    }
    PGresult* result = PQgetResult(connection_);
    if (result == nullptr) break;
    PgRows rows(result);
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
      answered = true;
      finished.rows = std::move(rows);
      continue;
    }
    if (finished.status.ok()) finished.status = ErrorOf(result);
    if (!answered && IsPlainError(result)) finished.how = Finished::How::kRefused;
  }
  if (PQstatus(connection_) != CONNECTION_OK) {
    finished.how = Finished::How::kUnknown;
    finished.status = Broken("waiting for a commit");
  } else if (answered && finished.status.ok()) {
    finished.how = Finished::How::kDone;
  }
  return finished;
}

absl::Status JournalSession::AwaitResult() {
  const absl::Time deadline = absl::Now() + timeout_;
  while (true) {
    const int unsent = PQflush(connection_);
    if (unsent < 0) return Broken("sending");
    if (unsent == 0 && PQisBusy(connection_) == 0) return absl::OkStatus();
    // While data waits to be sent, input is read as well, else both sides could wait for the other to read.
    WEIR_RETURN_IF_ERROR(AwaitSocket(/*for_write=*/unsent > 0, deadline));
    if (PQconsumeInput(connection_) == 0) return Broken("reading");
  }
}

absl::Status JournalSession::AwaitSocket(bool for_write, absl::Time deadline) {
  pollfd socket = {.fd = PQsocket(connection_),
                   .events = static_cast<short>(for_write ? POLLIN | POLLOUT : POLLIN)};
  while (true) {
    const int64_t left_ms = absl::ToInt64Milliseconds(deadline - absl::Now());
    const int ready = poll(&socket, 1, static_cast<int>(std::clamp<int64_t>(left_ms, 0, 1 << 30)));
    if (ready > 0) return absl::OkStatus();
    if (ready == 0) return Broken("waiting: no answer in time,");
    if (errno != EINTR) return Broken("waiting");
  }
}

absl::StatusOr<PgRows> JournalSession::Collect() {
  PgRows last;
  absl::Status status;
  while (true) {
    WEIR_RETURN_IF_ERROR(AwaitResult());
    PGresult* result = PQgetResult(connection_);
    if (result == nullptr) break;
    PgRows rows(result);
    const ExecStatusType how = PQresultStatus(result);
    if (how == PGRES_TUPLES_OK || how == PGRES_COMMAND_OK) {
      last = std::move(rows);
    } else if (status.ok()) {
      status = ErrorOf(result);
    }
  }
  if (PQstatus(connection_) != CONNECTION_OK) return Broken("reading");
  if (!status.ok()) return status;
  return last;
}

absl::Status JournalSession::ErrorOf(const PGresult* result) {
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const absl::string_view state = SqlStateOf(result);
  last_sqlstate_ = std::string(state);
  return pg::StatusOfSqlState(state, absl::StrCat(message == nullptr ? "" : message, " (SQLSTATE ",
                                                  state, ")"));
}

absl::Status JournalSession::Broken(absl::string_view what) {
  broken_ = true;
  return MakeError(ErrorReason::kStoreUnavailable,
                   absl::StrCat("The connection to PostgreSQL failed while ", what, ": ",
                                absl::StripSuffix(PQerrorMessage(connection_), "\n")));
}

}  // namespace weir::queue::store
