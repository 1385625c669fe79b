// weir up: all services in one process, with a PostgreSQL of its own.
//
// The order of start is PostgreSQL, queue, runner, gateway, metrics, and that of the end the reverse. Everything is started on the main
// thread, because the private PostgreSQL ends with the thread that started it: also kill -9 leaves nothing behind.
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/commands.h"
#include "cli/up_parts.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"
#include "libs/observe/metrics.h"
#include "libs/pg/private_postgres.h"
#include "libs/runtime/open_files.h"
#include "libs/runtime/signals.h"
#include "services/gateway/service.h"
#include "services/queue/service.h"
#include "services/runner/service.h"

namespace weir::cli {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kRestartTimeout = absl::Minutes(1);
constexpr absl::Duration kRestartPause = absl::Milliseconds(200);
// Between looks for a signal, while the queues of the file are awaited.
constexpr absl::Duration kQueuesLook = absl::Milliseconds(200);

struct UpOptions {
  std::string data_dir = ".weir";
  std::string database_url;
  int queue_port = 7801;
  int runner_port = 7802;
  int gateway_port = 4566;
  std::string auth = "off";
  int metrics_port = 7880;
  int shards = 4;
  int max_workers = 64;
  bool sqs_sixty_second_rules = false;
  bool sqs_relaxed = false;
  bool sqs_auto_create = false;
  std::string queues_file;
  std::string log_file;
  std::string log_level = "info";
  std::string ready_file;
};

// The services of one process, started one after the other.
class Suite {
 public:
  Suite(const UpOptions& options, Terminal& terminal, const SignalWatch& signals)
      : options_(options), terminal_(terminal), signals_(signals) {}
  ~Suite() { Stop(); }

  absl::Status Start();
  // Until a signal asks for the end. A PostgreSQL of ours that ends meanwhile is started again; the services find it by themselves.
  absl::Status Run();
  void Stop();
  Endpoints endpoints() const;

 private:
  absl::Status StartPostgres();
  absl::Status RestartPostgres();
  absl::Status StartQueue();
  absl::Status StartRunner();
  absl::Status StartGateway();
  absl::Status StartMetrics();

