#include "libs/observe/metrics.h"

#include <algorithm>
#include <exception>

#include "absl/strings/str_cat.h"

namespace weir::observe {

void Metrics::Add(std::shared_ptr<prometheus::Collectable> collectable) {
  if (exposer_ != nullptr) exposer_->RegisterCollectable(collectable);
  collectables_.push_back(std::move(collectable));
}

void Metrics::Remove(const std::shared_ptr<prometheus::Collectable>& collectable) {
  if (exposer_ != nullptr) exposer_->RemoveCollectable(collectable);
  collectables_.erase(std::remove(collectables_.begin(), collectables_.end(), collectable),
                      collectables_.end());
}

absl::StatusOr<std::string> Metrics::Listen(absl::string_view address) {
  try {
    exposer_ = std::make_unique<prometheus::Exposer>(std::string(address), /*num_threads=*/2);
  } catch (const std::exception& e) {
    return absl::UnavailableError(
        absl::StrCat("Metrics cannot be served on ", address, ": ", e.what()));
  }
  exposer_->RegisterCollectable(registry_);
  for (const auto& collectable : collectables_) exposer_->RegisterCollectable(collectable);
  const absl::string_view host = address.substr(0, address.rfind(':'));
  return absl::StrCat("http://", host, ":", exposer_->GetListeningPorts().front(), "/metrics");
}

std::vector<double> DurationBuckets() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
          0.1,    0.25,    0.5,    1,     2.5,    5,     10,   20,    30};
}

std::vector<double> CountBuckets() {
  return {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000};
}

}  // namespace weir::observe
