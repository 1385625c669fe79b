#include "services/gateway/service.h"

#include <prometheus/collectable.h>

#include <utility>
#include <vector>

#include "libs/base/status_macros.h"
#include "libs/grpcx/channel.h"
#include "libs/grpcx/rpc_metrics.h"
#include "libs/observe/log.h"
#include "services/gateway/auth/access_key_file.h"
#include "services/gateway/auth/sigv4.h"
#include "services/gateway/auth/whole_file.h"
#include "services/gateway/front/front_door.h"
#include "services/gateway/http/server.h"
#include "services/gateway/sqs/queue_declarer.h"
#include "services/gateway/sqs/queues_file.h"
#include "services/gateway/sqs/sqs_service.h"

namespace weir::gateway {
namespace {

class ConnectionsCollectable final : public prometheus::Collectable {
 public:
  // `server` must outlive this.
  explicit ConnectionsCollectable(const http::Server& server) : server_(server) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    prometheus::MetricFamily family;
    family.name = "weir_gateway_connections";
    family.help = "HTTP connections that are open";
    family.type = prometheus::MetricType::Gauge;
    family.metric.emplace_back();
    family.metric.back().gauge.value = static_cast<double>(server_.connections());
    return {family};
  }

 private:
  const http::Server& server_;
};

absl::StatusOr<std::vector<sqs::DeclaredQueue>> ReadQueuesFile(const Config& config) {
  WEIR_ASSIGN_OR_RETURN(const std::string text, auth::ReadFile(config.queues_file));
  return sqs::ParseQueuesFile(text, {.path = config.queues_file,
                                     .default_account = config.default_account,
                                     .default_region = config.default_region});
}

class Server final : public GatewayServer {
 public:
  // `keys`: null where nothing is verified.
  Server(const Config& config, std::unique_ptr<auth::KeySource> keys, observe::Metrics& metrics)
      : metrics_(metrics),
        sqs_metrics_(metrics, "aws.sqs"),
        sqs_(sqs::MakeSqsService(grpcx::MakeChannel(config.queue_endpoint),
                                 {.relaxed = config.relaxed, .auto_create = config.auto_create_queues})),
        keys_(std::move(keys)),
        verifier_(keys_ == nullptr ? nullptr : std::make_unique<auth::SigV4Verifier>(*keys_, ScopesOf(*sqs_))),
        front_({.base_url = config.base_url,
                .default_account = config.default_account,
                .default_region = config.default_region,
                .verifier = verifier_.get(),
                .closed = !config.queues_file.empty()},
               {{*sqs_, sqs_metrics_}}) {}

  ~Server() override {
    Stop();
    declarer_.reset();
    // Its calls answer over the HTTP server, so they end before that goes.
    sqs_.reset();
  }

  absl::Status Listen(const Config& config) {
    WEIR_ASSIGN_OR_RETURN(
        http_, http::Server::Start({.listen = config.listen,
                                    .threads = config.threads,
                                    .connections_max = static_cast<size_t>(config.connections_max),
                                    .drain_timeout = config.drain_timeout},
                                   [this](http::Request request, std::shared_ptr<http::Exchange> exchange) {
                                     front_.Handle(std::move(request), std::move(exchange));
                                   }));
    connections_ = std::make_shared<ConnectionsCollectable>(*http_);
    metrics_.Add(connections_);
    return absl::OkStatus();
  }

  void Declare(const std::string& path, std::vector<sqs::DeclaredQueue> queues) {
    declarer_ = std::make_unique<sqs::QueueDeclarer>(
        *sqs_, std::move(queues), sqs::DeclarerOptions{.path = path, .when_there = [this] { front_.Open(); }});
  }

  const std::string& address() const override { return http_->address(); }

  absl::Status AwaitQueues(absl::Duration timeout) const override {
    if (declarer_ == nullptr) return absl::OkStatus();
    absl::Status status = declarer_->Await(timeout);
    return absl::IsCancelled(status) ? absl::OkStatus() : status;
  }

  void Stop() override {
    if (connections_ == nullptr) return;
    metrics_.Remove(std::exchange(connections_, nullptr));
    if (declarer_ != nullptr) declarer_->Stop();
    front_.Drain();
    http_->Stop();
  }

 private:
  static std::vector<std::string> ScopesOf(const wire::Service& service) { return {std::string(service.names().scope)}; }

  observe::Metrics& metrics_;
  grpcx::RpcMetrics sqs_metrics_;
  std::unique_ptr<http::Server> http_;
  std::shared_ptr<ConnectionsCollectable> connections_;  // null: stopped
  std::unique_ptr<wire::Service> sqs_;
  const std::unique_ptr<auth::KeySource> keys_;
  const std::unique_ptr<auth::SigV4Verifier> verifier_;  // null: authentication is off
  front::FrontDoor front_;
  std::unique_ptr<sqs::QueueDeclarer> declarer_;  // null: no queues are declared
};

}  // namespace

absl::Status CheckQueuesFile(const Config& config) {
  return config.queues_file.empty() ? absl::OkStatus() : ReadQueuesFile(config).status();
}

absl::StatusOr<std::unique_ptr<GatewayServer>> GatewayServer::Start(const Config& config, observe::Metrics& metrics) {
  WEIR_RETURN_IF_ERROR(config.Validate());
  std::unique_ptr<auth::KeySource> keys;
  if (config.auth == "sigv4") {
    WEIR_ASSIGN_OR_RETURN(keys, auth::AccessKeyFile::Open(config.access_keys,
                                                          auth::MasterPath(config.access_keys, config.access_keys_master)));
  }
  std::vector<sqs::DeclaredQueue> queues;
  if (!config.queues_file.empty()) {
    WEIR_ASSIGN_OR_RETURN(queues, ReadQueuesFile(config));
  }
  const bool verifies = keys != nullptr;
  auto server = std::make_unique<Server>(config, std::move(keys), metrics);
  WEIR_RETURN_IF_ERROR(server->Listen(config));
  if (!config.queues_file.empty()) server->Declare(config.queues_file, std::move(queues));
  observe::Log(observe::Level::kInfo, "gateway ready", {{"address", server->address()}});
  if (!verifies) {
    observe::Log(observe::Level::kWarning,
                 "authentication is off: the gateway accepts any request, whatever it is signed with");
  }
  return std::unique_ptr<GatewayServer>(std::move(server));
}

}  // namespace weir::gateway
