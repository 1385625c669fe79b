// Rate, errors and duration of each RPC method of a service.
//
//   weir_rpc_requests_total{service, method, code}      finished calls by gRPC code
//   weir_rpc_duration_seconds{service, method}          from arrival to finish, long polls included
//
// Thread-safe. Method() looks up by name once a call; what it answers is stable.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/observe/metrics.h"

namespace weir::grpcx {

class MethodMetrics {
 public:
  MethodMetrics(prometheus::Family<prometheus::Counter>& requests,
                prometheus::Family<prometheus::Histogram>& durations, const std::string& service,
                const std::string& method);

  void Finished(absl::StatusCode code, absl::Duration took);

 private:
  static constexpr size_t kCodes = 17;
  prometheus::Family<prometheus::Counter>& requests_;
  const std::string service_;
  const std::string method_;
  prometheus::Histogram& duration_;
  std::array<std::atomic<prometheus::Counter*>, kCodes> by_code_{};
};

class RpcMetrics {
 public:
  // `metrics` must outlive this.
  RpcMetrics(observe::Metrics& metrics, absl::string_view service);

  MethodMetrics& Method(absl::string_view method);

 private:
  const std::string service_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& durations_;
  SharedMutex mu_;
  absl::flat_hash_map<std::string, std::unique_ptr<MethodMetrics>> methods_ ABSL_GUARDED_BY(mu_);
};

}  // namespace weir::grpcx
