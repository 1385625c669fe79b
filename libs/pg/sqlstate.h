// PostgreSQL's errors, sorted by what the caller must do.
//
//   UNAVAILABLE  STORE_UNAVAILABLE  the connection is gone or the server does not take it: reconnect, later;
//                                   or the statement was cancelled by its timeout
//   ABORTED      CONCURRENT_MODIFICATION  serialization failure or deadlock: repeat the transaction
//   ALREADY_EXISTS                  unique violation
//   UNKNOWN      OUTCOME_UNKNOWN    the connection broke during COMMIT: it may have happened or not
//   INTERNAL     INTERNAL           everything else: a bug of ours, or a server out of resources
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace weir::pg {

// The status for an error with this SQLSTATE; `message` is the server's. An empty SQLSTATE means that the connection broke.
absl::Status StatusOfSqlState(absl::string_view sqlstate, absl::string_view message);

// The same for the exception that is being handled: libpqxx's, or any other std::exception.
// REQUIRES: called inside a catch block.
absl::Status TranslateException();

// The commit's outcome is unknown.
bool IsInDoubt(const absl::Status& status);
absl::Status InDoubtError(absl::string_view message);

}  // namespace weir::pg
