// The queue service's metrics: what its shards measure, and the numbers of each queue at the moment of a scrape.
//
//   weir_queue_commit_rows                       histogram: rows of one group commit
//   weir_queue_commit_seconds                    histogram: what the store took for it
//   weir_queue_shard_acquire_seconds             histogram: taking and reading a shard
//   weir_queue_shard_losses_total                appends that ended badly
//   weir_queue_contents_read_total               messages whose content was not in memory
//   weir_queue_messages{queue, state}            ready, in_flight, delayed; exact
//   weir_queue_oldest_message_age_seconds{queue} 0 when empty
//   weir_queue_waiting_receives{queue}           parked long polls
//   weir_queue_{sent,received,deleted,dead_lettered,expired}_total{queue}
//
// A queue's labels are queue, account and region.
#pragma once

#include <prometheus/collectable.h>

#include <vector>

#include "libs/base/clock.h"
#include "libs/observe/metrics.h"
#include "services/queue/engine/engine_metrics.h"
#include "services/queue/engine/queue_engine.h"

namespace weir::queue {

class ShardMetrics final : public engine::EngineMetrics {
 public:
  // `metrics` must outlive this.
  explicit ShardMetrics(observe::Metrics& metrics);

  void Committed(size_t rows, absl::Duration took) override;
  void ShardLost() override;
  void ShardAcquired(absl::Duration took) override;
  void ContentsReadFromStore(size_t messages) override;

 private:
  prometheus::Histogram& commit_rows_;
  prometheus::Histogram& commit_seconds_;
  prometheus::Histogram& acquire_seconds_;
  prometheus::Counter& losses_;
  prometheus::Counter& contents_read_;
};

// Asks every shard once a scrape. Thread-safe.
class QueueCollectable final : public prometheus::Collectable {
 public:
  // References must outlive this.
  QueueCollectable(engine::QueueEngine& engine, const Clock& clock)
      : engine_(engine), clock_(clock) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  engine::QueueEngine& engine_;
  const Clock& clock_;
};

}  // namespace weir::queue
