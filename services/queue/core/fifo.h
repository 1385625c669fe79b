// A first-in, first-out list in one block of memory. Empty it costs 32 bytes, where std::deque
// allocates half a kilobyte at once: a shard has thousands of idle partitions.
//
// Entries are dropped lazily: the owner decides at the front which are still valid, and calls
// RemoveIf when many are not.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace weir::queue::core {

template <typename T>
class Fifo {
 public:
  bool empty() const { return head_ == items_.size(); }
  size_t size() const { return items_.size() - head_; }
  const T& front() const { return items_[head_]; }

  void PushBack(T item) { items_.push_back(std::move(item)); }

  void PopFront() {
    ++head_;
    if (head_ == items_.size()) {
      items_.clear();
      head_ = 0;
    } else if (head_ >= kSlack && head_ * 2 >= items_.size()) {
      // At least as many pops went before as entries are moved now, so a pop costs O(1) on average.
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
  }

  template <typename Predicate>
  void RemoveIf(Predicate invalid) {
    size_t kept = 0;
    for (size_t i = head_; i < items_.size(); ++i) {
      if (!invalid(items_[i])) items_[kept++] = items_[i];
    }
    items_.resize(kept);
    head_ = 0;
  }

  void Clear() {
    items_ = {};
    head_ = 0;
  }

  auto begin() const { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  auto end() const { return items_.end(); }

 private:
  static constexpr size_t kSlack = 32;
  std::vector<T> items_;
  size_t head_ = 0;  // items_ before it were popped
};

}  // namespace weir::queue::core
