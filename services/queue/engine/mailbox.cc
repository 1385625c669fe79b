#include "services/queue/engine/mailbox.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace weir::queue::engine {

Mailbox::PutResult Mailbox::Put(Mail& mail) {
  MutexLock lock(&mu_);
  if (items_.size() >= items_max_ || bytes_ + mail.bytes > bytes_max_) {
    return open_ ? PutResult::kFull : PutResult::kClosed;
  }
  return PutLocked(mail);
}

Mailbox::PutResult Mailbox::PutInternal(Mail& mail) {
  MutexLock lock(&mu_);
  return PutLocked(mail);
}

Mailbox::PutResult Mailbox::PutLocked(Mail& mail) {
  if (!open_) return PutResult::kClosed;
  if (items_.empty()) waiting_since_ = clock_.Monotonic();
  bytes_ += mail.bytes;
  items_.push_back(std::move(mail));
  // The shard's thread looks again by itself when a commit ends; only a sleeping one costs a system call.
  if (waiting_) arrived_.Signal();
  return PutResult::kOk;
}

std::vector<Mail> Mailbox::Take(absl::Duration timeout, size_t items_max, size_t bytes_max) {
  MutexLock lock(&mu_);
  // Not by the time of day: when that is set back, a timer would be late by as much.
  const absl::Duration deadline = clock_.Monotonic() + timeout;
  while (items_.empty() && !woken_) {
    const absl::Duration left = deadline - clock_.Monotonic();
    if (left <= absl::ZeroDuration()) break;
    waiting_ = true;
    arrived_.WaitWithTimeout(&mu_, left);
    waiting_ = false;
  }
  woken_ = false;
  size_t count = 0;
  size_t bytes = 0;
  while (count < items_.size() && count < items_max && (count == 0 || bytes <= bytes_max)) {
    bytes += items_[count++].bytes;
  }
  bytes_ -= bytes;
  if (count == items_.size()) return std::exchange(items_, {});
  std::vector<Mail> taken(std::make_move_iterator(items_.begin()),
                          std::make_move_iterator(items_.begin() + count));
  items_.erase(items_.begin(), items_.begin() + count);
  return taken;
}

void Mailbox::Wake() {
  MutexLock lock(&mu_);
  woken_ = true;
  arrived_.Signal();
}

Mailbox::Waiting Mailbox::Look() {
  MutexLock lock(&mu_);
  if (items_.empty()) return {};
  return {.items = items_.size(), .oldest = clock_.Monotonic() - waiting_since_};
}

void Mailbox::Open() {
  MutexLock lock(&mu_);
  open_ = true;
}

std::vector<Mail> Mailbox::Close() {
  MutexLock lock(&mu_);
  open_ = false;
  bytes_ = 0;
  return std::exchange(items_, {});
}

}  // namespace weir::queue::engine
