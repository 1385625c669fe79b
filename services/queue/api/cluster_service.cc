#include "services/queue/api/cluster_service.h"

#include "google/protobuf/util/time_util.h"

namespace weir::queue::api {
namespace {

using google::protobuf::util::TimeUtil;

v1::ShardServing ToProto(engine::ClusterStatus::Serving serving) {
  switch (serving) {
    case engine::ClusterStatus::Serving::kServing:
      return v1::SHARD_SERVING_SERVING;
    case engine::ClusterStatus::Serving::kRecovering:
      return v1::SHARD_SERVING_RECOVERING;
    case engine::ClusterStatus::Serving::kAway:
      return v1::SHARD_SERVING_AWAY;
  }
  return v1::SHARD_SERVING_UNSPECIFIED;
}

void EncodeShard(const engine::ClusterStatus::Shard& shard, v1::Shard& out) {
  out.set_number(shard.ownership.shard.value());
  out.set_owner(shard.ownership.owner);
  out.set_epoch(shard.ownership.epoch.value());
  out.set_state(ToProto(shard.serving));
  if (!shard.load.has_value()) return;
  v1::ShardLoad& load = *out.mutable_load();
  load.set_waiting_commands(shard.load->waiting_commands);
  if (shard.load->oldest_wait.has_value()) {
    *load.mutable_oldest_wait() =
        TimeUtil::MicrosecondsToDuration(absl::ToInt64Microseconds(*shard.load->oldest_wait));
  }
  load.set_segments(shard.load->segments);
  load.set_rows(shard.load->rows);
}

}  // namespace

grpc::ServerUnaryReactor* ClusterServiceImpl::GetClusterStatus(
    grpc::CallbackServerContext* grpc_context, const v1::GetClusterStatusRequest*,
    v1::GetClusterStatusResponse* response) {
  return RunBlocking(
      context_, grpc_context, "GetClusterStatus", [this, response](absl::Time deadline) -> absl::Status {
        WEIR_ASSIGN_OR_RETURN(const engine::ClusterStatus status, context_.engine.Cluster(deadline));
        const absl::Time now = context_.clock.Now();
        response->set_replica(status.replica);
        for (const store::ReplicaRecord& replica : status.replicas) {
          v1::Replica& out = *response->add_replicas();
          out.set_name(replica.replica);
          out.set_address(replica.address);
          out.set_alive(replica.alive());
          *out.mutable_lease_until() =
              TimeUtil::MillisecondsToTimestamp(absl::ToUnixMillis(now + replica.lease_left));
          int shards = 0;
          for (const auto& shard : status.shards) shards += shard.ownership.owner == replica.replica;
          out.set_shards(shards);
        }
        for (const auto& shard : status.shards) EncodeShard(shard, *response->add_shards());
        return absl::OkStatus();
      });
}

}  // namespace weir::queue::api
