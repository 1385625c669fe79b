// What the programs of this folder have in common: options, and running a workload.
#pragma once

#include <CLI/CLI.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/report.h"

namespace weir::bench {

using Workload = absl::StatusOr<Report> (*)(const Options&, CpuMeter&);

// Of every workload: --body, --seconds, --warmup, --json.
void AddCommonOptions(CLI::App& command, Options& options);
// --connections, --batch.
void AddCyclerOptions(CLI::App& command, Options& options);

// Runs the workload and prints its report. The program's exit code: 0, or 1 after an error (told on
// stderr) and when not every message came back.
int RunAndPrint(absl::string_view program, Workload workload, const Options& options,
                CpuMeter& cpu);

}  // namespace weir::bench
