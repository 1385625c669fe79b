// Workload "skip-locked": the same cycles on the table that everybody writes.
#pragma once

#include "absl/status/statusor.h"
#include "bench/report.h"

namespace weir::bench {

// One table, SELECT … FOR UPDATE SKIP LOCKED, prepared statements, each call a transaction of its
// own, a thread and a PostgreSQL connection a cycler. The table is made for the run and dropped
// after it; autovacuum is as the server has it.
absl::StatusOr<Report> RunSkipLocked(const Options& options, CpuMeter& cpu);

}  // namespace weir::bench
