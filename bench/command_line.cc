#include "bench/command_line.h"

#include <iostream>

#include "libs/base/status_macros.h"

namespace weir::bench {
namespace {

absl::StatusOr<Report> Run(Workload workload, const Options& options, CpuMeter& cpu) {
  WEIR_RETURN_IF_ERROR(options.Validate());
  return workload(options, cpu);
}

}  // namespace

void AddCommonOptions(CLI::App& command, Options& options) {
  command.add_option("--body", options.body, "Bytes of a message's body")->capture_default_str();
  command.add_option("--seconds", options.seconds, "How long to measure")->capture_default_str();
  command.add_option("--warmup", options.warmup, "Seconds before the measurement")
      ->capture_default_str();
  command.add_flag("--json", options.json, "One JSON object instead of a table");
}

void AddCyclerOptions(CLI::App& command, Options& options) {
  command
      .add_option("--connections", options.connections,
                  "Cyclers: each sends, receives and deletes, one call at a time")
      ->capture_default_str();
  command.add_option("--batch", options.batch, "Messages a call")->capture_default_str();
}

int RunAndPrint(absl::string_view program, Workload workload, const Options& options,
                CpuMeter& cpu) {
  const absl::StatusOr<Report> report = Run(workload, options, cpu);
  if (!report.ok()) {
    std::cerr << program << ": " << report.status().message() << "\n";
    return 1;
  }
  std::cout << Format(options, *report, cpu) << std::flush;
  return !report->messages.has_value() || report->messages->AllCameBack() ? 0 : 1;
}

}  // namespace weir::bench
