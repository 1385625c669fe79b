#include "bench/peers/confirm_window.h"

namespace weir::bench {

void ConfirmWindow::Add(Message message) {
  slots_.push_back({.message = message});
  ++outstanding_;
}

std::vector<ConfirmWindow::Message> ConfirmWindow::Confirm(uint64_t number, bool multiple) {
  std::vector<Message> confirmed;
  for (uint64_t i = multiple ? first_ : number; i <= number; ++i) {
    if (i < first_ || i - first_ >= slots_.size()) continue;
    Slot& slot = slots_[i - first_];
    if (slot.confirmed) continue;
    slot.confirmed = true;
    --outstanding_;
    confirmed.push_back(slot.message);
  }
  while (!slots_.empty() && slots_.front().confirmed) {
    slots_.pop_front();
    ++first_;
  }
  return confirmed;
}

}  // namespace weir::bench
