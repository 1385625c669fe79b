#include "libs/grpcx/rpc_metrics.h"

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

RpcMetrics::RpcMetrics(observe::Metrics& metrics, absl::string_view service)
    : service_(service),
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

}  // namespace weir::grpcx
