#include "services/runner/logs/log_feed.h"

namespace weir::runner::logs {

LogFeed::Subscription& LogFeed::Subscription::operator=(Subscription&& other) noexcept {
  if (this != &other) {
    Cancel();
    feed_ = std::exchange(other.feed_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

void LogFeed::Subscription::Cancel() {
  if (LogFeed* feed = std::exchange(feed_, nullptr)) feed->Unsubscribe(id_);
}

LogFeed::Subscription LogFeed::Subscribe(core::FunctionId function, Callback callback) {
  MutexLock lock(&mu_);
  if (!closed_.ok()) {
    callback(closed_);
    return Subscription();
  }
  const int64_t id = next_id_++;
  followers_[id] = {function, std::move(callback)};
  return Subscription(this, id);
}

void LogFeed::Unsubscribe(int64_t id) {
  MutexLock lock(&mu_);
  followers_.erase(id);
}

void LogFeed::Stored(const absl::flat_hash_set<core::FunctionId>& functions) {
  MutexLock lock(&mu_);
  for (const auto& [id, follower] : followers_) {
    if (functions.contains(follower.function)) follower.callback(absl::OkStatus());
  }
}

void LogFeed::End(core::FunctionId function, const absl::Status& why) {
  MutexLock lock(&mu_);
  for (auto it = followers_.begin(); it != followers_.end();) {
    if (it->second.function != function) {
      ++it;
      continue;
    }
    it->second.callback(why);
    it = followers_.erase(it);
  }
}

void LogFeed::Close(const absl::Status& why) {
  MutexLock lock(&mu_);
  if (!closed_.ok()) return;
  closed_ = why;
  for (const auto& [id, follower] : followers_) follower.callback(why);
  followers_.clear();
}

}  // namespace weir::runner::logs
