// A gRPC server as every service has it: health, reflection, a picked port, a graceful end.
//
// Thread-safe after Start.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace weir::grpcx {

struct ServerOptions {
  std::string address = "127.0.0.1:0";  // port 0: any free one
  int max_message_bytes = 16 << 20;
  // Calls that still run so long after Stop began are cut off.
  absl::Duration drain_timeout = absl::Seconds(10);
};

class Server {
 public:
  explicit Server(ServerOptions options) : options_(std::move(options)) {}
  ~Server() { Stop(); }

  // `service` must outlive the server. REQUIRES: before Start.
  void AddService(grpc::Service& service) { services_.push_back(&service); }
  // Runs when Stop begins, before it waits for calls: the place to end long polls. REQUIRES: before Start.
  void BeforeDrain(std::function<void()> hook) { before_drain_.push_back(std::move(hook)); }

  // Listens and serves. UNAVAILABLE with the address when it cannot be bound.
  absl::Status Start();
  // "127.0.0.1:7801", with the port that was picked.
  const std::string& address() const { return bound_address_; }

  // Health says NOT_SERVING, no new calls, hooks run, calls in progress end. May be called twice.
  void Stop();

 private:
  const ServerOptions options_;
  std::vector<grpc::Service*> services_;
  std::vector<std::function<void()>> before_drain_;
  std::unique_ptr<grpc::Server> server_;
  std::string bound_address_;
};

}  // namespace weir::grpcx
