// weir-runner: the runner service as a process of its own, for a container.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "libs/observe/log.h"
#include "libs/observe/metrics.h"
#include "libs/runtime/signals.h"
#include "services/runner/service.h"

namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "weir-runner: %s\n", std::string(status.message()).c_str());
  return 1;
}

int Serve(const weir::runner::Config& config, const std::string& metrics_listen) {
  weir::observe::Metrics metrics;
  auto server = weir::runner::RunnerServer::Start(config, metrics);
  if (!server.ok()) return Fail(server.status());
  const auto endpoint = metrics.Listen(metrics_listen);
  if (!endpoint.ok()) return Fail(endpoint.status());
  weir::observe::Log(weir::observe::Level::kInfo, "metrics served", {{"endpoint", *endpoint}});
  weir::runtime::WaitForTerminationSignal();
  metrics.StopListening();
  (*server)->Stop();
  return 0;
}

// "python3.12=/usr/bin/python3.12", or the name alone.
weir::runner::RuntimeConfig ParseRuntime(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return {.name = text};
  return {.name = text.substr(0, equals), .interpreter = text.substr(equals + 1)};
}

}  // namespace

int main(int argc, char** argv) {
  weir::runtime::BlockTerminationSignals();
  weir::runner::Config config;
  std::string metrics_listen = "127.0.0.1:7881";
  std::vector<std::string> runtimes;
  int idle_seconds = 600;

  CLI::App app("Weir's runner service: functions, and the mappings that feed them from queues.",
               "weir-runner");
  app.set_config("--config", "", "File with the flags of this help, NAME=VALUE a line");
  app.add_option("--listen", config.listen, "Address of the gRPC service; port 0: any free one")
      ->envname("WEIR_RUNNER_LISTEN")->capture_default_str();
  app.add_option("--database-url", config.database_url, "PostgreSQL, postgresql://USER@HOST/DATABASE")
      ->envname("WEIR_DATABASE_URL")->required();
  app.add_option("--queue-endpoint", config.queue_endpoint, "HOST:PORT of the queue service")
      ->envname("WEIR_QUEUE_ENDPOINT")->required();
  app.add_option("--data-dir", config.data_dir, "Folder for unpacked code; emptied at start")
      ->envname("WEIR_RUNNER_DATA_DIR")->required();
  app.add_option("--runtime", runtimes,
                 "A runtime, NAME or NAME=INTERPRETER; may be repeated (default: the Pythons found)")
      ->envname("WEIR_RUNNER_RUNTIMES")->delimiter(',');
  app.add_option("--supervisor", config.supervisor,
                 "Program that workers run under (default: weir-supervisor beside this one)")
      ->envname("WEIR_RUNNER_SUPERVISOR");
  app.add_option("--max-workers", config.max_workers, "Worker processes of all functions together")
      ->envname("WEIR_RUNNER_MAX_WORKERS")->capture_default_str();
  app.add_option("--idle-worker-seconds", idle_seconds, "How long a worker without work is kept")
      ->envname("WEIR_RUNNER_IDLE_WORKER_SECONDS")->capture_default_str();
  app.add_option("--metrics-listen", metrics_listen, "Address of the Prometheus endpoint")
      ->envname("WEIR_METRICS_LISTEN")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  for (const std::string& runtime : runtimes) config.runtimes.push_back(ParseRuntime(runtime));
  config.idle_worker_timeout = absl::Seconds(idle_seconds);
  return Serve(config, metrics_listen);
}
