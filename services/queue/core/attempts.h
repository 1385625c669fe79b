// What the attempts to receive of the last five minutes got, so that a repeated one gets the same. In memory only: after a
// restart a repeated attempt is a new receive.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "services/queue/core/instant.h"
#include "services/queue/core/limits.h"
#include "services/queue/core/types.h"

namespace weir::queue::core {

class Attempts {
 public:
  struct Got {
    MessageSeq seq;
    int32_t receive_count = 0;
    Instant visible_at;  // as the attempt left it: another one tells that somebody has changed it
  };

  // Null: it is not known (any more).
  std::vector<Got>* Find(absl::string_view id, Instant now) {
    const auto it = attempts_.find(id);
    return it == attempts_.end() || it->second.until <= now ? nullptr : &it->second.got;
  }

  // In place of what is remembered for `id`.
  void Remember(absl::string_view id, std::vector<Got> got, Instant now) {
    const Instant until = now + kDeduplicationWindow;
    attempts_[id] = {until, std::move(got)};
    order_.emplace_back(until, std::string(id));
    while (!order_.empty() && (order_.front().first <= now || order_.size() > kMaxAttempts)) {
      const auto it = attempts_.find(order_.front().second);
      if (it != attempts_.end() && it->second.until == order_.front().first) attempts_.erase(it);
      order_.pop_front();
    }
  }

 private:
  struct Attempt {
    Instant until;
    std::vector<Got> got;
  };

  absl::flat_hash_map<std::string, Attempt> attempts_;
  std::deque<std::pair<Instant, std::string>> order_;  // in which they end; with stale entries
};

}  // namespace weir::queue::core
