// What the runner keeps: functions with their code, event source mappings, log lines.
//
// Thread-safe. Calls block; `deadline` bounds the wait for a connection. Besides the errors named: STORE_UNAVAILABLE, and
// OUTCOME_UNKNOWN for changes. A change that answers an error of its own has done nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/runner/core/types.h"

namespace weir::runner::store {

class FunctionStore {
 public:
  virtual ~FunctionStore() = default;

  // `function` without id; it gets one and is otherwise stored as it is. FUNCTION_ALREADY_EXISTS.
  virtual absl::StatusOr<core::Function> CreateFunction(core::Function function,
                                                        const core::FunctionCode& code,
                                                        absl::Time deadline) = 0;
  // Replaces the function of that id if it is at the revision before `function.revision`. `code`: null, and it stays.
  // CONCURRENT_MODIFICATION when it is at another one or gone.
  virtual absl::Status UpdateFunction(const core::Function& function,
                                      const core::FunctionCode* code, absl::Time deadline) = 0;
  // FUNCTION_DOES_NOT_EXIST.
  virtual absl::StatusOr<core::FunctionPtr> FindFunction(const core::FunctionName& name,
                                                         absl::Time deadline) = 0;
  virtual absl::StatusOr<core::FunctionPtr> FindFunction(core::FunctionId id,
                                                         absl::Time deadline) = 0;
  // Of the account and region of `after`, with names that begin with `prefix` and come after its name.
  virtual absl::StatusOr<std::vector<core::Function>> ListFunctions(const core::FunctionName& after,
                                                                    absl::string_view prefix,
                                                                    int limit,
                                                                    absl::Time deadline) = 0;
  // FUNCTION_DOES_NOT_EXIST, FUNCTION_IN_USE (metadata "uuid": a mapping that needs it).
  virtual absl::StatusOr<core::FunctionId> DeleteFunction(const core::FunctionName& name,
                                                          absl::Time deadline) = 0;
  // The code that the function had at that revision; NOT_FOUND when it has been replaced or deleted. That of the revision before
  // the last one that changed it is still there.
  virtual absl::StatusOr<core::FunctionCode> ReadCode(core::FunctionId function,
                                                      core::Revision revision,
                                                      absl::Time deadline) = 0;
};

// Which mappings a list shall have. Empty fields do not narrow it.
struct MappingFilter {
  std::string account;
  std::string region;
  std::string function_name;
  std::string event_source_arn;
};

class MappingStore {
 public:
  virtual ~MappingStore() = default;

  // FUNCTION_DOES_NOT_EXIST, MAPPING_ALREADY_EXISTS (metadata "uuid").
  virtual absl::Status CreateMapping(const core::Mapping& mapping, absl::Time deadline) = 0;
  // MAPPING_DOES_NOT_EXIST.
  virtual absl::StatusOr<core::Mapping> FindMapping(absl::string_view uuid, absl::Time deadline) = 0;
  // In the order of their UUIDs, those after `after`.
  virtual absl::StatusOr<std::vector<core::Mapping>> ListMappings(const MappingFilter& filter,
                                                                  absl::string_view after, int limit,
                                                                  absl::Time deadline) = 0;
  // Replaces the mapping of that UUID if it was last modified at `expected`. CONCURRENT_MODIFICATION when not,
  // FUNCTION_DOES_NOT_EXIST, MAPPING_ALREADY_EXISTS.
  virtual absl::Status UpdateMapping(const core::Mapping& mapping, absl::Time expected,
                                     absl::Time deadline) = 0;
  // Answers it as it was. MAPPING_DOES_NOT_EXIST.
  virtual absl::StatusOr<core::Mapping> DeleteMapping(absl::string_view uuid,
                                                      absl::Time deadline) = 0;
};

struct StoredLogLine {
  int64_t position = 0;
  core::LogLine line;
};

struct LogQuery {
  core::FunctionId function;
  std::optional<absl::Time> since;
  int64_t after_position = 0;
  std::string request_id;  // empty: of all
};

class LogStore {
 public:
  virtual ~LogStore() = default;

  // Positions rise in this order. `now` decides which day's lines they are when logs are trimmed.
  virtual absl::Status AppendLogLines(absl::Span<const core::LogLine> lines, absl::Time now,
                                      absl::Time deadline) = 0;
  // The highest position of any line of the function; 0: it has none.
  virtual absl::StatusOr<int64_t> LastLogPosition(core::FunctionId function,
                                                  absl::Time deadline) = 0;
  // The position after which the last `limit` of the lines up to `until` lie.
  virtual absl::StatusOr<int64_t> LogTailStart(const LogQuery& query, int64_t until, int limit,
                                               absl::Time deadline) = 0;
  // At most `limit`, oldest first, up to position `until`.
  virtual absl::StatusOr<std::vector<StoredLogLine>> ReadLogLines(const LogQuery& query,
                                                                  int64_t until, int limit,
                                                                  absl::Time deadline) = 0;
  // Removes the lines of the days that ended before `before`.
  virtual absl::Status TrimLogs(absl::Time before, absl::Time deadline) = 0;
};

}  // namespace weir::runner::store
