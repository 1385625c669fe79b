#include "services/runner/runner_metrics.h"

#include <map>
#include <string>

namespace weir::runner {
namespace {

using Labels = std::map<std::string, std::string>;

prometheus::Family<prometheus::Counter>& Counters(observe::Metrics& metrics, const std::string& name,
                                                  const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(metrics.registry());
}

Labels LabelsOf(const core::Function& function) {
  return {{"function", function.name.name},
          {"account", function.name.account},
          {"region", function.name.region}};
}

Labels LabelsOf(const core::Mapping& mapping) {
  return {{"mapping", mapping.uuid}, {"function", mapping.function_name.name}};
}

const char* NameOf(core::InvocationOutcome outcome) {
  switch (outcome) {
    case core::InvocationOutcome::kSucceeded:
      return "succeeded";
    case core::InvocationOutcome::kHandledError:
      return "handled_error";
    case core::InvocationOutcome::kUnhandledError:
      return "unhandled_error";
  }
  return "unknown";
}

}  // namespace

RunnerMetrics::RunnerMetrics(observe::Metrics& metrics)
    : invocations_(Counters(metrics, "weir_runner_invocations_total", "Invocations by outcome")),
      seconds_(prometheus::BuildHistogram()
                   .Name("weir_runner_invocation_seconds")
                   .Help("From handing the event to the worker to its answer")
                   .Register(metrics.registry())),
      cold_starts_(Counters(metrics, "weir_runner_cold_starts_total",
                            "Invocations that had to start a worker")),
      throttles_(Counters(metrics, "weir_runner_throttles_total",
                          "Invocations refused for want of a free slot")),
      received_(Counters(metrics, "weir_runner_mapping_received_total",
                         "Messages received for an event source mapping")),
      batches_(Counters(metrics, "weir_runner_mapping_batches_total",
                        "Batches of an event source mapping by outcome")),
      failed_(Counters(metrics, "weir_runner_mapping_failed_messages_total",
                       "Messages of failed batches, to be received again")),
      undeleted_(Counters(metrics, "weir_runner_mapping_undeleted_messages_total",
                          "Messages that succeeded but could not be deleted")),
      lines_written_(Counters(metrics, "weir_runner_log_lines_written_total", "Log lines stored").Add({})),
      lines_lost_(Counters(metrics, "weir_runner_log_lines_lost_total",
                           "Log lines that the buffer had no room for")
                      .Add({})) {}

void RunnerMetrics::Invoked(const core::Function& function, core::InvocationOutcome outcome,
                            absl::Duration took, bool cold_start) {
  Labels labels = LabelsOf(function);
  seconds_.Add(labels, observe::DurationBuckets()).Observe(absl::ToDoubleSeconds(took));
  if (cold_start) cold_starts_.Add(labels).Increment();
  labels["outcome"] = NameOf(outcome);
  invocations_.Add(labels).Increment();
}

void RunnerMetrics::Refused(const core::Function& function) {
  throttles_.Add(LabelsOf(function)).Increment();
}

void RunnerMetrics::Received(const core::Mapping& mapping, size_t messages) {
  received_.Add(LabelsOf(mapping)).Increment(static_cast<double>(messages));
}

void RunnerMetrics::BatchEnded(const core::Mapping& mapping, size_t messages, size_t failed) {
  Labels labels = LabelsOf(mapping);
  if (failed > 0) failed_.Add(labels).Increment(static_cast<double>(failed));
  labels["outcome"] = failed == 0 ? "succeeded" : failed < messages ? "partial" : "failed";
  batches_.Add(labels).Increment();
}

void RunnerMetrics::DeletesFailed(const core::Mapping& mapping, size_t messages) {
  undeleted_.Add(LabelsOf(mapping)).Increment(static_cast<double>(messages));
}

void RunnerMetrics::LinesWritten(size_t lines) { lines_written_.Increment(static_cast<double>(lines)); }
void RunnerMetrics::LinesLost(size_t lines) { lines_lost_.Increment(static_cast<double>(lines)); }

}  // namespace weir::runner
