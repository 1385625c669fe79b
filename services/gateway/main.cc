// weir-gateway: AWS's wire protocols in front of the gRPC services, as a process of its own, for a container.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <thread>

#include "libs/observe/log.h"
#include "libs/observe/metrics.h"
#include "libs/runtime/open_files.h"
#include "libs/runtime/signals.h"
#include "services/gateway/service.h"

namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "weir-gateway: %s\n", std::string(status.message()).c_str());
  return 1;
}

int Serve(const weir::gateway::Config& config, const std::string& metrics_listen) {
  weir::observe::Metrics metrics;
  auto server = weir::gateway::GatewayServer::Start(config, metrics);
  if (!server.ok()) return Fail(server.status());
  const auto endpoint = metrics.Listen(metrics_listen);
  if (!endpoint.ok()) return Fail(endpoint.status());
  weir::observe::Log(weir::observe::Level::kInfo, "metrics served", {{"endpoint", *endpoint}});
  absl::Status queues;
  std::thread watch([&queues, &gateway = **server] {
    queues = gateway.AwaitQueues(absl::InfiniteDuration());
    // To a process that can never serve its queues an end is better, and seen by whoever started it.
    if (!queues.ok()) kill(getpid(), SIGTERM);
  });
  weir::runtime::WaitForTerminationSignal();
  metrics.StopListening();
  (*server)->Stop();
  watch.join();
  return queues.ok() ? 0 : Fail(queues);
}

}  // namespace

int main(int argc, char** argv) {
  weir::runtime::BlockTerminationSignals();
  weir::runtime::RaiseOpenFilesLimit();
  weir::gateway::Config config;
  std::string metrics_listen = "127.0.0.1:7882";
  int drain_seconds = 10;

  CLI::App app("Weir's gateway: what the aws CLI and the AWS SDKs speak, in front of Weir's services.", "weir-gateway");
  app.set_config("--config", "", "File with the flags of this help, NAME=VALUE a line");
  app.add_option("--listen", config.listen, "Address of the HTTP service; port 0: any free one")
      ->envname("WEIR_GATEWAY_LISTEN")->capture_default_str();
  app.add_option("--queue-endpoint", config.queue_endpoint, "HOST:PORT of the queue service")
      ->envname("WEIR_QUEUE_ENDPOINT")->required();
  app.add_option("--base-url", config.base_url,
                 "What queue URLs begin with, http://HOST[:PORT]  (default: the Host of each request)")
      ->envname("WEIR_GATEWAY_BASE_URL");
  app.add_option("--default-account", config.default_account, "Account of access keys that are no 12 digits")
      ->envname("WEIR_GATEWAY_DEFAULT_ACCOUNT")->capture_default_str();
  app.add_option("--default-region", config.default_region, "Region of requests that name none")
      ->envname("WEIR_GATEWAY_DEFAULT_REGION")->capture_default_str();
  app.add_option("--auth", config.auth, "sigv4: verify signatures by --access-keys; off: believe any request")
      ->check(CLI::IsMember({"off", "sigv4"}))->envname("WEIR_GATEWAY_AUTH")->capture_default_str();
  app.add_option("--access-keys", config.access_keys, "File of the access keys, as `weir access-key create` writes it")
      ->envname("WEIR_GATEWAY_ACCESS_KEYS");
  app.add_option("--access-keys-master", config.access_keys_master,
                 "File of the key that seals them  (default: access-keys.master beside --access-keys)")
      ->envname("WEIR_GATEWAY_ACCESS_KEYS_MASTER");
  app.add_flag("--relaxed", config.relaxed, "Ignore attributes that are not known and keep those without effect that are not obeyed, instead of refusing them")
      ->envname("WEIR_GATEWAY_RELAXED");
  app.add_flag("--auto-create-queues", config.auto_create_queues,
               "Create a queue that does not exist by its first use, with the defaults")
      ->envname("WEIR_GATEWAY_AUTO_CREATE_QUEUES");
  app.add_option("--queues", config.queues_file,
                 "File of queues that are created, and changed to what it says, before anything is served; see the gateway's README")
      ->envname("WEIR_GATEWAY_QUEUES");
  app.add_option("--threads", config.threads, "Threads that serve HTTP")
      ->envname("WEIR_GATEWAY_THREADS")->capture_default_str();
  app.add_option("--connections-max", config.connections_max, "Connections at once; those beyond are closed")
      ->envname("WEIR_GATEWAY_CONNECTIONS_MAX")->capture_default_str();
  app.add_option("--drain-seconds", drain_seconds, "How long requests may still run after SIGTERM")
      ->envname("WEIR_GATEWAY_DRAIN_SECONDS")->capture_default_str();
  app.add_option("--metrics-listen", metrics_listen, "Address of the Prometheus endpoint")
      ->envname("WEIR_METRICS_LISTEN")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  config.drain_timeout = absl::Seconds(drain_seconds);
  return Serve(config, metrics_listen);
}
