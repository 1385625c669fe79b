// The frame around the services: an HTTP request becomes a call of an operation, and its outcome becomes bytes again, in the protocol
// in which the request came. It knows nothing of any service but its names and its table of operations.
//
// Thread-safe. Handle never blocks.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/grpcx/rpc_metrics.h"
#include "services/gateway/front/interpret.h"
#include "services/gateway/http/server.h"
#include "services/gateway/wire/service.h"

namespace weir::gateway::front {

class FrontDoor {
 public:
  struct Entry {
    wire::Service& service;
    grpcx::RpcMetrics& metrics;
  };
  // The first service is asked where a request does not say which it means.
  FrontDoor(Options options, std::vector<Entry> entries);

  void Handle(http::Request request, std::shared_ptr<http::Exchange> exchange);

  // From here on operations are started. Until then health says "starting", and who asks for an operation is told to come again.
  void Open();
  // Says so where health is asked for, and ends long polls.
  void Drain();

 private:
  enum class State { kStarting, kServing, kDraining };

  http::Response Health() const;
  void Start(const std::shared_ptr<const Interpreted>& request, wire::Value input,
             std::shared_ptr<http::Exchange> exchange);

  const Options options_;
  const std::vector<Entry> entries_;
  std::vector<wire::Service*> services_;
  std::atomic<State> state_;
};

}  // namespace weir::gateway::front
