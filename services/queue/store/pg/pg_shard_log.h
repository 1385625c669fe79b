// The log of one shard in PostgreSQL: ShardLog over a connection of its own (journal_session.h).
//
// An append is one statement (shard_schema.h, AppendSql) of which the plan is prepared once a segment, so it is one write to the
// socket and one round trip. What happens rarely (segments) is plain SQL in a transaction that begins with the fence.
#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::store {

struct PgShardLogOptions {
  std::string conninfo;  // libpq's keyword form
  // An append, with the fence that it holds, is ended by PostgreSQL after this.
  absl::Duration statement_timeout;
  // When the server does not even say that, the connection is given up.
  absl::Duration answer_timeout;
  absl::Duration drop_lock_timeout;
};

std::unique_ptr<ShardLog> NewPgShardLog(std::shared_ptr<const PgShardLogOptions> options,
                                        core::ShardId shard);

}  // namespace weir::queue::store
