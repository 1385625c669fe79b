// Mutexes, in the manner of absl::Mutex but over the standard library's.
//
// Why not absl::Mutex: the distribution's Abseil is not built for ThreadSanitizer, which therefore does not see what its mutex
// orders and reports races that are none. It does see pthread mutexes.
#pragma once

#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#include "absl/base/thread_annotations.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace weir {

// Awaiting a condition, as with absl::Mutex, needs no condition variable: conditions are looked at again whenever the mutex is
// released. That wakes all who await, so it is for few waiters; where it matters, use CondVar.
class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mu_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() {
    WakeAwaiting();
    mu_.unlock();
  }

  // Waits until `condition` holds. It is called with the mutex held.
  template <typename Condition>
  void Await(Condition condition) ABSL_EXCLUSIVE_LOCKS_REQUIRED(this) {
    AwaitWithDeadline(condition, absl::InfiniteFuture());
  }
  // False: it did not hold by `deadline`.
  template <typename Condition>
  bool AwaitWithDeadline(Condition condition, absl::Time deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(this) {
    if (condition()) return true;
    // Waiting releases the mutex, so what was changed since Lock is shown to the others.
    WakeAwaiting();
    std::unique_lock<std::mutex> lock(mu_, std::adopt_lock);
    ++awaiting_;
    bool holds = false;
    if (deadline == absl::InfiniteFuture()) {
      released_.wait(lock, condition);
      holds = true;
    } else {
      holds = released_.wait_until(lock, absl::ToChronoTime(deadline), condition);
    }
    --awaiting_;
    lock.release();
    return holds;
  }
  template <typename Condition>
  bool AwaitWithTimeout(Condition condition, absl::Duration timeout)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(this) {
    return AwaitWithDeadline(condition, absl::Now() + timeout);
  }

 private:
  friend class CondVar;
  // Before the release: afterwards a waiter may already have destroyed this.
  void WakeAwaiting() {
    if (awaiting_ > 0) released_.notify_all();
  }

  std::mutex mu_;
  std::condition_variable released_;
  int awaiting_ = 0;  // guarded by mu_
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : mu_(*mu) { mu_.Lock(); }
  // Locks, and waits until `condition` holds.
  template <typename Condition>
  MutexLock(Mutex* mu, Condition condition) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : mu_(*mu) {
    mu_.Lock();
    mu_.Await(condition);
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mu_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

class CondVar {
 public:
  // May wake without a reason.
  void Wait(Mutex* mu) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    std::unique_lock<std::mutex> lock = Adopt(*mu);
    cond_.wait(lock);
    lock.release();
  }
  // True: the time was over. May wake without a reason.
  bool WaitWithTimeout(Mutex* mu, absl::Duration timeout) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    // The standard library adds the timeout to the time of day, which must not overflow.
    if (timeout > kLongest) {
      Wait(mu);
      return false;
    }
    std::unique_lock<std::mutex> lock = Adopt(*mu);
    const std::cv_status status = cond_.wait_for(lock, absl::ToChronoNanoseconds(timeout));
    lock.release();
    return status == std::cv_status::timeout;
  }
  void Signal() { cond_.notify_one(); }
  void SignalAll() { cond_.notify_all(); }

 private:
  static constexpr absl::Duration kLongest = absl::Hours(24 * 365);

  static std::unique_lock<std::mutex> Adopt(Mutex& mu) {
    mu.WakeAwaiting();
    return std::unique_lock<std::mutex>(mu.mu_, std::adopt_lock);
  }

  std::condition_variable cond_;
};

// For what is read far more often than it is changed.
class ABSL_LOCKABLE SharedMutex {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mu_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mu_.unlock(); }
  void ReaderLock() ABSL_SHARED_LOCK_FUNCTION() { mu_.lock_shared(); }
  void ReaderUnlock() ABSL_UNLOCK_FUNCTION() { mu_.unlock_shared(); }

 private:
  std::shared_mutex mu_;
};

class ABSL_SCOPED_LOCKABLE WriterMutexLock {
 public:
  explicit WriterMutexLock(SharedMutex* mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : mu_(*mu) { mu_.Lock(); }
  ~WriterMutexLock() ABSL_UNLOCK_FUNCTION() { mu_.Unlock(); }
  WriterMutexLock(const WriterMutexLock&) = delete;
  WriterMutexLock& operator=(const WriterMutexLock&) = delete;

 private:
  SharedMutex& mu_;
};

class ABSL_SCOPED_LOCKABLE ReaderMutexLock {
 public:
  explicit ReaderMutexLock(SharedMutex* mu) ABSL_SHARED_LOCK_FUNCTION(mu) : mu_(*mu) {
    mu_.ReaderLock();
  }
  ~ReaderMutexLock() ABSL_UNLOCK_FUNCTION() { mu_.ReaderUnlock(); }
  ReaderMutexLock(const ReaderMutexLock&) = delete;
  ReaderMutexLock& operator=(const ReaderMutexLock&) = delete;

 private:
  SharedMutex& mu_;
};

// Happens once.
class Notification {
 public:
  bool HasBeenNotified() const {
    MutexLock lock(&mu_);
    return notified_;
  }
  // REQUIRES: called once.
  void Notify() {
    MutexLock lock(&mu_);
    notified_ = true;
  }
  void WaitForNotification() const {
    MutexLock lock(&mu_, [this] { return notified_; });
  }
  bool WaitForNotificationWithTimeout(absl::Duration timeout) const {
    MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout([this] { return notified_; }, timeout);
  }

 private:
  mutable Mutex mu_;
  bool notified_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace weir
