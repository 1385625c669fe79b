// The queues that exist, in memory: names, ARNs, attributes, and where their partitions live.
//
// A cache in front of store::RegistryStore: changes go to the store first and are visible here when the call returns. Thread-safe;
// look-ups take a reader lock and never touch the store.
//
// A queue's core::QueueConfig has its redrive target resolved, so it changes also when the dead-letter queue is created or deleted.
// Whoever set OnConfigChange is told of every new config, after it is visible.
//
// Other replicas change the store too. Refresh makes this as new as the store was when it was called; the engine calls it before
// it lets anything be dropped for want of a queue, and from time to time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "services/queue/core/types.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::engine {

// One queue at one moment; immutable.
struct QueueInfo {
  store::QueueRecord record;
  std::string arn;
  core::ConfigPtr config;
  // The first of record.partitions: where a queue that is not spread has its messages. Those that are: partitioning.h.
  core::PartitionAddress address;
};
using QueueInfoPtr = std::shared_ptr<const QueueInfo>;

// "arn:aws:sqs:<region>:<account>:<name>"
std::string QueueArn(const store::QueueName& name);
// Empty if `arn` does not have that form.
std::optional<store::QueueName> ParseQueueArn(absl::string_view arn);

struct CreateOptions {
  store::Tags tags;
  absl::Duration name_rest = absl::ZeroDuration();  // as in store::NewQueue
};

class Registry {
 public:
  // `store` must outlive the registry. `shard_count` shards take the partitions of new queues.
  Registry(store::RegistryStore& store, int shard_count);

  // Reads all queues from the store. REQUIRES: before the first look-up.
  absl::Status Load(absl::Time deadline);

  using ConfigListener = std::function<void(const QueueInfo&)>;
  // REQUIRES: set once, before the first change.
  void OnConfigChange(ConfigListener listener) { listener_ = std::move(listener); }
  // Told of queues that the store turned out not to have any more: deleted by another replica, or by a Delete that could not say
  // so. Not of those that Delete removes. REQUIRES: as OnConfigChange.
  void OnDisappearance(ConfigListener listener) { gone_listener_ = std::move(listener); }

  // Told when a change was made here, before its caller is; on the caller's thread, which may block until `deadline`. REQUIRES: as
  // OnConfigChange.
  using ChangeListener = std::function<void(absl::Time deadline)>;
  void OnChange(ChangeListener listener) { change_listener_ = std::move(listener); }

  // The store's when this was read last, so this is at least as new.
  int64_t version() const { return shown_version_.load(); }
  // Refreshes have numbers: the newest that has begun, and the newest that has succeeded.
  int64_t last_read_begun() const { return reads_begun_.load(); }
  int64_t last_read_done() const { return reads_done_.load(); }

  // Makes this at least as new as the store is now: reads everything if the store's version is another one. On an error nothing
  // has changed.
  absl::Status Refresh(absl::Time deadline);

  // Null when there is no such queue.
  QueueInfoPtr Find(const store::QueueName& name) const;
  QueueInfoPtr FindByArn(absl::string_view arn) const;
  QueueInfoPtr FindByPartition(core::PartitionId partition) const;

  // Queues of a namespace whose names begin with `prefix` and come after `after`, in the order of their names.
  std::vector<QueueInfoPtr> List(absl::string_view account, absl::string_view region,
                                 absl::string_view prefix, absl::string_view after,
                                 size_t limit) const;
  // Queues whose redrive policy names `arn`, by name after `after`.
  std::vector<QueueInfoPtr> DeadLetterSources(absl::string_view arn, absl::string_view after,
                                              size_t limit) const;
  std::vector<QueueInfoPtr> All() const;

