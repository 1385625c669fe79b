#include "services/queue/api/delivery_table.h"

#include <algorithm>

namespace weir::queue::api {

int64_t DeliveryTable::Push(const core::Receipt& receipt) {
  const int64_t id = next_id_++;
  deliveries_.emplace(id, Delivery{.receipt = receipt});
  ++held_;
  return id;
}

std::optional<core::Receipt> DeliveryTable::Find(int64_t id) const {
  const auto it = deliveries_.find(id);
  if (it == deliveries_.end()) return std::nullopt;
  return it->second.receipt;
}

void DeliveryTable::Settle(int64_t id) {
  const auto it = deliveries_.find(id);
  if (it == deliveries_.end() || !it->second.held) return;
  it->second.held = false;
  --held_;
}

void DeliveryTable::Keep(int64_t id) {
  const auto it = deliveries_.find(id);
  if (it == deliveries_.end() || it->second.held) return;
  it->second.held = true;
  ++held_;
}

void DeliveryTable::Forget(int64_t id) {
  Settle(id);
  deliveries_.erase(id);
}

std::vector<core::Receipt> DeliveryTable::TakeHeld() {
  std::vector<core::Receipt> receipts;
  receipts.reserve(static_cast<size_t>(held_));
  absl::erase_if(deliveries_, [&](const auto& entry) {
    if (entry.second.held) receipts.push_back(entry.second.receipt);
    return entry.second.held;
  });
  std::sort(receipts.begin(), receipts.end(),
            [](const core::Receipt& a, const core::Receipt& b) { return a.seq < b.seq; });
  held_ = 0;
  return receipts;
}

}  // namespace weir::queue::api
