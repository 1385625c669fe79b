#include "services/queue/peer/grpc_peers.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "services/queue/peer/codec.h"
#include "services/queue/peer/link.h"

namespace weir::queue::peer {
namespace {

using core::RequestId;
using core::ShardId;

// Tells the ids of requests to peers from those that a ShardEngine gives out.
constexpr int64_t kRequestBit = int64_t{1} << 61;

std::unique_ptr<v1::RequestItem> NewItem(ShardId shard, int64_t id) {
  auto item = std::make_unique<v1::RequestItem>();
  item->set_shard(shard.value());
  if (id != 0) item->set_id(id);
  return item;
}

}  // namespace

GrpcPeers::GrpcPeers(LinkOptions options, const Clock& clock)
    : options_(options),
      clock_(clock),
      live_streams_(std::make_shared<LiveStreams>()),
      timer_([this] { RunTimer(); }) {}

GrpcPeers::~GrpcPeers() { Stop(); }

RequestId GrpcPeers::Submit(absl::string_view address, ShardId shard,
                            const engine::SubmitTerms& terms, core::Command command,
                            engine::ReplySink sink) {
  const int64_t id = NextRequest();
  auto item = NewItem(shard, sink == nullptr ? 0 : id);
  v1::Submit& submit = *item->mutable_submit();
  submit.set_registry_version(terms.registry_version);
  submit.set_epoch(terms.epoch.value());
  const absl::Status encoded = EncodeCommand(command, clock_.Now(), *submit.mutable_command());
  if (sink == nullptr) {
    if (encoded.ok()) LinkTo(address)->Tell(std::move(item));
  } else if (!encoded.ok()) {
    sink(encoded);
  } else {
    LinkTo(address)->Request(std::move(item), std::move(sink));
  }
  return RequestId(id);
}

void GrpcPeers::Cancel(absl::string_view address, ShardId shard, core::PartitionId,
                       RequestId request) {
  auto item = NewItem(shard, 0);
  item->mutable_cancel()->set_request(request.value());
  LinkTo(address)->Tell(std::move(item));
}

void GrpcPeers::Query(absl::string_view address, ShardId shard, engine::ShardQuery query,
                      absl::Time deadline, engine::AnswerSink sink) {
  const int64_t id = NextRequest();
  auto item = NewItem(shard, id);
  EncodeQuery(query, *item->mutable_query());
  item->mutable_query()->set_deadline_for_ns(EncodeDeadline(deadline, clock_.Now()));
  const std::shared_ptr<Link> link = LinkTo(address);
  link->Request(std::move(item), std::move(sink));
  ExpireAt(deadline, link, id);
}

void GrpcPeers::Announce(absl::string_view address, int64_t registry_version, absl::Time deadline,
                         engine::DoneSink done) {
  const int64_t id = NextRequest();
  auto item = NewItem(ShardId(), id);
  item->mutable_announce()->set_registry_version(registry_version);
  item->mutable_announce()->set_deadline_for_ns(EncodeDeadline(deadline, clock_.Now()));
  const std::shared_ptr<Link> link = LinkTo(address);
  link->Request(std::move(item), std::move(done));
  ExpireAt(deadline, link, id);
}

void GrpcPeers::Offer(absl::string_view address, ShardId shard) {
  auto item = NewItem(shard, 0);
  item->mutable_offer();
  LinkTo(address)->Tell(std::move(item));
}

void GrpcPeers::Forget(absl::string_view address) {
  std::shared_ptr<Link> link;
  {
    MutexLock lock(&mu_);
    const auto it = links_.find(std::string(address));
    if (it == links_.end()) return;
    link = std::move(it->second);
    links_.erase(it);
  }
  link->Cut("it is not a replica any more", /*for_ever=*/true);
}

void GrpcPeers::Stop() {
  absl::flat_hash_map<std::string, std::shared_ptr<Link>> links;
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    links = std::exchange(links_, {});
    timer_changed_.SignalAll();
  }
  if (timer_.joinable()) timer_.join();
  for (const auto& [address, link] : links) link->Cut("this server is stopping", /*for_ever=*/true);
  live_streams_->AwaitNone();
  live_streams_->DropChannels();
}

int64_t GrpcPeers::NextRequest() {
  return next_request_.fetch_add(1, std::memory_order_relaxed) | kRequestBit;
}

std::shared_ptr<Link> GrpcPeers::LinkTo(absl::string_view address) {
  const std::string key(address);
  MutexLock lock(&mu_);
  if (const auto it = links_.find(key); it != links_.end()) return it->second;
  auto link = std::make_shared<Link>(key, options_, clock_, live_streams_);
  if (stopping_) {
    link->Cut("this server is stopping", /*for_ever=*/true);
  } else {
    links_.emplace(key, link);
  }
  return link;
}

// ---- The timer --------------------------------------------------------------------------------------------------------

void GrpcPeers::ExpireAt(absl::Time deadline, const std::shared_ptr<Link>& link, int64_t request) {
  if (deadline == absl::InfiniteFuture()) return;
  const absl::Duration due = clock_.Monotonic() + (deadline - clock_.Now());
  MutexLock lock(&mu_);
  const auto it = deadlines_.emplace(due, std::make_pair(link, request));
  if (it == deadlines_.begin()) timer_changed_.Signal();
}

void GrpcPeers::RunTimer() {
  absl::Duration beat_at = clock_.Monotonic() + options_.heartbeat_interval;
  while (true) {
    std::vector<std::pair<std::weak_ptr<Link>, int64_t>> expired;
    {
      MutexLock lock(&mu_);
      if (stopping_) return;
      const absl::Duration now = clock_.Monotonic();
      const absl::Duration wake_at =
          deadlines_.empty() ? beat_at : std::min(beat_at, deadlines_.begin()->first);
      if (wake_at > now) {
        timer_changed_.WaitWithTimeout(&mu_, wake_at - now);
        continue;
      }
      const auto due = deadlines_.upper_bound(now);
      for (auto it = deadlines_.begin(); it != due; ++it) expired.push_back(std::move(it->second));
      deadlines_.erase(deadlines_.begin(), due);
    }
    for (const auto& [weak, request] : expired) {
      if (const std::shared_ptr<Link> link = weak.lock()) link->Expire(request);
    }
    if (clock_.Monotonic() < beat_at) continue;
    Beat();
    beat_at = clock_.Monotonic() + options_.heartbeat_interval;
  }
}

void GrpcPeers::Beat() {
  std::vector<std::pair<std::string, std::shared_ptr<Link>>> links;
  {
    MutexLock lock(&mu_);
    links.assign(links_.begin(), links_.end());
  }
  for (const auto& [address, link] : links) {
    // One that a request has just got hold of is cut nevertheless: whoever asks for it next gets a new one.
    if (link->Beat()) Forget(address);
  }
  live_streams_->DropChannels();
}

}  // namespace weir::queue::peer
