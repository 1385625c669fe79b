// Rate, errors and duration of each RPC method of a service.
//
//   weir_rpc_requests_total{service, method, code}      finished calls by gRPC code
//   weir_rpc_duration_seconds{service, method}          from arrival to finish, long polls included; not of streams
//   weir_rpc_streams_open{service, method}              streams that are open
//   weir_rpc_stream_messages_total{service, method}     messages that streams have carried
//
// Thread-safe. Method() looks up by name once a call; what it answers is stable.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
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

// Of a method that is a stream: how long one lasts says nothing, so it is what it carries that is told.
class StreamMetrics {
 public:
  StreamMetrics(prometheus::Family<prometheus::Counter>& requests, prometheus::Gauge& open,
                prometheus::Counter& messages, const std::string& service, const std::string& method)
      : requests_(requests), open_(open), messages_(messages), service_(service), method_(method) {}

  void Opened() { open_.Increment(); }
  void Finished(absl::StatusCode code);
  void Carried(size_t messages) { messages_.Increment(static_cast<double>(messages)); }

 private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Gauge& open_;
  prometheus::Counter& messages_;
  const std::string service_;
  const std::string method_;
};

class RpcMetrics {
 public:
  // `metrics` must outlive this.
  RpcMetrics(observe::Metrics& metrics, absl::string_view service);

  MethodMetrics& Method(absl::string_view method);
  StreamMetrics& Stream(absl::string_view method);

 private:
  observe::Metrics& metrics_;
  const std::string service_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& durations_;
  SharedMutex mu_;
  absl::flat_hash_map<std::string, std::unique_ptr<MethodMetrics>> methods_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, std::unique_ptr<StreamMetrics>> streams_ ABSL_GUARDED_BY(mu_);
};

}  // namespace weir::grpcx
