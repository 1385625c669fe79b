// Peers within one process, for tests: engines by their addresses. An address that nobody has, or that is cut off, cannot be reached.
//
// Commands arrive in the order of the calls, as with the real link. An engine must be alive as long as others may call it: tests end
// their engines before they destroy one.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "libs/base/error.h"
#include "libs/base/mutex.h"
#include "services/queue/engine/peers.h"

namespace weir::queue::engine {

class TestingPeers final : public Peers {
 public:
  void Add(const std::string& address, PeerHost& host) {
    MutexLock lock(&mu_);
    hosts_[address] = &host;
  }
  void CutOff(const std::string& address) {
    MutexLock lock(&mu_);
    hosts_.erase(address);
  }
  int64_t submits() const {
    MutexLock lock(&mu_);
    return submits_;
  }

  core::RequestId Submit(absl::string_view address, core::ShardId shard, const SubmitTerms& terms,
                         core::Command command, ReplySink sink) override {
    PeerHost* host = Find(address);
    if (host == nullptr) {
      if (sink != nullptr) sink(Unreachable());
      return core::RequestId(kBit);
    }
    // The config stays at home.
    std::visit(
        [](auto& it) {
          if constexpr (requires { it.config; }) it.config = nullptr;
        },
        command);
    const core::RequestId id = host->SubmitFromPeer(shard, terms, std::move(command), std::move(sink));
    return core::RequestId(id.value() | kBit);
  }

  void Cancel(absl::string_view address, core::ShardId shard, core::PartitionId partition,
              core::RequestId request) override {
    if (PeerHost* host = Find(address); host != nullptr) {
      host->CancelFromPeer(shard, partition, core::RequestId(request.value() & ~kBit));
    }
  }

  void Query(absl::string_view address, core::ShardId shard, ShardQuery query, absl::Time deadline,
             AnswerSink sink) override {
    PeerHost* host = Find(address);
    if (host == nullptr) return sink(Unreachable());
    host->QueryFromPeer(shard, std::move(query), deadline, std::move(sink));
  }

  void Announce(absl::string_view address, int64_t registry_version, absl::Time deadline,
                DoneSink done) override {
    PeerHost* host = Find(address);
    if (host == nullptr) return done(Unreachable());
    host->AnnouncedByPeer(registry_version, deadline, std::move(done));
  }

  void Offer(absl::string_view address, core::ShardId shard) override {
    if (PeerHost* host = Find(address); host != nullptr) host->OfferedByPeer(shard);
  }

 private:
  static constexpr int64_t kBit = int64_t{1} << 61;
  static absl::Status Unreachable() {
    return MakeError(ErrorReason::kShardNotOwned, "The peer cannot be reached.");
  }
  PeerHost* Find(absl::string_view address) {
    MutexLock lock(&mu_);
    ++submits_;
    const auto it = hosts_.find(std::string(address));
    return it == hosts_.end() ? nullptr : it->second;
  }

  mutable Mutex mu_;
  std::map<std::string, PeerHost*> hosts_ ABSL_GUARDED_BY(mu_);
  int64_t submits_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace weir::queue::engine
