// Keeps a poller for every enabled mapping in the store.
//
// Thread-safe. What it runs follows the store: at start, after every change that this runner makes, and, for changes that others
// make or whose outcome nobody knew, once a minute. While the store is away it tries again, with backoff; pollers go on meanwhile.
//
// Locks: refresh_mu_ before mu_. The first is held while the store is read, so that an older reading never overwrites a newer one.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "services/runner/mappings/event_source_poller.h"
#include "services/runner/store/runner_store.h"

namespace weir::runner::mappings {

enum class MappingState { kEnabled, kDisabled, kDisabling };

struct MappingReport {
  MappingState state = MappingState::kDisabled;
  std::string state_reason;
  std::string last_processing_result;
};

class MappingManager {
 public:
  // `store` and what `context` refers to must outlive this.
  MappingManager(const PollerContext& context, store::MappingStore& store)
      : context_(context), store_(store) {}
  ~MappingManager() { Stop(); }

  void Start();

  // Makes the pollers fit the store now; when the store is away, as soon as it is back.
  void Refresh(absl::Time deadline);
  // The mapping has been deleted: it receives no more messages once this has returned.
  void Drop(const std::string& uuid);

  MappingReport Report(const core::Mapping& mapping) const;

  // Ends the polls and starts none any more; does not wait for the batches in work.
  void BeginStop();
  // Waits for these. May be called twice.
  void Stop();

 private:
  struct Entry {
    core::Mapping mapping;
    std::shared_ptr<MappingStatus> status;
    std::unique_ptr<EventSourcePoller> poller;  // null: disabled
  };

  void Run();
  absl::Status TryRefresh(absl::Time deadline) ABSL_LOCKS_EXCLUDED(refresh_mu_, mu_);
  absl::StatusOr<std::vector<core::Mapping>> ReadAll(absl::Time deadline);
  void ApplyLocked(core::Mapping mapping) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RetireLocked(std::unique_ptr<EventSourcePoller> poller) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReapLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const PollerContext context_;
  store::MappingStore& store_;

  Mutex refresh_mu_;
  mutable Mutex mu_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool refresh_wanted_ ABSL_GUARDED_BY(mu_) = true;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<EventSourcePoller>> retiring_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace weir::runner::mappings
