#include "libs/pg/sqlstate.h"

#include <exception>
#include <new>
#include <pqxx/pqxx>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"

namespace weir::pg {
namespace {

// 08: connection. 57P01–57P03: shut down, crashed, starting. 25006: a standby or a read-only session. 53300: too many connections.
bool MeansReconnect(absl::string_view sqlstate) {
  return sqlstate.empty() || absl::StartsWith(sqlstate, "08") || sqlstate == "57P01" ||
         sqlstate == "57P02" || sqlstate == "57P03" || sqlstate == "25006" || sqlstate == "53300";
}

}  // namespace

absl::Status StatusOfSqlState(absl::string_view sqlstate, absl::string_view message) {
  const absl::string_view text = absl::StripTrailingAsciiWhitespace(message);
  if (MeansReconnect(sqlstate)) {
    return MakeError(ErrorReason::kStoreUnavailable,
                     absl::StrCat("The database cannot be reached: ", text, "."));
  }
  // Cancelled by statement_timeout, which our sessions derive from the caller's deadline.
  if (sqlstate == "57014") {
    return MakeError(ErrorReason::kStoreUnavailable,
                     absl::StrCat("The database did not answer in time: ", text, "."));
  }
  if (sqlstate == "40001" || sqlstate == "40P01") {
    return MakeError(ErrorReason::kConcurrentModification, text);
  }
  if (sqlstate == "23505") return absl::AlreadyExistsError(text);
  return MakeError(ErrorReason::kInternal,
                   absl::StrCat("The database refused a statement (SQLSTATE ", sqlstate, "): ", text));
}

absl::Status TranslateException() {
  try {
    throw;
  } catch (const pqxx::in_doubt_error& e) {
    return InDoubtError(e.what());
  } catch (const pqxx::broken_connection& e) {
    return StatusOfSqlState("", e.what());
  } catch (const pqxx::sql_error& e) {
    // libpqxx reports some lost connections as plain SQL errors without a state.
    return StatusOfSqlState(e.sqlstate(), e.what());
  } catch (const std::exception& e) {
    return MakeError(ErrorReason::kInternal, e.what());
  }
}

bool IsInDoubt(const absl::Status& status) {
  return ReasonOf(status) == ErrorReason::kOutcomeUnknown;
}

absl::Status InDoubtError(absl::string_view message) {
  return MakeError(ErrorReason::kOutcomeUnknown,
                   absl::StrCat("The connection to the database broke during the commit, so its "
                                "outcome is unknown: ",
                                absl::StripTrailingAsciiWhitespace(message)));
}

}  // namespace weir::pg
