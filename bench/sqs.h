// Workloads "sqs" and "sqs-latency": what "cycle" and "latency" do, in SQS's JSON over HTTP against a running gateway.
#pragma once

#include "absl/status/statusor.h"
#include "bench/report.h"

namespace weir::bench {

// Full cycles on queues of their own, by threads that block: each cycler has one HTTP connection, kept alive.
absl::StatusOr<Report> RunSqsCycles(const Options& options, CpuMeter& cpu);

// One message at a time, at the options' pace, to a consumer that waits in a long poll.
absl::StatusOr<Report> RunSqsLatency(const Options& options, CpuMeter& cpu);

}  // namespace weir::bench
