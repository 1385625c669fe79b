#include "services/queue/service.h"

#include <utility>

#include "absl/time/clock.h"
#include "libs/base/clock.h"
#include "libs/base/status_macros.h"
#include "libs/grpcx/open_streams.h"
#include "libs/grpcx/server.h"
#include "libs/observe/log.h"
#include "libs/pg/migrator.h"
#include "libs/pg/pool.h"
#include "services/queue/api/cluster_service.h"
#include "services/queue/api/queue_service.h"
#include "services/queue/peer/grpc_peers.h"
#include "services/queue/peer/peer_service.h"
#include "services/queue/queue_metrics.h"
#include "services/queue/schema.gen.h"
#include "services/queue/store/pg/pg_queue_store.h"

namespace weir::queue {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(60);
// Calls that create, change and list queues.
constexpr int kBlockingThreads = 4;
constexpr size_t kBlockingQueueMax = 1'000;

// The parts in the order in which they are built; they end in the reverse order.
class Server final : public QueueServer {
 public:
  Server(const Config& config, observe::Metrics& metrics, store::PgQueueStore store)
      : metrics_(metrics),
        store_(std::move(store)),
        shard_metrics_(metrics),
        rpc_metrics_(metrics, "weir.queue.v1.QueueService"),
        cluster_metrics_(metrics, "weir.queue.v1.ClusterService"),
        links_(peer::LinkOptions::ForLease(config.lease_time)),
        peers_(links_),
        engine_({.replica = config.replica, .shards = config.shards, .lease_time = config.lease_time},
                *store_.registry, *store_.leases, *store_.logs, *store_.move_tasks, SystemClock(), shard_metrics_,
                &peers_),
        blocking_(kBlockingThreads, kBlockingQueueMax),
        tracer_(*store_.journal),
        context_{engine_, blocking_, rpc_metrics_, SystemClock(), streams_, tracer_, config.sqs_sixty_second_rules},
        service_(context_),
        cluster_context_{engine_, blocking_, cluster_metrics_, SystemClock(), streams_, tracer_},
        cluster_service_(cluster_context_),
        peer_service_(engine_, links_),
        collectable_(std::make_shared<QueueCollectable>(engine_, SystemClock())),
        server_({.address = config.listen, .max_message_bytes = peer::kFrameBytesLimit}) {}

  ~Server() override { Stop(); }

  absl::Status Start(const Config& config) {
    const absl::Time deadline = absl::Now() + kStartTimeout;
    WEIR_RETURN_IF_ERROR(engine_.Start(config.AdvertisedAddress(config.listen), deadline));
    server_.AddService(service_);
    server_.AddService(cluster_service_);
    server_.AddService(peer_service_);
    // Streams give back what they hold while the shards still take it.
    server_.BeforeDrain([this] { streams_.Drain(); });
    // Clients of this replica are served to the end: what comes after its shards are gone goes to their new owners.
    server_.BeforeDrain([this] { engine_.Leave(); });
    server_.BeforeDrain([this] { peer_service_.Leave(); });
    WEIR_RETURN_IF_ERROR(server_.Start());
    // The port may be known only now.
    WEIR_RETURN_IF_ERROR(engine_.AdvertiseAt(config.AdvertisedAddress(server_.address()), deadline));
    metrics_.Add(collectable_);
    collecting_ = true;
    return absl::OkStatus();
  }

  std::string address() const override { return server_.address(); }

  void Stop() override {
    if (std::exchange(collecting_, false)) metrics_.Remove(collectable_);
    server_.Stop();
    blocking_.Stop();
    engine_.Stop();
    peers_.Stop();
  }

 private:
  observe::Metrics& metrics_;
  store::PgQueueStore store_;
  ShardMetrics shard_metrics_;
  grpcx::RpcMetrics rpc_metrics_;
  grpcx::OpenStreams streams_;
  grpcx::RpcMetrics cluster_metrics_;
  const peer::LinkOptions links_;
  peer::GrpcPeers peers_;
  engine::QueueEngine engine_;
  runtime::ThreadPool blocking_;
  engine::Tracer tracer_;
  api::Context context_;
  api::QueueServiceImpl service_;
  api::Context cluster_context_;
  api::ClusterServiceImpl cluster_service_;
  peer::PeerService peer_service_;
  std::shared_ptr<QueueCollectable> collectable_;
  bool collecting_ = false;
  grpcx::Server server_;
};

}  // namespace

absl::Status MigrateSchema(const std::string& database_url) {
  pg::Pool pool({.dsn = database_url, .size = 1, .application_name = "weir-queue-migrate"});
  return pg::Migrate(pool, "queue", schema::Migrations(), absl::Now() + kStartTimeout);
}

absl::StatusOr<std::unique_ptr<QueueServer>> QueueServer::Start(const Config& config,
                                                                observe::Metrics& metrics) {
  WEIR_RETURN_IF_ERROR(config.Validate());
  WEIR_RETURN_IF_ERROR(MigrateSchema(config.database_url));
  WEIR_ASSIGN_OR_RETURN(store::PgQueueStore store,
                        store::CreatePgQueueStore({.database_url = config.database_url,
                                                   .registry_connections = config.registry_connections,
                                                   .lease_time = config.lease_time}));
  auto server = std::make_unique<Server>(config, metrics, std::move(store));
  WEIR_RETURN_IF_ERROR(server->Start(config));
  observe::Log(observe::Level::kInfo, "queue service ready", {{"address", server->address()}});
  return server;
}

}  // namespace weir::queue
