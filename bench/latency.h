// Workloads "latency" and "insert-commit": how long one message takes when the system has time for
// it.
#pragma once

#include "absl/status/statusor.h"
#include "bench/report.h"

namespace weir::bench {

// Sends `options.rate` messages a second, one at a time, while a consumer waits in a long poll.
// `end_to_end` is from the start of the send to the answer of the receive that has the message.
// Makes a queue of its own and deletes it.
absl::StatusOr<Report> RunLatency(const Options& options, CpuMeter& cpu);

// What latencies of a store on PostgreSQL are compared with: one prepared INSERT of the body, a
// transaction of its own, on one connection at the same pace. Makes a table and drops it.
absl::StatusOr<Report> RunInsertCommit(const Options& options, CpuMeter& cpu);

}  // namespace weir::bench
