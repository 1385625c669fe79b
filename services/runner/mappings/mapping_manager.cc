#include "services/runner/mappings/mapping_manager.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"

namespace weir::runner::mappings {
namespace {

constexpr int kPage = 1'000;
constexpr absl::Duration kRefreshInterval = absl::Minutes(1);
constexpr absl::Duration kRefreshTimeout = absl::Seconds(10);
constexpr absl::Duration kBackoffMin = absl::Milliseconds(200);
constexpr absl::Duration kBackoffMax = absl::Seconds(5);

bool SamePolling(const core::Mapping& a, const core::Mapping& b) {
  return a.function == b.function && a.event_source_arn == b.event_source_arn && a.config == b.config;
}

}  // namespace

void MappingManager::Start() {
  thread_ = std::thread([this] { Run(); });
}

void MappingManager::Run() {
  absl::Duration backoff = kBackoffMin;
  while (true) {
    const absl::Status status = TryRefresh(absl::Now() + kRefreshTimeout);
    absl::Duration wait = kRefreshInterval;
    if (status.ok()) {
      backoff = kBackoffMin;
    } else {
      observe::Log(observe::Level::kWarning, "event source mappings could not be read, trying again",
                   {{"error", std::string(status.message())}});
      wait = backoff;
      backoff = std::min(backoff * 2, kBackoffMax);
    }
    MutexLock lock(&mu_);
    const absl::Time until = absl::Now() + wait;
    while (!stopping_ && !(status.ok() && refresh_wanted_) && absl::Now() < until) {
      wake_.WaitWithTimeout(&mu_, until - absl::Now());
    }
    if (stopping_) return;
  }
}

void MappingManager::Refresh(absl::Time deadline) {
  if (TryRefresh(deadline).ok()) return;
  MutexLock lock(&mu_);
  refresh_wanted_ = true;
  wake_.SignalAll();
}

absl::StatusOr<std::vector<core::Mapping>> MappingManager::ReadAll(absl::Time deadline) {
  std::vector<core::Mapping> all;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(std::vector<core::Mapping> page,
                          store_.ListMappings({}, all.empty() ? "" : all.back().uuid, kPage, deadline));
    const bool last = page.size() < kPage;
    std::move(page.begin(), page.end(), std::back_inserter(all));
    if (last) return all;
  }
}

absl::Status MappingManager::TryRefresh(absl::Time deadline) {
  MutexLock refresh(&refresh_mu_);
  {
    // What is wanted from here on is another refresh.
    MutexLock lock(&mu_);
    refresh_wanted_ = false;
  }
  WEIR_ASSIGN_OR_RETURN(std::vector<core::Mapping> mappings, ReadAll(deadline));
  MutexLock lock(&mu_);
  if (stopping_) return absl::OkStatus();
  ReapLocked();
  std::set<std::string> stored;
  for (core::Mapping& mapping : mappings) {
    stored.insert(mapping.uuid);
    ApplyLocked(std::move(mapping));
  }
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (stored.count(it->first) > 0) {
      ++it;
      continue;
    }
    RetireLocked(std::move(it->second.poller));
    it = entries_.erase(it);
  }
  return absl::OkStatus();
}

void MappingManager::ApplyLocked(core::Mapping mapping) {
  Entry& entry = entries_[mapping.uuid];
  if (entry.status == nullptr) entry.status = std::make_shared<MappingStatus>();
  if (SamePolling(entry.mapping, mapping)) {
    entry.mapping = std::move(mapping);
    return;
  }
  RetireLocked(std::move(entry.poller));
  entry.mapping = std::move(mapping);
  if (!entry.mapping.config.enabled) {
    entry.status->SetObstacle("");
    return;
  }
  entry.poller = std::make_unique<EventSourcePoller>(context_, entry.mapping, entry.status);
  entry.poller->Start();
}

void MappingManager::RetireLocked(std::unique_ptr<EventSourcePoller> poller) {
  if (poller == nullptr) return;
  poller->BeginStop();
  retiring_.push_back(std::move(poller));
}

void MappingManager::ReapLocked() {
  retiring_.erase(std::remove_if(retiring_.begin(), retiring_.end(),
                                 [](const auto& poller) { return poller->finished(); }),
                  retiring_.end());
}

void MappingManager::Drop(const std::string& uuid) {
  MutexLock refresh(&refresh_mu_);
  MutexLock lock(&mu_);
  const auto it = entries_.find(uuid);
  if (it == entries_.end()) return;
  RetireLocked(std::move(it->second.poller));
  entries_.erase(it);
}

MappingReport MappingManager::Report(const core::Mapping& mapping) const {
  MappingReport report;
  std::shared_ptr<MappingStatus> status;
  {
    MutexLock lock(&mu_);
    const auto it = entries_.find(mapping.uuid);
    if (it != entries_.end()) status = it->second.status;
  }
  if (status == nullptr) status = std::make_shared<MappingStatus>();
  report.last_processing_result = status->last_processing_result();
  if (mapping.config.enabled) {
    report.state = MappingState::kEnabled;
    report.state_reason = "Enabled by its configuration.";
  } else if (status->batches_in_work() > 0) {
    report.state = MappingState::kDisabling;
    report.state_reason = "Disabled by its configuration; batches in work are being finished.";
  } else {
    report.state_reason = "Disabled by its configuration.";
  }
  return report;
}

void MappingManager::BeginStop() {
  MutexLock lock(&mu_);
  stopping_ = true;
  wake_.SignalAll();
  for (auto& [uuid, entry] : entries_) {
    if (entry.poller != nullptr) entry.poller->BeginStop();
  }
}

void MappingManager::Stop() {
  BeginStop();
  if (thread_.joinable()) thread_.join();
  std::map<std::string, Entry> entries;
  std::vector<std::unique_ptr<EventSourcePoller>> retiring;
  {
    MutexLock lock(&mu_);
    entries = std::move(entries_);
    entries_.clear();
    retiring = std::move(retiring_);
    retiring_.clear();
  }
  // Their ends wait for the lanes.
}

}  // namespace weir::runner::mappings
