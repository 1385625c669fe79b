// Workload "fill": messages that stay.
#pragma once

#include "absl/status/statusor.h"
#include "bench/report.h"

namespace weir::bench {

// Makes `options.fill_queues` queues, NAME or NAME-0, NAME-1, … of options.queue, and sends
// `options.messages` to each, options.batch a call, by options.connections threads. The bodies are
// those that cycle recognises as its backlog. Leaves everything.
absl::StatusOr<Report> RunFill(const Options& options, CpuMeter& cpu);

}  // namespace weir::bench
