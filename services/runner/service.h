// The runner service as a library: everything between a configuration and a listening port. `weir-runner` and `weir up` are thin
// mains around it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/observe/metrics.h"
#include "services/runner/config.h"
#include "services/runner/engine/invoker.h"

namespace weir::runner {

class RunnerServer {
 public:
  // Migrates the schema, finds the runtimes, starts the event source mappings, listens. `metrics` must outlive the server.
  static absl::StatusOr<std::unique_ptr<RunnerServer>> Start(const Config& config,
                                                             observe::Metrics& metrics);
  // The same with another way to run functions, for tests.
  using InvokerFactory = std::function<absl::StatusOr<std::unique_ptr<engine::Invoker>>(
      const Config&, engine::CodeSource&, engine::LogSink&, engine::InvokerMetrics&)>;
  static absl::StatusOr<std::unique_ptr<RunnerServer>> StartWithInvoker(
      const Config& config, observe::Metrics& metrics, const InvokerFactory& make_invoker);

  virtual ~RunnerServer() = default;  // stops

  // "127.0.0.1:7802": with the port that was picked when 0 was asked for.
  virtual std::string address() const = 0;

  // Takes no more calls, stops polling, lets running invocations end (up to a drain time), kills every worker. May be called
  // twice.
  virtual void Stop() = 0;
};

}  // namespace weir::runner
