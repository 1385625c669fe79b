#include "services/runner/service.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "libs/base/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/grpcx/server.h"
#include "libs/observe/log.h"
#include "libs/pg/migrator.h"
#include "libs/pg/pool.h"
#include "services/runner/api/runner_service.h"
#include "services/runner/engine/worker_pool.h"
#include "services/runner/logs/log_feed.h"
#include "services/runner/logs/log_writer.h"
#include "services/runner/mappings/mapping_manager.h"
#include "services/runner/runner_metrics.h"
#include "services/runner/schema.gen.h"
#include "services/runner/store/pg/pg_runner_store.h"

namespace weir::runner {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(60);
// Invocations that run when the end is asked for get that long; the server waits a little longer for their answers.
constexpr absl::Duration kDrainTimeout = absl::Seconds(20);
constexpr absl::Duration kServerDrainTimeout = absl::Seconds(25);
constexpr int kMessageBytesMax = 64 << 20;
constexpr int kBlockingThreads = 8;
constexpr size_t kBlockingQueueMax = 1'000;
constexpr int kStreamThreads = 2;
// A thread per connection, and a few for the pollers and the log writer.
constexpr int kConnections = kBlockingThreads + kStreamThreads + 6;

class StoreCodeSource final : public engine::CodeSource {
 public:
  explicit StoreCodeSource(store::FunctionStore& functions) : functions_(functions) {}
  absl::StatusOr<core::FunctionCode> ReadCode(core::FunctionId function, core::Revision revision,
                                              absl::Time deadline) override {
    return functions_.ReadCode(function, revision, deadline);
  }

 private:
  store::FunctionStore& functions_;
};

class WriterLogSink final : public engine::LogSink {
 public:
  explicit WriterLogSink(logs::LogWriter& writer) : writer_(writer) {}
  void Append(std::vector<core::LogLine> lines) override { writer_.Append(std::move(lines)); }

 private:
  logs::LogWriter& writer_;
};

// What can be built before the workers, whose code and logs go through here.
struct Storage {
  Storage(const Config& config, observe::Metrics& metrics)
      : pool({.dsn = config.database_url, .size = kConnections, .application_name = "weir-runner"}),
        functions(pool),
        mappings(pool),
        logs(pool),
        runner_metrics(metrics),
        log_writer({}, logs, log_feed, runner_metrics, SystemClock()),
        code_source(functions),
        log_sink(log_writer) {}

  pg::Pool pool;
  store::PgFunctionStore functions;
  store::PgMappingStore mappings;
  store::PgLogStore logs;
  RunnerMetrics runner_metrics;
  logs::LogFeed log_feed;
  logs::LogWriter log_writer;
  StoreCodeSource code_source;
  WriterLogSink log_sink;
};

// The parts in the order in which they are built; they end in the reverse order.
class Server final : public RunnerServer {
 public:
  Server(const Config& config, observe::Metrics& metrics, std::unique_ptr<Storage> storage,
         std::unique_ptr<engine::Invoker> invoker)
      : storage_(std::move(storage)),
        invoker_(std::move(invoker)),
        rpc_metrics_(metrics, "weir.runner.v1.RunnerService"),
        queues_(mappings::MakeGrpcQueueClient(config.queue_endpoint)),
        share_(config.max_workers),
        mappings_({storage_->functions, *invoker_, *queues_, share_, storage_->runner_metrics},
                  storage_->mappings),
        blocking_(kBlockingThreads, kBlockingQueueMax),
        // Twice: a thread may be about to finish when its slot is free already.
        invocations_(config.max_workers, 2 * static_cast<size_t>(config.max_workers)),
        streams_(kStreamThreads, 2 * api::kStreamsMax),
        context_{storage_->functions, storage_->mappings, storage_->logs, *invoker_,    mappings_,
                 *queues_,            storage_->log_writer, storage_->log_feed, blocking_, invocations_,
                 streams_,            rpc_metrics_,         SystemClock()},
        service_(context_),
        server_({.address = config.listen,
                 .max_message_bytes = kMessageBytesMax,
                 .drain_timeout = kServerDrainTimeout}) {}

