#include "libs/grpcx/rpc_metrics.h"

#include <map>

namespace weir::grpcx {

MethodMetrics::MethodMetrics(prometheus::Family<prometheus::Counter>& requests,
                             prometheus::Family<prometheus::Histogram>& durations,
                             const std::string& service, const std::string& method)
    : requests_(requests),
      service_(service),
      method_(method),
      duration_(durations.Add({{"service", service}, {"method", method}},
                              observe::DurationBuckets())) {}

void MethodMetrics::Finished(absl::StatusCode code, absl::Duration took) {
  const size_t index = static_cast<size_t>(code) < kCodes ? static_cast<size_t>(code) : 2;
  prometheus::Counter* counter = by_code_[index].load(std::memory_order_acquire);
  if (counter == nullptr) {
    // Family::Add answers the same counter for the same labels, so two threads may both do this.
    counter = &requests_.Add({{"service", service_},
                              {"method", method_},
                              {"code", absl::StatusCodeToString(code)}});
    by_code_[index].store(counter, std::memory_order_release);
  }
  counter->Increment();
  duration_.Observe(absl::ToDoubleSeconds(took));
}

void StreamMetrics::Finished(absl::StatusCode code) {
  open_.Decrement();
  requests_
      .Add({{"service", service_}, {"method", method_}, {"code", absl::StatusCodeToString(code)}})
      .Increment();
}

RpcMetrics::RpcMetrics(observe::Metrics& metrics, absl::string_view service)
    : metrics_(metrics),
      service_(service),
      requests_(prometheus::BuildCounter()
                    .Name("weir_rpc_requests_total")
                    .Help("Finished calls by method and gRPC code")
                    .Register(metrics.registry())),
      durations_(prometheus::BuildHistogram()
                     .Name("weir_rpc_duration_seconds")
                     .Help("Time from a call's arrival to its end, long polls included")
                     .Register(metrics.registry())) {}

MethodMetrics& RpcMetrics::Method(absl::string_view method) {
  {
    ReaderMutexLock lock(&mu_);
    const auto it = methods_.find(method);
    if (it != methods_.end()) return *it->second;
  }
  WriterMutexLock lock(&mu_);
  auto& metrics = methods_[std::string(method)];
  if (metrics == nullptr) {
    metrics = std::make_unique<MethodMetrics>(requests_, durations_, service_, std::string(method));
  }
  return *metrics;
}

StreamMetrics& RpcMetrics::Stream(absl::string_view method) {
  {
    ReaderMutexLock lock(&mu_);
    const auto it = streams_.find(method);
    if (it != streams_.end()) return *it->second;
  }
  WriterMutexLock lock(&mu_);
  auto& stream = streams_[std::string(method)];
  if (stream == nullptr) {
    const std::map<std::string, std::string> labels = {{"service", service_},
                                                       {"method", std::string(method)}};
    // Registering a family again answers the one that is there.
    prometheus::Gauge& open = prometheus::BuildGauge()
                                  .Name("weir_rpc_streams_open")
                                  .Help("Streams that are open")
                                  .Register(metrics_.registry())
                                  .Add(labels);
    prometheus::Counter& messages = prometheus::BuildCounter()
                                        .Name("weir_rpc_stream_messages_total")
                                        .Help("Messages that streams have carried")
                                        .Register(metrics_.registry())
                                        .Add(labels);
    stream = std::make_unique<StreamMetrics>(requests_, open, messages, service_,
                                             std::string(method));
  }
  return *stream;
}

}  // namespace weir::grpcx
