#include "libs/grpcx/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>

#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"

namespace weir::grpcx {
namespace {

void EnablePlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    // Debian builds Abseil with its search for deadlocks on, so each lock inside gRPC goes through a process-wide graph.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  });
}

}  // namespace

absl::Status Server::Start() {
  EnablePlugins();
  grpc::ServerBuilder builder;
  int port = 0;
  // Two servers on one port would each get half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(options_.address, grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(options_.max_message_bytes);
  builder.SetMaxSendMessageSize(options_.max_message_bytes);
  // Clients may probe idle connections every 10 s; without this they would be cut off for it.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  for (grpc::Service* service : services_) builder.RegisterService(service);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) {
    server_.reset();
    return absl::UnavailableError(
        absl::StrCat("Cannot listen on ", options_.address, ": is the port taken?"));
  }
  const absl::string_view host = absl::string_view(options_.address).substr(0, options_.address.rfind(':'));
  bound_address_ = absl::StrCat(host, ":", port);
  return absl::OkStatus();
}

void Server::Stop() {
  if (server_ == nullptr) return;
  server_->GetHealthCheckService()->SetServingStatus(false);
  // Shutdown refuses new calls at once and waits for the others; the hooks run meanwhile, since long polls end only by them.
  std::thread shutdown([this] {
    server_->Shutdown(absl::ToChronoTime(absl::Now() + options_.drain_timeout));
  });
  for (const auto& hook : before_drain_) hook();
  shutdown.join();
  server_->Wait();
  server_.reset();
}

}  // namespace weir::grpcx