  ~Server() override { Stop(); }

  absl::Status Start() {
    server_.AddService(service_);
    server_.BeforeDrain([this] { Drain(); });
    WEIR_RETURN_IF_ERROR(server_.Start());
    mappings_.Start();
    return absl::OkStatus();
  }

  std::string address() const override { return server_.address(); }

  void Stop() override {
    server_.Stop();
    Drain();
    mappings_.Stop();
    blocking_.Stop();
    invocations_.Stop();
    streams_.Stop();
    storage_->log_writer.Stop();
  }

 private:
  // Ends what would go on by itself: polls, followed logs, invocations. May be called twice.
  void Drain() {
    mappings_.BeginStop();
    storage_->log_feed.Close(MakeError(ErrorReason::kShuttingDown,
                                       "The runner is stopping: go on after the last position."));
    invoker_->Stop(kDrainTimeout);
  }

  const std::unique_ptr<Storage> storage_;
  const std::unique_ptr<engine::Invoker> invoker_;
  grpcx::RpcMetrics rpc_metrics_;
  const std::unique_ptr<mappings::QueueClient> queues_;
  mappings::ConcurrencyShare share_;
  mappings::MappingManager mappings_;
  runtime::ThreadPool blocking_;
  runtime::ThreadPool invocations_;
  runtime::ThreadPool streams_;
  api::Context context_;
  api::RunnerServiceImpl service_;
  grpcx::Server server_;
};

// A database that is only just starting is waited for.
absl::Status Migrate(pg::Pool& pool) {
  const absl::Time deadline = absl::Now() + kStartTimeout;
  absl::Duration backoff = absl::Milliseconds(100);
  while (true) {
    const absl::Status status = pg::Migrate(pool, "runner", schema::Migrations(), deadline);
    if (!absl::IsUnavailable(status) || absl::Now() + backoff > deadline) return status;
    observe::Log(observe::Level::kWarning, "the database is not there yet, trying again",
                 {{"error", std::string(status.message())}});
    absl::SleepFor(backoff);
    backoff = std::min(backoff * 2, absl::Seconds(2));
  }
}

absl::StatusOr<std::unique_ptr<engine::Invoker>> MakeWorkers(const Config& config,
                                                             engine::CodeSource& code,
                                                             engine::LogSink& logs,
                                                             engine::InvokerMetrics& metrics) {
  return engine::MakeWorkerPool({.data_dir = config.data_dir,
                                 .runtimes = config.runtimes,
                                 .supervisor = config.supervisor,
                                 .max_workers = config.max_workers,
                                 .idle_worker_timeout = config.idle_worker_timeout},
                                code, logs, metrics, SystemClock());
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunnerServer>> RunnerServer::Start(const Config& config,
                                                                  observe::Metrics& metrics) {
  return StartWithInvoker(config, metrics, MakeWorkers);
}

absl::StatusOr<std::unique_ptr<RunnerServer>> RunnerServer::StartWithInvoker(
    const Config& config, observe::Metrics& metrics, const InvokerFactory& make_invoker) {
  WEIR_RETURN_IF_ERROR(config.Validate());
  auto storage = std::make_unique<Storage>(config, metrics);
  WEIR_RETURN_IF_ERROR(Migrate(storage->pool));
  storage->log_writer.Start();
  WEIR_ASSIGN_OR_RETURN(std::unique_ptr<engine::Invoker> invoker,
                        make_invoker(config, storage->code_source, storage->log_sink,
                                     storage->runner_metrics));
  auto server = std::make_unique<Server>(config, metrics, std::move(storage), std::move(invoker));
  WEIR_RETURN_IF_ERROR(server->Start());
  observe::Log(observe::Level::kInfo, "runner service ready", {{"address", server->address()}});
  return server;
}

}  // namespace weir::runner
