// Tells those who follow a function's log that there is more of it, so that an idle follower asks nobody anything.
//
// Thread-safe. Callbacks run on the caller's thread, under the feed's lock: they must be short and must not call the feed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "libs/base/mutex.h"
#include "services/runner/core/types.h"

namespace weir::runner::logs {

class LogFeed {
 public:
  // OK: there are new lines. An error: nothing comes any more, and this was the last call.
  using Callback = std::function<void(const absl::Status&)>;

  class Subscription {
   public:
    Subscription() = default;
    Subscription(LogFeed* feed, int64_t id) : feed_(feed), id_(id) {}
    Subscription(Subscription&& other) noexcept
        : feed_(std::exchange(other.feed_, nullptr)), id_(other.id_) {}
    Subscription& operator=(Subscription&& other) noexcept;
    ~Subscription() { Cancel(); }
    // The callback does not run any more once this has returned.
    void Cancel();

   private:
    LogFeed* feed_ = nullptr;
    int64_t id_ = 0;
  };

  // Calls back at once when the feed is closed already.
  Subscription Subscribe(core::FunctionId function, Callback callback);

  // Lines of these functions have been stored.
  void Stored(const absl::flat_hash_set<core::FunctionId>& functions);
  // Nothing comes for this function any more.
  void End(core::FunctionId function, const absl::Status& why);
  // Nothing comes for anybody, also for those who subscribe later.
  void Close(const absl::Status& why);

 private:
  struct Follower {
    core::FunctionId function;
    Callback callback;
  };
  void Unsubscribe(int64_t id);

  Mutex mu_;
  int64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  std::map<int64_t, Follower> followers_ ABSL_GUARDED_BY(mu_);
  absl::Status closed_ ABSL_GUARDED_BY(mu_);
};

}  // namespace weir::runner::logs
