#include "services/queue/api/delivery_table.h"

#include <algorithm>

namespace weir::queue::api {

int64_t DeliveryTable::Push(const Delivered& delivered) {
  const int64_t id = next_id_++;
  deliveries_.emplace(id, Delivery{.delivered = delivered});
  ++held_;
  return id;
}

std::optional<Delivered> DeliveryTable::Find(int64_t id) const {
  const auto it = deliveries_.find(id);
  if (it == deliveries_.end()) return std::nullopt;
  return it->second.delivered;
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

std::vector<Delivered> DeliveryTable::TakeHeld() {
  std::vector<Delivered> taken;
  taken.reserve(static_cast<size_t>(held_));
  absl::erase_if(deliveries_, [&](const auto& entry) {
    if (entry.second.held) taken.push_back(entry.second.delivered);
    return entry.second.held;
  });
  std::sort(taken.begin(), taken.end(),
            [](const Delivered& a, const Delivered& b) { return a.receipt.seq < b.receipt.seq; });
  held_ = 0;
  return taken;
}

}  // namespace weir::queue::api
