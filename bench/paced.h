// Messages at a pace, one at a time, to a consumer that waits: how latencies are measured.
#pragma once

#include <atomic>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bench/blocking_cycle.h"
#include "bench/report.h"

namespace weir::bench {

// Does `step` at the options' pace, for the warm-up and for the measurement, whose length it
// answers. When a step takes too long those after it follow at once, so the number of steps is
// kept.
absl::StatusOr<absl::Duration> AtPace(const Options& options, CpuMeter& cpu,
                                      std::atomic<bool>& measuring,
                                      absl::FunctionRef<absl::Status()> step);

// `sender` sends at the options' pace; meanwhile `consumer`, on a thread of its own, receives and
// deletes until all has come. REQUIRES: the queue is empty and nobody else uses it.
absl::StatusOr<Report> RunPaced(absl::string_view workload, const Options& options, CpuMeter& cpu,
                                BlockingClient& sender, BlockingClient& consumer);

}  // namespace weir::bench