  const UpOptions& options_;
  Terminal& terminal_;
  const SignalWatch& signals_;
  observe::Metrics metrics_;
  std::string database_url_;
  std::string metrics_url_;
  std::unique_ptr<pg::PrivatePostgres> postgres_;
  std::unique_ptr<queue::QueueServer> queue_;
  std::unique_ptr<runner::RunnerServer> runner_;
  std::unique_ptr<gateway::GatewayServer> gateway_;
};

std::string Address(int port) { return absl::StrCat("127.0.0.1:", port); }

absl::Status Suite::Start() {
  for (const auto step : {&Suite::StartPostgres, &Suite::StartQueue, &Suite::StartRunner, &Suite::StartGateway,
                          &Suite::StartMetrics}) {
    if (signals_.Requested()) return absl::OkStatus();
    WEIR_RETURN_IF_ERROR((this->*step)());
  }
  return absl::OkStatus();
}

absl::Status Suite::StartPostgres() {
  database_url_ = options_.database_url;
  if (!database_url_.empty()) return absl::OkStatus();
  const std::string folder = options_.data_dir + "/postgres";
  std::error_code ignored;
  const SlowStep step(terminal_, fs::exists(folder + "/PG_VERSION", ignored)
                                     ? absl::StrCat("Starting PostgreSQL on ", folder, " …")
                                     : absl::StrCat("Creating a PostgreSQL cluster in ", folder, " …"));
  WEIR_ASSIGN_OR_RETURN(postgres_, pg::PrivatePostgres::Start({.data_dir = options_.data_dir}));
  database_url_ = postgres_->dsn();
  return absl::OkStatus();
}

absl::Status Suite::StartQueue() {
  const SlowStep step(terminal_, "Starting the queue service: schema, shards, recovery …");
  WEIR_ASSIGN_OR_RETURN(queue_, queue::QueueServer::Start({.listen = Address(options_.queue_port),
                                                           .database_url = database_url_,
                                                           .shards = options_.shards,
                                                           .sqs_sixty_second_rules =
                                                               options_.sqs_sixty_second_rules},
                                                          metrics_));
  return absl::OkStatus();
}

absl::Status Suite::StartRunner() {
  const SlowStep step(terminal_, "Starting the runner: schema, runtimes, event source mappings …");
  WEIR_ASSIGN_OR_RETURN(runner_, runner::RunnerServer::Start({.listen = Address(options_.runner_port),
                                                              .database_url = database_url_,
                                                              .queue_endpoint = queue_->address(),
                                                              .data_dir = options_.data_dir + "/runner",
                                                              .max_workers = options_.max_workers},
                                                             metrics_));
  return absl::OkStatus();
}

gateway::Config GatewayConfig(const UpOptions& options) {
  const std::string keys = options.data_dir + "/access-keys.json";
  return {.listen = Address(options.gateway_port),
          .auth = options.auth,
          .access_keys = options.auth == "off" ? "" : keys,
          .relaxed = options.sqs_relaxed,
          .auto_create_queues = options.sqs_auto_create,
          .queues_file = options.queues_file};
}

absl::Status Suite::StartGateway() {
  gateway::Config config = GatewayConfig(options_);
  config.queue_endpoint = queue_->address();
  WEIR_ASSIGN_OR_RETURN(gateway_, gateway::GatewayServer::Start(config, metrics_));
  const SlowStep step(terminal_, absl::StrCat("Creating the queues of ", options_.queues_file, " …"));
  absl::Status queues = gateway_->AwaitQueues(kQueuesLook);
  while (absl::IsDeadlineExceeded(queues) && !signals_.Requested()) queues = gateway_->AwaitQueues(kQueuesLook);
  return absl::IsDeadlineExceeded(queues) ? absl::OkStatus() : queues;
}

absl::Status Suite::StartMetrics() {
  WEIR_ASSIGN_OR_RETURN(metrics_url_, metrics_.Listen(Address(options_.metrics_port)));
  return absl::OkStatus();
}

absl::Status Suite::Run() {
  while (signals_.AwaitOrExitOf(postgres_ != nullptr ? postgres_->pid() : 0) == Woken::kProcessEnded) {
    observe::Log(observe::Level::kError, "PostgreSQL ended unexpectedly; starting it again");
    terminal_.Print("PostgreSQL ended unexpectedly; starting it again.");
    WEIR_RETURN_IF_ERROR(RestartPostgres());
  }
  return absl::OkStatus();
}

absl::Status Suite::RestartPostgres() {
  // While processes of the old server still end, a new one refuses to start.
  const absl::Time give_up_at = absl::Now() + kRestartTimeout;
  absl::Status started = postgres_->StartAgain();
  while (!started.ok() && absl::Now() < give_up_at && !signals_.AwaitFor(kRestartPause)) {
    observe::Log(observe::Level::kWarning, "PostgreSQL does not start yet",
                 {{"error", std::string(started.message())}});
    started = postgres_->StartAgain();
  }
  if (started.ok()) observe::Log(observe::Level::kInfo, "PostgreSQL runs again");
  return signals_.Requested() ? absl::OkStatus() : started;
}

void Suite::Stop() {
  metrics_.StopListening();
  if (gateway_ != nullptr) {
    const SlowStep step(terminal_, "Stopping the gateway: running requests end first …");
    gateway_->Stop();
    gateway_.reset();
  }
  if (runner_ != nullptr) {
    const SlowStep step(terminal_, "Stopping the runner: running invocations end first …");
    runner_->Stop();
    runner_.reset();
  }
  if (queue_ != nullptr) {
    const SlowStep step(terminal_, "Stopping the queue service …");
    queue_->Stop();
    queue_.reset();
  }
  if (postgres_ != nullptr) {
    const SlowStep step(terminal_, "Stopping PostgreSQL …");
    const absl::Status stopped = postgres_->Stop();
    if (!stopped.ok()) terminal_.Print(absl::StrCat("weir: ", stopped.message()));
    postgres_.reset();
  }
}

Endpoints Suite::endpoints() const {
  return {.queue = queue_->address(),
          .runner = runner_->address(),
          .gateway = absl::StrCat("http://", gateway_->address()),
          .metrics = metrics_url_,
          .database_url = database_url_,
          .postgres_pid = postgres_ != nullptr ? postgres_->pid() : 0};
}

absl::Status CheckPorts(const UpOptions& options) {
  WEIR_RETURN_IF_ERROR(CheckPortIsFree("--queue-port", options.queue_port));
  WEIR_RETURN_IF_ERROR(CheckPortIsFree("--runner-port", options.runner_port));
  WEIR_RETURN_IF_ERROR(CheckPortIsFree("--gateway-port", options.gateway_port));
  return CheckPortIsFree("--metrics-port", options.metrics_port);
}

std::string Welcome(const Endpoints& endpoints, const UpOptions& options) {
  return absl::StrCat("Weir is up.\n", FormatFields({{"  queue", endpoints.queue},
                                                     {"  runner", endpoints.runner},
                                                     {"  gateway", absl::StrCat(endpoints.gateway, "  (SQS for the aws CLI "
                                                                   "and the AWS SDKs, ", options.auth == "off" ? "without authentication"
                                                                                                : "signed with access keys", ")")},
                                                     {"  metrics", endpoints.metrics},
                                                     {"  database", endpoints.database_url},
                                                     {"  data", options.data_dir},
                                                     {"  log", options.log_file}}),
                      "Try in another terminal:\n", NextSteps(endpoints), "Ctrl-C stops it.");
}

absl::StatusOr<ExitCode> RunUp(UpOptions options) {
  runtime::BlockTerminationSignals();
  runtime::RaiseOpenFilesLimit();
  observe::Level level;
  if (!observe::ParseLogLevel(options.log_level, level)) {
    return UsageError(absl::StrCat("\"", options.log_level,
                                   "\" for --log-level is not one of debug, info, warning, error"));
  }
  observe::SetLogLevel(level);
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<DataDir> data_dir, DataDir::Lock(options.data_dir));
  options.data_dir = data_dir->path();
  WEIR_RETURN_IF_ERROR(CheckPorts(options));
  // The gateway would say it, but only when all the rest has started.
  WEIR_RETURN_IF_ERROR(gateway::CheckQueuesFile(GatewayConfig(options)));
  if (options.log_file.empty()) options.log_file = options.data_dir + "/weir.log";
  Terminal terminal;
  WEIR_RETURN_IF_ERROR(terminal.SendLogTo(options.log_file));
  const ReadyFile ready_file(options.ready_file);

