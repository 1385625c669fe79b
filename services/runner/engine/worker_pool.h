// The Invoker over worker processes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "services/runner/config.h"
#include "services/runner/engine/invoker.h"

namespace weir::runner::engine {

struct WorkerPoolOptions {
  // Unpacked code and the bootstrap; emptied at start, after whatever workers a former process left there were killed.
  std::string data_dir;
  std::vector<RuntimeConfig> runtimes;  // empty: python3.8 to python3.14, as found on this machine
  // The program that each worker runs under; empty: "weir-supervisor" beside our own executable.
  std::string supervisor;
  int max_workers = 64;
  absl::Duration idle_worker_timeout = absl::Minutes(10);
};

// Finds the runtimes and gets ready; starts no worker. References must outlive the pool.
absl::StatusOr<std::unique_ptr<Invoker>> MakeWorkerPool(WorkerPoolOptions options, CodeSource& code,
                                                        LogSink& logs, InvokerMetrics& metrics,
                                                        const Clock& clock);

}  // namespace weir::runner::engine
