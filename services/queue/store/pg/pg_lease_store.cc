#include <string>

#include "libs/base/status_macros.h"
#include "services/queue/store/pg/pg_stores.h"
#include "services/queue/store/store_errors.h"

namespace weir::queue::store {
namespace {

// Of a row s of queue.shards.
constexpr char kOwnerAlive[] =
    "EXISTS (SELECT 1 FROM queue.replicas r WHERE r.replica = s.owner"
    " AND r.expires_at > clock_timestamp())";

class PgLeaseStore final : public LeaseStore {
 public:
  explicit PgLeaseStore(std::shared_ptr<pg::Pool> pool) : pool_(std::move(pool)) {}

  absl::Status RenewReplica(const ReplicaLease& lease, absl::Time deadline) override {
    return RunUntil(*pool_, deadline, [&](pqxx::work& tx) {
      tx.exec_params(
          "INSERT INTO queue.replicas AS r (replica, address, leaving, expires_at)"
          " VALUES ($1, $2, $3, clock_timestamp() + $4::bigint * interval '1 microsecond')"
          " ON CONFLICT (replica) DO UPDATE SET address = excluded.address,"
          " leaving = excluded.leaving, expires_at = excluded.expires_at",
          lease.replica, lease.address, lease.leaving, absl::ToInt64Microseconds(lease.lease_time));
      // SKIP LOCKED: one that comes back at this moment is alive, and nobody waits for anybody.
      tx.exec_params(
          "DELETE FROM queue.replicas WHERE replica IN (SELECT replica FROM queue.replicas"
          " WHERE expires_at < clock_timestamp() - $1::bigint * interval '1 second'"
          " FOR UPDATE SKIP LOCKED)",
          absl::ToInt64Seconds(kReplicaForgottenAfter));
      return absl::OkStatus();
    });
  }

  absl::Status ReleaseReplica(absl::string_view replica, absl::Time deadline) override {
    return RunUntil(*pool_, deadline, [&](pqxx::work& tx) {
      tx.exec_params("DELETE FROM queue.replicas WHERE replica = $1", std::string(replica));
      return absl::OkStatus();
    });
  }

  absl::StatusOr<std::vector<ReplicaRecord>> ListReplicas(absl::Time deadline) override {
    std::vector<ReplicaRecord> replicas;
    WEIR_RETURN_IF_ERROR(ReadUntil(*pool_, deadline, [&](pqxx::work& tx) {
      replicas.clear();
      const pqxx::result rows = tx.exec(
          "SELECT replica, address, leaving,"
          " (extract(epoch FROM expires_at - clock_timestamp()) * 1000000)::bigint"
          " FROM queue.replicas ORDER BY replica COLLATE \"C\"");
      for (const auto& row : rows) {
        replicas.push_back({.replica = row[0].as<std::string>(),
                            .address = row[1].as<std::string>(),
                            .leaving = row[2].as<bool>(),
                            .lease_left = absl::Microseconds(row[3].as<int64_t>())});
      }
      return absl::OkStatus();
    }));
    return replicas;
  }

  absl::StatusOr<std::vector<ShardOwnership>> ListShards(absl::Time deadline) override {
    std::vector<ShardOwnership> shards;
    WEIR_RETURN_IF_ERROR(ReadUntil(*pool_, deadline, [&](pqxx::work& tx) {
      shards.clear();
      const pqxx::result rows = tx.exec(
          "SELECT s.shard, s.epoch, s.owner, coalesce(r.address, ''),"
          " coalesce(r.expires_at > clock_timestamp(), false)"
          " FROM queue.shards s LEFT JOIN queue.replicas r ON r.replica = s.owner ORDER BY s.shard");
      for (const auto& row : rows) {
        shards.push_back({.shard = core::ShardId(row[0].as<int32_t>()),
                          .epoch = core::Epoch(row[1].as<int64_t>()),
                          .owner = row[2].as<std::string>(),
                          .address = row[3].as<std::string>(),
                          .owner_alive = row[4].as<bool>()});
      }
      return absl::OkStatus();
    }));
    return shards;
  }

  absl::StatusOr<core::Epoch> AcquireShard(core::ShardId shard, absl::string_view replica,
                                           absl::Time deadline) override {
    core::Epoch epoch;
    WEIR_RETURN_IF_ERROR(RunUntil(*pool_, deadline, [&](pqxx::work& tx) -> absl::Status {
      // Locked first, so that who else takes it at this moment is seen with its own registration.
      const pqxx::result locked = tx.exec_params(
          "SELECT owner FROM queue.shards WHERE shard = $1 FOR NO KEY UPDATE", shard.value());
      if (locked.empty()) return NoSuchShardError(shard);
      const pqxx::result taken = tx.exec_params(
          std::string("UPDATE queue.shards s SET epoch = s.epoch + 1, owner = $2"
                      " WHERE s.shard = $1 AND (s.owner = $2 OR NOT ") +
              kOwnerAlive + ") RETURNING s.epoch",
          shard.value(), std::string(replica));
      if (taken.empty()) return ShardHasOwnerError(shard, locked[0][0].as<std::string>());
      epoch = core::Epoch(taken[0][0].as<int64_t>());
      return absl::OkStatus();
    }));
    return epoch;
  }

  absl::Status ReleaseShard(core::ShardId shard, absl::string_view replica, core::Epoch epoch,
                            absl::Time deadline) override {
    return RunUntil(*pool_, deadline, [&](pqxx::work& tx) -> absl::Status {
      const pqxx::result there =
          tx.exec_params("SELECT 1 FROM queue.shards WHERE shard = $1", shard.value());
      if (there.empty()) return NoSuchShardError(shard);
      tx.exec_params(
          "UPDATE queue.shards SET owner = '' WHERE shard = $1 AND owner = $2 AND epoch = $3",
          shard.value(), std::string(replica), epoch.value());
      return absl::OkStatus();
    });
  }

 private:
  const std::shared_ptr<pg::Pool> pool_;
};

}  // namespace

std::unique_ptr<LeaseStore> NewPgLeaseStore(std::shared_ptr<pg::Pool> pool) {
  return std::make_unique<PgLeaseStore>(std::move(pool));
}

}  // namespace weir::queue::store
