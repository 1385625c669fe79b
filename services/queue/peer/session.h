// One stream of PeerService: what was asked and is not answered yet, and what waits to be written.
//
// Thread-safe. The host is called with no lock held; its sinks may come before the call that gave them returns.
#pragma once

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/queue/engine/peers.h"
#include "services/queue/peer/link_options.h"
#include "services/queue/peer/outbox.h"
#include "weir/internal/peer/v1/peer_service.pb.h"

namespace weir::queue::peer {

namespace v1 = ::weir::internal::peer::v1;

class ServerStream;

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(engine::PeerHost& host, const LinkOptions& options, const Clock& clock)
      : host_(host), options_(options), clock_(clock) {}

  // REQUIRES: before anything else. The session finishes the stream.
  void Start(ServerStream* stream);
  // No new requests, please.
  void Leave();
  // `elapsed` has passed. Cuts a stream whose client is silent.
  void Beat(absl::Duration elapsed);

  // From the stream.
  void OnFrame(v1::LinkRequest& frame);
  void OnReadsDone();
  void OnWritten(bool ok);
  void OnCancel();

 private:
  struct ParkedReceive {
    core::ShardId shard;
    core::PartitionId partition;
    core::RequestId host_request;  // 0: not known yet, or answered at once
  };
  using Item = v1::ResponseItem;

  void Handle(v1::RequestItem& item);
  void Submit(int64_t id, core::ShardId shard, v1::Submit& submit);
  void SubmitReceive(int64_t id, core::ShardId shard, const engine::SubmitTerms& terms,
                     core::Command command);
  engine::ReplySink SinkFor(int64_t id, core::ShardId shard);
  void Cancel(int64_t id);
  void Query(int64_t id, core::ShardId shard, const v1::Query& query);
  void Announce(int64_t id, const v1::Announce& announce);
  // False: it will not be written.
  bool Reply(int64_t id, core::ShardId shard, const core::Reply& reply);
  bool Answer(std::unique_ptr<Item> item, core::ShardId shard = core::ShardId());
  void Refuse(int64_t id, const absl::Status& status);
  void BeginRequest();

  void AddLocked(std::unique_ptr<Item> item, core::ShardId shard) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Writes, reads on or finishes, whatever is due.
  void GoOnLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  struct Lost {
    core::ShardId shard;
    core::ReleaseLease release;
  };
  static void NoteLost(const Item& item, core::ShardId shard, std::vector<Lost>& lost);
  void GiveBack(std::vector<Lost> lost);

  // Constant after construction.
  engine::PeerHost& host_;
  const LinkOptions options_;
  const Clock& clock_;

  Mutex mu_;
  // Null once it was finished. It is alive while it stands here.
  ServerStream* stream_ ABSL_GUARDED_BY(mu_) = nullptr;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool reading_ ABSL_GUARDED_BY(mu_) = false;
  bool handling_ ABSL_GUARDED_BY(mu_) = false;  // a frame that was read
  bool reads_done_ ABSL_GUARDED_BY(mu_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  Outbox<v1::LinkResponse, Item, core::ShardId> outbox_ ABSL_GUARDED_BY(mu_);
  std::vector<core::ShardId> written_shards_ ABSL_GUARDED_BY(mu_);  // of the frame that is being written
  size_t unanswered_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<int64_t, ParkedReceive> receives_ ABSL_GUARDED_BY(mu_);
  // As the client said; until then, as we do.
  absl::Duration heartbeat_interval_ ABSL_GUARDED_BY(mu_);
  absl::Duration silent_for_ ABSL_GUARDED_BY(mu_);
};

}  // namespace weir::queue::peer
