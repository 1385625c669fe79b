// Workload "stream": full cycles over the streams Produce and Consume against a running queue
// service.
#pragma once

#include "absl/status/statusor.h"
#include "bench/report.h"

namespace weir::bench {

// Makes queues of its own. options.connections producers, each with up to options.outstanding
// messages that are not answered yet, options.batch messages a request; options.consumers consumers
// with a credit of options.credit each, which delete what comes, all that one response brings in one
// request. Producers wait while more than twice their outstanding messages are not deleted yet, so
// the queues stay shallow. One thread serves all streams by a completion queue: the client shares
// the machine with what it measures. The first error ends the run.
absl::StatusOr<Report> RunStream(const Options& options, CpuMeter& cpu);

}  // namespace weir::bench
