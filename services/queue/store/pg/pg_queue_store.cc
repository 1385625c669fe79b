#include "services/queue/store/pg/pg_queue_store.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/pg/dsn.h"
#include "libs/pg/pool.h"
#include "libs/pg/sqlstate.h"
#include "services/queue/store/pg/pg_shard_log.h"
#include "services/queue/store/pg/pg_stores.h"

namespace weir::queue::store {
namespace {

// However long the lease is: a client with a deadline of 5 s is to hear that PostgreSQL stalls.
constexpr absl::Duration kAnswerTimeoutMax = absl::Seconds(4);

class PgShardLogFactory final : public ShardLogFactory {
 public:
  explicit PgShardLogFactory(PgShardLogOptions options)
      : options_(std::make_shared<const PgShardLogOptions>(std::move(options))) {}

  std::unique_ptr<ShardLog> OpenLog(core::ShardId shard) override {
    return NewPgShardLog(options_, shard);
  }

 private:
  const std::shared_ptr<const PgShardLogOptions> options_;
};

absl::Status Validate(const PgQueueStoreOptions& options) {
  if (options.registry_connections < 1) {
    return absl::InvalidArgumentError(absl::StrCat("Value ", options.registry_connections,
                                                   " for registry_connections is invalid: must be at "
                                                   "least 1."));
  }
  if (options.lease_time < absl::Seconds(1)) {
    return absl::InvalidArgumentError(absl::StrCat("Value ", absl::FormatDuration(options.lease_time),
                                                   " for lease_time is invalid: must be at least 1s."));
  }
  if (options.drop_lock_timeout < absl::ZeroDuration() ||
      options.drop_lock_timeout >= options.lease_time / 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("Value ", absl::FormatDuration(options.drop_lock_timeout),
                     " for drop_lock_timeout is invalid: must be less than a third of lease_time."));
  }
  return absl::OkStatus();
}

// What a connection that is used for years needs besides its address: to fail soon when the peer is gone, and to find the server that
// takes writes when there are several.
absl::StatusOr<std::string> LogConnInfo(const std::string& database_url) {
  return pg::WithDefaults(database_url, {{"application_name", "weir-queue-log"},
                                         {"connect_timeout", "2"},
                                         {"tcp_user_timeout", "3000"},
                                         {"keepalives_idle", "5"},
                                         {"keepalives_interval", "2"},
                                         {"keepalives_count", "3"},
                                         {"target_session_attrs", "read-write"},
                                         {"client_encoding", "UTF8"}});
}

using Runner = absl::Status (pg::Pool::*)(absl::Time, pg::Pool::Work);

absl::Status Run(pg::Pool& pool, Runner run, absl::Time deadline, pg::Pool::Work work) {
  const absl::Status status = (pool.*run)(deadline, [&](pqxx::work& tx) -> absl::Status {
    const int64_t left_ms = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left_ms <= 0) {
      return MakeError(ErrorReason::kStoreUnavailable, "The database did not answer in time.");
    }
    tx.exec(absl::StrCat("SET LOCAL statement_timeout = ", std::min<int64_t>(left_ms, INT32_MAX)));
    return work(tx);
  });
  if (pg::IsInDoubt(status)) return MakeError(ErrorReason::kStoreUnavailable, status.message());
  return status;
}

}  // namespace

absl::Status RunUntil(pg::Pool& pool, absl::Time deadline, pg::Pool::Work work) {
  return Run(pool, &pg::Pool::Run, deadline, work);
}

absl::Status ReadUntil(pg::Pool& pool, absl::Time deadline, pg::Pool::Work work) {
  return Run(pool, &pg::Pool::RunReadOnly, deadline, work);
}

absl::StatusOr<PgQueueStore> CreatePgQueueStore(const PgQueueStoreOptions& options) {
  WEIR_RETURN_IF_ERROR(Validate(options));
  WEIR_ASSIGN_OR_RETURN(std::string conninfo, LogConnInfo(options.database_url));
  auto pool = std::make_shared<pg::Pool>(pg::Pool::Options{.dsn = options.database_url,
                                                           .size = options.registry_connections,
                                                           .application_name = "weir-queue"});
  // PostgreSQL itself ends what takes too long, and says so, before we give the connection up and know nothing.
  const absl::Duration answer_timeout = std::min(options.lease_time * 5 / 6, kAnswerTimeoutMax);
  PgQueueStore store;
  store.registry = NewPgRegistryStore(pool);
  store.leases = NewPgLeaseStore(pool);
  store.journal = NewPgJournalReader(pool);
  store.move_tasks = NewPgMoveTaskStore(pool);
  store.logs = std::make_unique<PgShardLogFactory>(
      PgShardLogOptions{.conninfo = std::move(conninfo),
                        .statement_timeout = answer_timeout * 3 / 4,
                        .answer_timeout = answer_timeout,
                        .drop_lock_timeout = options.drop_lock_timeout});
  return store;
}

}  // namespace weir::queue::store
