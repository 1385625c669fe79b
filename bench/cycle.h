// Workload "cycle": full cycles over gRPC against a running queue service.
#pragma once

#include "absl/status/statusor.h"
#include "bench/report.h"

namespace weir::bench {

// Makes queues of its own, runs `options.connections` cyclers on them (send a batch, receive,
// delete what came, again), drains and deletes the queues. With `options.queue` it uses that one,
// in which `fill` has left `options.backlog` messages, and leaves it with as many. One thread
// serves all cyclers by a completion queue: the client shares the machine with what it measures.
// The first call that fails ends the run with its error.
absl::StatusOr<Report> RunCycle(const Options& options, CpuMeter& cpu);

}  // namespace weir::bench
