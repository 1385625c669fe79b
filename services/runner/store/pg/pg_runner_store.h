// The runner's store in PostgreSQL: tables of the schema `runner` (schema/0001_initial.sql), over a pool that all share.
//
// The schema must be current (pg::Migrate) before the first call.
#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "libs/base/mutex.h"
#include "libs/pg/pool.h"
#include "services/runner/store/runner_store.h"

namespace weir::runner::store {

class PgFunctionStore final : public FunctionStore {
 public:
  // `pool` must outlive this.
  explicit PgFunctionStore(pg::Pool& pool) : pool_(pool) {}

  absl::StatusOr<core::Function> CreateFunction(core::Function function,
                                                const core::FunctionCode& code,
                                                absl::Time deadline) override;
  absl::Status UpdateFunction(const core::Function& function, const core::FunctionCode* code,
                              absl::Time deadline) override;
  absl::StatusOr<core::FunctionPtr> FindFunction(const core::FunctionName& name,
                                                 absl::Time deadline) override;
  absl::StatusOr<core::FunctionPtr> FindFunction(core::FunctionId id, absl::Time deadline) override;
  absl::StatusOr<std::vector<core::Function>> ListFunctions(const core::FunctionName& after,
                                                            absl::string_view prefix, int limit,
                                                            absl::Time deadline) override;
  absl::StatusOr<core::FunctionId> DeleteFunction(const core::FunctionName& name,
                                                  absl::Time deadline) override;
  absl::StatusOr<core::FunctionCode> ReadCode(core::FunctionId function, core::Revision revision,
                                              absl::Time deadline) override;

 private:
  pg::Pool& pool_;
};

class PgMappingStore final : public MappingStore {
 public:
  // `pool` must outlive this.
  explicit PgMappingStore(pg::Pool& pool) : pool_(pool) {}

  absl::Status CreateMapping(const core::Mapping& mapping, absl::Time deadline) override;
  absl::StatusOr<core::Mapping> FindMapping(absl::string_view uuid, absl::Time deadline) override;
  absl::StatusOr<std::vector<core::Mapping>> ListMappings(const MappingFilter& filter,
                                                          absl::string_view after, int limit,
                                                          absl::Time deadline) override;
  absl::Status UpdateMapping(const core::Mapping& mapping, absl::Time expected,
                             absl::Time deadline) override;
  absl::StatusOr<core::Mapping> DeleteMapping(absl::string_view uuid, absl::Time deadline) override;

 private:
  pg::Pool& pool_;
};

class PgLogStore final : public LogStore {
 public:
  // `pool` must outlive this.
  explicit PgLogStore(pg::Pool& pool) : pool_(pool) {}

  absl::Status AppendLogLines(absl::Span<const core::LogLine> lines, absl::Time now,
                              absl::Time deadline) override;
  absl::StatusOr<int64_t> LastLogPosition(core::FunctionId function, absl::Time deadline) override;
  absl::StatusOr<int64_t> LogTailStart(const LogQuery& query, int64_t until, int limit,
                                       absl::Time deadline) override;
  absl::StatusOr<std::vector<StoredLogLine>> ReadLogLines(const LogQuery& query, int64_t until,
                                                          int limit, absl::Time deadline) override;
  absl::Status TrimLogs(absl::Time before, absl::Time deadline) override;

 private:
  // Makes the partition of that day, once a process and day.
  absl::Status EnsureDay(absl::CivilDay day, absl::Time deadline);

  pg::Pool& pool_;
  Mutex mu_;
  absl::CivilDay ensured_day_ ABSL_GUARDED_BY(mu_) = absl::CivilDay::min();
};

}  // namespace weir::runner::store
