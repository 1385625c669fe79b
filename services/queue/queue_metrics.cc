#include "services/queue/queue_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

#include <algorithm>
#include <string>
#include <utility>

namespace weir::queue {
namespace {

prometheus::Histogram& MakeHistogram(observe::Metrics& metrics, const std::string& name,
                                     const std::string& help, const std::vector<double>& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(metrics.registry()).Add({}, buckets);
}

prometheus::Counter& MakeCounter(observe::Metrics& metrics, const std::string& name,
                                 const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(metrics.registry()).Add({});
}

prometheus::MetricFamily Family(const std::string& name, const std::string& help,
                                prometheus::MetricType type) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  return family;
}

void AddSample(prometheus::MetricFamily& family, const engine::QueueInfo& queue, double value,
               const char* state = nullptr) {
  prometheus::ClientMetric metric;
  metric.label = {{"queue", queue.record.name.name},
                  {"account", queue.record.name.account},
                  {"region", queue.record.name.region}};
  if (state != nullptr) metric.label.push_back({"state", state});
  metric.gauge.value = value;
  metric.counter.value = value;
  family.metric.push_back(std::move(metric));
}

}  // namespace

ShardMetrics::ShardMetrics(observe::Metrics& metrics)
    : commit_rows_(MakeHistogram(metrics, "weir_queue_commit_rows", "Rows of one group commit",
                                 observe::CountBuckets())),
      commit_seconds_(MakeHistogram(metrics, "weir_queue_commit_seconds",
                                    "What the store took for one group commit",
                                    observe::DurationBuckets())),
      acquire_seconds_(MakeHistogram(metrics, "weir_queue_shard_acquire_seconds",
                                     "Taking a shard and reading it", observe::DurationBuckets())),
      losses_(MakeCounter(metrics, "weir_queue_shard_losses_total",
                          "Appends that ended badly, so that the shard was taken anew")),
      contents_read_(MakeCounter(metrics, "weir_queue_contents_read_total",
                                 "Received messages whose content was not in memory")) {}

void ShardMetrics::Committed(size_t rows, absl::Duration took) {
  commit_rows_.Observe(static_cast<double>(rows));
  commit_seconds_.Observe(absl::ToDoubleSeconds(took));
}

void ShardMetrics::ShardLost() { losses_.Increment(); }

void ShardMetrics::ShardAcquired(absl::Duration took) {
  acquire_seconds_.Observe(absl::ToDoubleSeconds(took));
}

void ShardMetrics::ContentsReadFromStore(size_t messages) {
  contents_read_.Increment(static_cast<double>(messages));
}

std::vector<prometheus::MetricFamily> QueueCollectable::Collect() const {
  using prometheus::MetricType;
  auto messages = Family("weir_queue_messages", "Messages by state", MetricType::Gauge);
  auto age = Family("weir_queue_oldest_message_age_seconds",
                    "Time since the oldest message was sent", MetricType::Gauge);
  auto waiting = Family("weir_queue_waiting_receives", "Parked long polls", MetricType::Gauge);
  auto sent = Family("weir_queue_sent_total", "Messages sent", MetricType::Counter);
  auto received = Family("weir_queue_received_total", "Receives of messages", MetricType::Counter);
  auto deleted = Family("weir_queue_deleted_total", "Messages deleted", MetricType::Counter);
  auto dead_lettered = Family("weir_queue_dead_lettered_total",
                              "Messages moved to a dead-letter queue", MetricType::Counter);
  auto expired = Family("weir_queue_expired_total", "Messages whose retention ended",
                        MetricType::Counter);
  const absl::Time now = clock_.Now();
  for (const auto& [queue, stats] : engine_.LocalStats()) {
    AddSample(messages, *queue, static_cast<double>(stats.ready), "ready");
    AddSample(messages, *queue, static_cast<double>(stats.in_flight), "in_flight");
    AddSample(messages, *queue, static_cast<double>(stats.delayed), "delayed");
    const absl::Duration oldest =
        stats.oldest_sent_at.has_value() ? now - *stats.oldest_sent_at : absl::ZeroDuration();
    AddSample(age, *queue, std::max(0.0, absl::ToDoubleSeconds(oldest)));
    AddSample(waiting, *queue, static_cast<double>(stats.waiting_receives));
    AddSample(sent, *queue, static_cast<double>(stats.sent));
    AddSample(received, *queue, static_cast<double>(stats.received));
    AddSample(deleted, *queue, static_cast<double>(stats.deleted));
    AddSample(dead_lettered, *queue, static_cast<double>(stats.dead_lettered));
    AddSample(expired, *queue, static_cast<double>(stats.expired));
  }
  return {std::move(messages), std::move(age),     std::move(waiting),
          std::move(sent),     std::move(received), std::move(deleted),
          std::move(dead_lettered), std::move(expired)};
}

}  // namespace weir::queue
