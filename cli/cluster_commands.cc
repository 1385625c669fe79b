// weir cluster status
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/commands.h"
#include "cli/units.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/status_macros.h"
#include "weir/queue/v1/cluster_service.pb.h"

namespace weir::cli {
namespace {

using google::protobuf::util::TimeUtil;
using queue::v1::ClusterService;

std::string StateName(queue::v1::ShardServing state) {
  return std::string(absl::StripPrefix(queue::v1::ShardServing_Name(state), "SHARD_SERVING_"));
}

absl::Duration OldestWait(const queue::v1::ShardLoad& load) {
  return absl::Microseconds(TimeUtil::DurationToMicroseconds(load.oldest_wait()));
}

Json ToJson(const queue::v1::Replica& replica) {
  return {{"name", replica.name()},
          {"address", replica.address()},
          {"alive", replica.alive()},
          {"lease_until", FormatTimestamp(replica.lease_until())},
          {"shards", replica.shards()}};
}

Json ToJson(const queue::v1::Shard& shard) {
  Json load;
  if (shard.has_load()) {
    load = {{"waiting_commands", shard.load().waiting_commands()},
            {"oldest_wait_s", nullptr},
            {"segments", shard.load().segments()},
            {"rows", shard.load().rows()}};
    if (shard.load().has_oldest_wait()) {
      load["oldest_wait_s"] = absl::ToDoubleSeconds(OldestWait(shard.load()));
    }
  }
  return {{"number", shard.number()},
          {"owner", shard.owner()},
          {"epoch", shard.epoch()},
          {"state", StateName(shard.state())},
          {"load", std::move(load)}};
}

Json Document(const queue::v1::GetClusterStatusResponse& status) {
  Json document{{"replica", status.replica()}, {"replicas", Json::array()}, {"shards", Json::array()}};
  for (const auto& replica : status.replicas()) document["replicas"].push_back(ToJson(replica));
  for (const auto& shard : status.shards()) document["shards"].push_back(ToJson(shard));
  return document;
}

std::string Text(const queue::v1::GetClusterStatusResponse& status) {
  Table replicas({"REPLICA", "ADDRESS", "ALIVE", "LEASE UNTIL", "SHARDS"});
  for (const auto& replica : status.replicas()) {
    replicas.AddRow({replica.name(), replica.address(), replica.alive() ? "yes" : "no",
                     FormatTimestamp(replica.lease_until()), absl::StrCat(replica.shards())});
  }
  Table shards({"SHARD", "OWNER", "EPOCH", "STATE", "WAITING", "FOR", "SEGMENTS", "ROWS"});
  for (const auto& shard : status.shards()) {
    const auto& load = shard.load();
    const bool known = shard.has_load();
    shards.AddRow({absl::StrCat(shard.number()), shard.owner().empty() ? "-" : shard.owner(),
                   absl::StrCat(shard.epoch()), StateName(shard.state()),
                   known ? absl::StrCat(load.waiting_commands()) : "-",
                   known && load.has_oldest_wait() ? DurationText(OldestWait(load)) : "-",
                   known ? absl::StrCat(load.segments()) : "-", known ? absl::StrCat(load.rows()) : "-"});
  }
  return absl::StrCat(replicas.ToString(), "\n", shards.ToString());
}

absl::StatusOr<ExitCode> ShowStatus(Session& session) {
  WEIR_ASSIGN_OR_RETURN(const queue::v1::GetClusterStatusResponse status,
                        session.Call(session.cluster_stub(), &ClusterService::Stub::GetClusterStatus,
                                     queue::v1::GetClusterStatusRequest()));
  session.PrintResult(Document(status), Text(status));
  return ExitCode::kOk;
}

}  // namespace

void AddClusterCommands(CLI::App& app, Session& session) {
  CLI::App* cluster = app.add_subcommand("cluster", "Look at the replicas of the queue service");
  cluster->require_subcommand(1);
  CLI::App* status =
      cluster->add_subcommand("status", "Show the replicas, and who serves which shard how far behind");
  SetExamples(*status, {"weir cluster status", "weir cluster status -o json"});
  status->callback([&session] { session.action = [&session] { return ShowStatus(session); }; });
}

}  // namespace weir::cli