  absl::StatusOr<QueueInfoPtr> Create(const store::QueueName& name,
                                      const store::QueueAttributes& attributes,
                                      absl::Time deadline, const CreateOptions& options = {});
  // The queue gets the partitions that it lacks to attributes.partitions; it never loses any. ABORTED if the queue was changed since
  // `expected` was read.
  absl::StatusOr<QueueInfoPtr> Update(const QueueInfo& expected,
                                      const store::QueueAttributes& attributes,
                                      absl::Time deadline);
  absl::StatusOr<QueueInfoPtr> SetTags(const QueueInfo& expected, const store::Tags& tags,
                                       absl::Time deadline);
  // What is left of it in the shards is the caller's to drop.
  absl::Status Delete(const QueueInfo& queue, absl::Time deadline);

  // Purges that are allowed once in a while only: as in the store.
  absl::Status BeginPurge(const QueueInfo& queue, absl::Duration rest, absl::Time deadline);
  absl::Status ForgetPurge(const QueueInfo& queue, absl::Time deadline);

 private:
  // Makes a change of a queue that exists visible here.
  absl::StatusOr<QueueInfoPtr> Adopt(absl::StatusOr<store::QueueRecord> record, absl::Time deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mu_);
  absl::StatusOr<QueueInfoPtr> DoCreate(const store::QueueName& name,
                                        const store::QueueAttributes& attributes,
                                        absl::Time deadline, const CreateOptions& options);
  absl::StatusOr<QueueInfoPtr> DoSetTags(const QueueInfo& expected, const store::Tags& tags,
                                         absl::Time deadline);
  absl::StatusOr<QueueInfoPtr> DoUpdate(const QueueInfo& expected,
                                        const store::QueueAttributes& attributes,
                                        absl::Time deadline);
  absl::Status DoDelete(const QueueInfo& queue, absl::Time deadline);
  // After a change that failed: `status`, for the caller's convenience.
  absl::Status NoteFailure(absl::Status status, absl::Time deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mu_);
  // Makes this what the store has, when that is in doubt.
  absl::Status ReloadIfStale(absl::Time deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mu_);
  absl::Status Reload(absl::Time deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mu_);
  void RemoveLocked(const QueueInfo& queue) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  QueueInfoPtr InsertLocked(store::QueueRecord record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  QueueInfoPtr MakeInfoLocked(store::QueueRecord record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Sources of `arn` get configs anew, since the queue behind it came or went. Appends the new ones to `changed`.
  void ResolveSourcesLocked(const std::string& arn, std::vector<QueueInfoPtr>& changed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Notify(const std::vector<QueueInfoPtr>& changed) const;
  void Changed(absl::Time deadline) const {
    if (change_listener_) change_listener_(deadline);
  }
  // For the partitions that a queue with `have` lacks to `want`.
  std::vector<core::ShardId> NewShards(absl::string_view arn, int32_t have, int32_t want) const;

  // Constant after construction.
  store::RegistryStore& store_;
  const int shard_count_;
  ConfigListener listener_;
  ConfigListener gone_listener_;
  ChangeListener change_listener_;

  std::atomic<int64_t> shown_version_{-1};  // version_, when it is visible
  std::atomic<int64_t> reads_begun_{0};
  std::atomic<int64_t> reads_done_{0};

  // Changes are serial, as they are in the store. Taken before mu_.
  Mutex change_mu_;
  // A change failed, so the store may have it nevertheless, or somebody else's.
  bool stale_ ABSL_GUARDED_BY(change_mu_) = false;
  // The store's, read before what was loaded last.
  int64_t version_ ABSL_GUARDED_BY(change_mu_) = -1;

  mutable SharedMutex mu_;
  absl::btree_map<store::QueueName, QueueInfoPtr> by_name_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<core::PartitionId, QueueInfoPtr> by_partition_ ABSL_GUARDED_BY(mu_);
  // Dead-letter queue's ARN → names of its sources.
  absl::flat_hash_map<std::string, std::map<store::QueueName, bool>> sources_ ABSL_GUARDED_BY(mu_);
  int64_t next_config_version_ ABSL_GUARDED_BY(mu_) = 1;
};

}  // namespace weir::queue::engine
