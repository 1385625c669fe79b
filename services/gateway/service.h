// The gateway as a library: everything between a configuration and a listening port. `weir-gateway` and `weir up` are thin mains
// around it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/observe/metrics.h"
#include "services/gateway/config.h"

namespace weir::gateway {

class GatewayServer {
 public:
  // Listens; the queue service may come later. `metrics` must outlive the server.
  static absl::StatusOr<std::unique_ptr<GatewayServer>> Start(const Config& config, observe::Metrics& metrics);
  virtual ~GatewayServer() = default;  // stops

  // "127.0.0.1:4566": with the port that was picked when 0 was asked for.
  virtual const std::string& address() const = 0;

  // Takes no more requests, ends long polls, waits for what runs. May be called twice.
  virtual void Stop() = 0;
};

}  // namespace weir::gateway
