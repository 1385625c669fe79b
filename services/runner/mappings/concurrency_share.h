// How many batches all mappings together may have in work: less than the runner has workers, so that however hot a queue is, there
// is always a worker for those who invoke a function directly.
//
// Thread-safe.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace weir::runner::mappings {

class ConcurrencyShare {
 public:
  // An eighth of the workers, and at least one, is left alone; a runner with a single worker shares it.
  explicit ConcurrencyShare(int max_workers)
      : free_(std::max(1, max_workers - std::max(1, max_workers / 8))) {}

  // The right to one batch. Given back by its end.
  class Token {
   public:
    explicit Token(ConcurrencyShare* share) : share_(share) {}
    Token(Token&& other) noexcept : share_(std::exchange(other.share_, nullptr)) {}
    Token& operator=(Token&& other) noexcept {
      if (this != &other) {
        Release();
        share_ = std::exchange(other.share_, nullptr);
      }
      return *this;
    }
    ~Token() { Release(); }

   private:
    void Release() {
      if (ConcurrencyShare* share = std::exchange(share_, nullptr)) share->Release();
    }
    ConcurrencyShare* share_;
  };

  std::optional<Token> TryAcquire() {
    MutexLock lock(&mu_);
    if (free_ == 0) return std::nullopt;
    --free_;
    return Token(this);
  }
  // Waits until there may be one to be had.
  void AwaitFree(absl::Duration timeout) {
    MutexLock lock(&mu_);
    if (free_ == 0) released_.WaitWithTimeout(&mu_, timeout);
  }

 private:
  void Release() {
    MutexLock lock(&mu_);
    ++free_;
    released_.Signal();
  }

  Mutex mu_;
  CondVar released_;
  int free_ ABSL_GUARDED_BY(mu_);
};

}  // namespace weir::runner::mappings
