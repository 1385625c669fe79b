// The asking side of the links between replicas: engine::Peers over gRPC.
//
// One connection and one stream an address, opened by the first request. All requests to a peer share the stream; while one frame is
// being written the next gathers, so that many small commands cost one write.
//
//          Submit                   peer took the stream
//   idle ──────────► connecting ──────────────────────────► up ──peer says that it stops──► leaving ──all answered──► idle
//    ▲                  │ refused, or no answer in time       │
//    │   pause          ▼                                     │ broken, or silent
//    └────────────── paused ◄── not once heard ───────────────┤
//    └──────────────────────────── was heard ◄────────────────┘
//
// Nothing is written before the peer has taken the stream, so whatever waits when that fails was surely not done (SHARD_NOT_OWNED).
// When a link that was up ends, requests that were written and not answered have an unknown outcome. A peer that is silent, though
// its connection stands (it was stopped, or the network swallows packets), is given up after a few heartbeats.
//
// Thread-safe. Sinks are called on gRPC's threads, on that of the timer, or on the caller's, with no lock held.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/queue/engine/peers.h"
#include "services/queue/peer/link_options.h"

namespace weir::queue::peer {

class Link;
class LiveStreams;

class GrpcPeers final : public engine::Peers {
 public:
  // `clock` must outlive this; it is the one that wait_until is in.
  explicit GrpcPeers(LinkOptions options, const Clock& clock = SystemClock());
  ~GrpcPeers() override;  // stops

  core::RequestId Submit(absl::string_view address, core::ShardId shard,
                         const engine::SubmitTerms& terms, core::Command command,
                         engine::ReplySink sink) override;
  void Cancel(absl::string_view address, core::ShardId shard, core::PartitionId partition,
              core::RequestId request) override;
  void Query(absl::string_view address, core::ShardId shard, engine::ShardQuery query,
             absl::Time deadline, engine::AnswerSink sink) override;
  void Announce(absl::string_view address, int64_t registry_version, absl::Time deadline,
                engine::DoneSink done) override;
  void Offer(absl::string_view address, core::ShardId shard) override;

  // There is no replica at `address` any more: its link is cut, and what was under way answered as when a link breaks.
  void Forget(absl::string_view address);
  // Cuts all links; what comes later is refused as unreachable. Returns when no sink will be called any more. May be called twice,
  // not from a sink.
  void Stop();

 private:
  std::shared_ptr<Link> LinkTo(absl::string_view address);
  int64_t NextRequest();
  void ExpireAt(absl::Time deadline, const std::shared_ptr<Link>& link, int64_t request);
  void RunTimer();
  void Beat();

  // Constant after construction.
  const LinkOptions options_;
  const Clock& clock_;
  // Safe by themselves.
  std::atomic<int64_t> next_request_{1};
  const std::shared_ptr<LiveStreams> live_streams_;

  Mutex mu_;
  CondVar timer_changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_map<std::string, std::shared_ptr<Link>> links_ ABSL_GUARDED_BY(mu_);
  // Queries by the monotonic time of their deadline. Those that are answered stay until then.
  std::multimap<absl::Duration, std::pair<std::weak_ptr<Link>, int64_t>> deadlines_ ABSL_GUARDED_BY(mu_);
  std::thread timer_;
};

}  // namespace weir::queue::peer
