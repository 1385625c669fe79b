// Workload "journal": the store alone, without gRPC, core or engine.
#pragma once

#include "absl/status/statusor.h"
#include "bench/report.h"

namespace weir::bench {

// Appends the rows of full cycles to `options.shards` shards, a thread each, in a database of its
// own that is dropped afterwards. Each commit carries the messages of `options.batch` cycles, the
// leases of the group before and the deletes of the one before that; while it runs, the next group
// is made, as the engine does it.
absl::StatusOr<Report> RunJournal(const Options& options, CpuMeter& cpu);

}  // namespace weir::bench
