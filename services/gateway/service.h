// The gateway as a library: everything between a configuration and a listening port. `weir-gateway` and `weir up` are thin mains
// around it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/observe/metrics.h"
#include "services/gateway/config.h"

namespace weir::gateway {

// Whether the file of queues is one that Start takes. OK as well: there is none.
absl::Status CheckQueuesFile(const Config& config);

class GatewayServer {
 public:
  // Listens; the queue service may come later, and with it the queues of the file: until they are there, operations are refused and
  // health says "starting". `metrics` must outlive the server.
  static absl::StatusOr<std::unique_ptr<GatewayServer>> Start(const Config& config, observe::Metrics& metrics);
  virtual ~GatewayServer() = default;  // stops

  // "127.0.0.1:4566": with the port that was picked when 0 was asked for.
  virtual const std::string& address() const = 0;

  // Waits until the queues of the file are there. OK as well: there is no file, or the server is stopped. FAILED_PRECONDITION: the queue
  // service does not allow what the file says, and nothing will be served. DEADLINE_EXCEEDED: still waiting for the queue service.
  virtual absl::Status AwaitQueues(absl::Duration timeout) const = 0;

  // Takes no more requests, ends long polls, waits for what runs. May be called twice.
  virtual void Stop() = 0;
};

}  // namespace weir::gateway
