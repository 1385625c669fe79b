// Metrics of one process: a Prometheus registry that all services share, and the HTTP endpoint that Prometheus scrapes.
//
// Thread-safe. Families and their children live as long as this object.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace weir::observe {

class Metrics {
 public:
  Metrics() : registry_(std::make_shared<prometheus::Registry>()) {}

  prometheus::Registry& registry() { return *registry_; }

  // Counted at each scrape; must call Remove before it goes away. The endpoint must not be listening yet, or be stopped first, when
  // a collectable goes.
  void Add(std::shared_ptr<prometheus::Collectable> collectable);
  void Remove(const std::shared_ptr<prometheus::Collectable>& collectable);

  // Serves "/metrics" on `address` ("127.0.0.1:7880", port 0: any free one). Answers "http://127.0.0.1:7880/metrics".
  absl::StatusOr<std::string> Listen(absl::string_view address);
  void StopListening() { exposer_.reset(); }

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  std::vector<std::shared_ptr<prometheus::Collectable>> collectables_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

// Bucket bounds, in seconds, for durations from 100 µs to 30 s.
std::vector<double> DurationBuckets();
// For sizes of groups: 1, 2, 5, 10 … 5000.
std::vector<double> CountBuckets();

}  // namespace weir::observe