  const SignalWatch signals;
  Suite suite(options, terminal, signals);
  WEIR_RETURN_IF_ERROR(suite.Start());
  if (!signals.Requested()) {
    WEIR_RETURN_IF_ERROR(ready_file.Write(suite.endpoints()));
    terminal.Print(Welcome(suite.endpoints(), options));
    WEIR_RETURN_IF_ERROR(suite.Run());
  }
  ready_file.Remove();
  terminal.Print("Stopping. A second Ctrl-C ends at once.");
  suite.Stop();
  terminal.Print("Stopped; messages are kept.");
  return ExitCode::kOk;
}

}  // namespace

void AddUpCommand(CLI::App& app, Session& session) {
  CLI::App* up = app.add_subcommand(
      "up", "Start all services on 127.0.0.1, with a private PostgreSQL");
  auto options = std::make_shared<UpOptions>();
  up->add_option("--data-dir", options->data_dir, "Folder of the data, made if missing")
      ->type_name("DIR")->envname("WEIR_DATA_DIR")->capture_default_str();
  up->add_option("--database-url", options->database_url,
                 "Use this PostgreSQL instead, postgresql://USER@HOST/DATABASE")
      ->type_name("URL")->envname("WEIR_DATABASE_URL");
  up->add_option("--queue-port", options->queue_port, "Port of the queue service; 0: any free one")
      ->type_name("PORT")->check(CLI::Range(0, 65535))->envname("WEIR_QUEUE_PORT")->capture_default_str();
  up->add_option("--runner-port", options->runner_port, "Port of the runner; 0: any free one")
      ->type_name("PORT")->check(CLI::Range(0, 65535))->envname("WEIR_RUNNER_PORT")->capture_default_str();
  up->add_option("--gateway-port", options->gateway_port, "Port of the AWS wire protocols; 0: any free one")
      ->type_name("PORT")->check(CLI::Range(0, 65535))->envname("WEIR_GATEWAY_PORT")->capture_default_str();
  up->add_option("--auth", options->auth,
                 "Of the AWS wire protocols: off believes any request, sigv4 verifies signatures by access-keys.json in the data folder")
      ->type_name("MODE")->check(CLI::IsMember({"off", "sigv4"}))->envname("WEIR_GATEWAY_AUTH")->capture_default_str();
  up->add_option("--metrics-port", options->metrics_port, "Port of the Prometheus metrics; 0: any free one")
      ->type_name("PORT")->check(CLI::Range(0, 65535))->envname("WEIR_METRICS_PORT")->capture_default_str();
  up->add_option("--shards", options->shards, "Shards of the queue store, fixed when it is created")
      ->type_name("N")->check(CLI::Range(1, 1024))->envname("WEIR_SHARDS")->capture_default_str();
  up->add_flag("--sqs-sixty-second-rules", options->sqs_sixty_second_rules,
               "As SQS: one purge of a queue a minute, and a minute before a deleted name can be taken again")
      ->envname("WEIR_SQS_SIXTY_SECOND_RULES");
  up->add_flag("--sqs-relaxed", options->sqs_relaxed,
               "Over the AWS wire protocols: ignore attributes that are not known, keep without effect those that are not obeyed")
      ->envname("WEIR_SQS_RELAXED");
  up->add_flag("--sqs-auto-create", options->sqs_auto_create,
               "Over the AWS wire protocols: create a queue that does not exist by its first use, with the defaults")
      ->envname("WEIR_SQS_AUTO_CREATE");
  up->add_option("--queues", options->queues_file,
                 "File of queues that are created, and changed to what it says, before all is ready (see the README)")
      ->type_name("FILE")->envname("WEIR_GATEWAY_QUEUES");
  up->add_option("--max-workers", options->max_workers, "Processes of all functions together")
      ->type_name("N")->check(CLI::Range(1, 10'000))->envname("WEIR_MAX_WORKERS")->capture_default_str();
  up->add_option("--log-file", options->log_file, "JSON log; -: stderr  (default: weir.log in the data folder)")
      ->type_name("FILE")->envname("WEIR_LOG_FILE");
  up->add_option("--log-level", options->log_level, "debug, info, warning or error")
      ->type_name("LEVEL")->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->envname("WEIR_LOG_LEVEL")->capture_default_str();
  up->add_option("--ready-file", options->ready_file, "Written when ready: JSON with the endpoints")
      ->type_name("FILE")->envname("WEIR_READY_FILE");
  SetExamples(*up, {"weir up", "weir up --data-dir /var/lib/weir --log-file -",
                    "weir up --queue-port 0 --runner-port 0 --gateway-port 0 --metrics-port 0 --ready-file ready.json"});
  up->callback([&session, options] { session.action = [options] { return RunUp(*options); }; });
}

}  // namespace weir::cli
