// The runner's metrics.
//
//   weir_runner_invocations_total{function, account, region, outcome}   outcome: succeeded, handled_error, unhandled_error
//   weir_runner_invocation_seconds{function, account, region}           histogram: from handing over the event to the answer
//   weir_runner_cold_starts_total{function, account, region}            invocations that had to start a worker
//   weir_runner_throttles_total{function, account, region}              invocations refused for want of a slot
//   weir_runner_mapping_received_total{mapping, function}               messages received for a mapping
//   weir_runner_mapping_batches_total{mapping, function, outcome}       outcome: succeeded, partial, failed
//   weir_runner_mapping_failed_messages_total{mapping, function}        messages left to be received again
//   weir_runner_mapping_undeleted_messages_total{mapping, function}     succeeded, but received again: the delete failed
//   weir_runner_log_lines_written_total, weir_runner_log_lines_lost_total
#pragma once

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

#include "libs/observe/metrics.h"
#include "services/runner/engine/invoker.h"
#include "services/runner/logs/log_writer.h"
#include "services/runner/mappings/event_source_poller.h"

namespace weir::runner {

class RunnerMetrics final : public engine::InvokerMetrics,
                            public mappings::MappingMetrics,
                            public logs::LogMetrics {
 public:
  // `metrics` must outlive this.
  explicit RunnerMetrics(observe::Metrics& metrics);

  void Invoked(const core::Function& function, core::InvocationOutcome outcome, absl::Duration took,
               bool cold_start) override;
  void Refused(const core::Function& function) override;

  void Received(const core::Mapping& mapping, size_t messages) override;
  void BatchEnded(const core::Mapping& mapping, size_t messages, size_t failed) override;
  void DeletesFailed(const core::Mapping& mapping, size_t messages) override;

  void LinesWritten(size_t lines) override;
  void LinesLost(size_t lines) override;

 private:
  prometheus::Family<prometheus::Counter>& invocations_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  prometheus::Family<prometheus::Counter>& cold_starts_;
  prometheus::Family<prometheus::Counter>& throttles_;
  prometheus::Family<prometheus::Counter>& received_;
  prometheus::Family<prometheus::Counter>& batches_;
  prometheus::Family<prometheus::Counter>& failed_;
  prometheus::Family<prometheus::Counter>& undeleted_;
  prometheus::Counter& lines_written_;
  prometheus::Counter& lines_lost_;
};

}  // namespace weir::runner
