// Registry, leases and move tasks in PostgreSQL: the tables of schema `queue`, over a pool that they share. Private to this folder.
#pragma once

#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/pg/pool.h"
#include "services/queue/store/journal_reader.h"
#include "services/queue/store/move_task_store.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::store {

// One transaction, of which PostgreSQL ends every statement by `deadline`. An unknown outcome is UNAVAILABLE here: what these stores do
// may be repeated.
absl::Status RunUntil(pg::Pool& pool, absl::Time deadline, pg::Pool::Work work);
absl::Status ReadUntil(pg::Pool& pool, absl::Time deadline, pg::Pool::Work work);

std::unique_ptr<RegistryStore> NewPgRegistryStore(std::shared_ptr<pg::Pool> pool);
std::unique_ptr<LeaseStore> NewPgLeaseStore(std::shared_ptr<pg::Pool> pool);
std::unique_ptr<MoveTaskStore> NewPgMoveTaskStore(std::shared_ptr<pg::Pool> pool);
std::unique_ptr<JournalReader> NewPgJournalReader(std::shared_ptr<pg::Pool> pool);

}  // namespace weir::queue::store
