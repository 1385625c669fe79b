// The queue service's store in PostgreSQL.
//
//   registry, leases,     tables of the schema `queue` (schema/0001_initial.sql, applied by the migrator), over a small pool of
//   move tasks            connections that all threads share;
//   the log of a shard    schema `shard_NNNN`: a catalogue of segments, and per segment a pair of insert-only tables. One
//                         connection of its own per open log, over libpq directly (pg_shard_log.cc says why).
//
// The schema `queue` must exist and be current (pg::Migrator) before the first call; EnsureShards creates the shards' schemas.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/queue/store/journal_reader.h"
#include "services/queue/store/move_task_store.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::store {

struct PgQueueStoreOptions {
  std::string database_url;  // libpq URI or keywords
  // Of the registry, the leases and the move tasks together. Each open log has one more.
  int registry_connections = 4;
  // What an owner's lease lasts. No session of a log can hold the fence longer: its transactions end by PostgreSQL's own
  // timeouts well before this (after 3 s at most), so that a take-over never waits for an owner that is paused or cut off.
  absl::Duration lease_time = absl::Seconds(10);
  // How long a drop of a segment waits for readers (pg_dump) before it is left for later.
  absl::Duration drop_lock_timeout = absl::Milliseconds(200);
};

// Thread-safe as the interfaces are. Each log holds its own connection, so it may outlive this struct.
struct PgQueueStore {
  std::unique_ptr<RegistryStore> registry;
  std::unique_ptr<LeaseStore> leases;
  std::unique_ptr<ShardLogFactory> logs;
  std::unique_ptr<JournalReader> journal;
  std::unique_ptr<MoveTaskStore> move_tasks;
};

// Connects nothing yet: a database that is away shows as UNAVAILABLE in the calls. INVALID_ARGUMENT if an option makes no sense.
absl::StatusOr<PgQueueStore> CreatePgQueueStore(const PgQueueStoreOptions& options);

}  // namespace weir::queue::store
