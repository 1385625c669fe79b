// Who wants to hear at once when a queue gets partitions: those that wait for messages of it.
//
// Thread-safe. Nobody is called with a mutex held.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "libs/base/mutex.h"
#include "services/queue/core/types.h"

namespace weir::queue::engine {

class PartitionWatcher {
 public:
  virtual ~PartitionWatcher() = default;
  // The partitions that the queue has now, known ones among them. Must not block.
  virtual void AddPartitions(const std::vector<core::PartitionAddress>& partitions) = 0;
};

class PartitionWatch {
 public:
  // Until it is removed, or gone.
  void Add(core::QueueId queue, const std::shared_ptr<PartitionWatcher>& watcher) {
    MutexLock lock(&mu_);
    watchers_[queue].insert_or_assign(watcher.get(), watcher);
  }
  // No effect on one that is not there. It may be told once more, if that has begun.
  void Remove(core::QueueId queue, PartitionWatcher* watcher) {
    MutexLock lock(&mu_);
    const auto it = watchers_.find(queue);
    if (it == watchers_.end()) return;
    it->second.erase(watcher);
    if (it->second.empty()) watchers_.erase(it);
  }
  void Tell(core::QueueId queue, const std::vector<core::PartitionAddress>& partitions) {
    std::vector<std::shared_ptr<PartitionWatcher>> told;
    {
      MutexLock lock(&mu_);
      const auto it = watchers_.find(queue);
      if (it == watchers_.end()) return;
      for (const auto& [unused, watcher] : it->second) {
        if (auto there = watcher.lock()) told.push_back(std::move(there));
      }
    }
    for (const auto& watcher : told) watcher->AddPartitions(partitions);
  }

 private:
  Mutex mu_;
  absl::flat_hash_map<core::QueueId,
                      absl::flat_hash_map<PartitionWatcher*, std::weak_ptr<PartitionWatcher>>>
      watchers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace weir::queue::engine
