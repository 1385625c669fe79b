// weir-queue: the queue service as a process of its own, for a container.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "libs/observe/log.h"
#include "libs/observe/metrics.h"
#include "libs/runtime/signals.h"
#include "services/queue/service.h"

namespace {

int Serve(const weir::queue::Config& config, const std::string& metrics_listen) {
  weir::observe::Metrics metrics;
  auto server = weir::queue::QueueServer::Start(config, metrics);
  if (!server.ok()) {
    std::fprintf(stderr, "weir-queue: %s\n", std::string(server.status().message()).c_str());
    return 1;
  }
  const auto endpoint = metrics.Listen(metrics_listen);
  if (!endpoint.ok()) {
    std::fprintf(stderr, "weir-queue: %s\n", std::string(endpoint.status().message()).c_str());
    return 1;
  }
  weir::observe::Log(weir::observe::Level::kInfo, "metrics served", {{"endpoint", *endpoint}});
  weir::runtime::WaitForTerminationSignal();
  metrics.StopListening();
  (*server)->Stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  weir::runtime::BlockTerminationSignals();
  weir::queue::Config config;
  std::string metrics_listen = "127.0.0.1:7880";
  int lease_seconds = static_cast<int>(absl::ToInt64Seconds(config.lease_time));
  config.replica.clear();

  CLI::App app("Weir's queue service: durable queues on PostgreSQL, over gRPC.", "weir-queue");
  app.set_config("--config", "", "File with the flags of this help, NAME=VALUE a line");
  app.add_option("--listen", config.listen, "Address of the gRPC service; port 0: any free one")
      ->envname("WEIR_QUEUE_LISTEN")->capture_default_str();
  app.add_option("--advertise", config.advertise, "Address at which its peers reach it (default: as --listen, with this host's name for 0.0.0.0)")
      ->envname("WEIR_QUEUE_ADVERTISE");
  app.add_option("--database-url", config.database_url, "PostgreSQL, postgresql://USER@HOST/DATABASE")
      ->envname("WEIR_DATABASE_URL")->required();
  app.add_option("--replica", config.replica, "Name of this replica, unique and stable over restarts (default: HOST-PORT)")
      ->envname("WEIR_REPLICA");
  app.add_option("--shards", config.shards, "Shards, when the store is created")
      ->envname("WEIR_QUEUE_SHARDS")->capture_default_str();
  app.add_option("--lease-seconds", lease_seconds, "How long a replica that went silent keeps its shards")
      ->envname("WEIR_LEASE_SECONDS")->capture_default_str();
  app.add_flag("--sqs-sixty-second-rules", config.sqs_sixty_second_rules,
               "One purge of a queue a minute, and a minute before a deleted name can be taken again")
      ->envname("WEIR_SQS_SIXTY_SECOND_RULES");
  app.add_option("--metrics-listen", metrics_listen, "Address of the Prometheus endpoint")
      ->envname("WEIR_METRICS_LISTEN")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  config.lease_time = absl::Seconds(lease_seconds);
  if (config.replica.empty()) config.replica = weir::queue::DefaultReplica(config.listen);
  return Serve(config, metrics_listen);
}
