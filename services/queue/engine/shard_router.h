// Gets commands to whoever serves their shard: this process, or another replica.
//
//     ShardHandle ──served here──► ShardEngine's mailbox                    (the hot path: one atomic read more than the mailbox)
//         └──────else──► held ──pump──┬─ once it serves here ──► mailbox
//              ▲                      └─ owner known, alive ───► Peers ──reply──► the caller
//              │                                                   │
//              └───── refused, so surely not done ◄────────────────┘
//              └───── handed back by a shard that was let go of
//
// A command waits in `held` while nobody serves its shard: during a hand-over, or until the lease of a dead owner runs out; at most
// for RouterOptions::hold_time, and bounded in number and bytes. It is submitted again only if it surely was not done.
//
// Order. Commands of one thread to one shard are done in the order of their submits, also when the shard changes hands in between:
//  1. while anything is held, everything is; `held` is in the order of the first submits, also for those that come back;
//  2. only one thread pumps a shard at a time;
//  3. nothing goes to a new owner before everything that was sent to the former one has been answered (parked receives excepted).
//
// Thread-safe; no call blocks. It stays alive as long as a reply may come from a peer.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/queue/engine/peers.h"
#include "services/queue/engine/shard_engine.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::engine {

// What the router asks of the engine around it. No call blocks.
class RouterHost {
 public:
  virtual ~RouterHost() = default;
  // Of the list of queues, as other replicas are told, with the changes that were made here; and as it was read last.
  virtual int64_t RegistryVersion() const = 0;
  virtual int64_t LastReadVersion() const = 0;
  // As Registry's.
  virtual int64_t LastReadBegun() const = 0;
  virtual int64_t LastReadDone() const = 0;
  virtual void RequestRegistryRead() = 0;
  virtual core::ConfigPtr ConfigOf(core::PartitionId partition) const = 0;
  // The owner of some shard is in question.
  virtual void OwnersInQuestion() = 0;
};

struct RouterOptions {
  std::string replica;  // this one's name
  // A command waits at most so long for an owner of its shard.
  absl::Duration hold_time = absl::Seconds(11);
  size_t held_items_max = 20'000;       // of one shard; beyond: RESOURCE_EXHAUSTED at once
  size_t held_bytes_max = 64 << 20;
};

class ShardRouter : public std::enable_shared_from_this<ShardRouter> {
 private:
  struct Slot;

 public:
  // References must outlive Stop; `peers`, null when there is one replica only, must outlive its last reply.
  ShardRouter(RouterOptions options, RouterHost& host, Peers* peers, const Clock& clock);
  ~ShardRouter();

  // REQUIRES: before the first command, in the order of the shards' numbers. Must outlive Stop.
  void AddShard(ShardEngine& engine);
  bool HasShard(core::ShardId shard) const;
  ShardEngine& local(core::ShardId shard);
  // A command to the shard need not wait for an owner, as far as is known here.
  bool IsAtHand(core::ShardId shard) const;

  // As ShardHandle's.
  absl::StatusOr<core::RequestId> Submit(core::ShardId shard, core::Command command, ReplySink sink,
                                         bool internal);
  void Cancel(core::ShardId shard, core::PartitionId partition, core::RequestId request);
  void Query(core::ShardId shard, ShardQuery query, absl::Time deadline, AnswerSink sink);

  // As PeerHost's. REQUIRES: HasShard.
  core::RequestId SubmitFromPeer(core::ShardId shard, const SubmitTerms& terms, core::Command command,
                                 ReplySink sink);
  void QueryFromPeer(core::ShardId shard, ShardQuery query, absl::Time deadline, AnswerSink sink);

  // As ShardHost's.
  void ShardServes(core::ShardId shard);
  void ShardRefuses(core::ShardId shard, const absl::Status& why);
  void ShardLetGo(core::ShardId shard, Undone undone);
  void ShardIdle(core::ShardId shard);

  // What the store says of the owners, in the order of the shards.
  void SetOwners(const std::vector<store::ShardOwnership>& owners);
  // Gives up what has waited too long, and tries again what is due.
  void Sweep();
  // Commands wait for the owner of a shard to be known.
  bool AwaitsOwners() const;
  // The list of queues was read anew.
  void RegistryWasRead();

  // From now on receives of this replica's own clients do not wait: those that do are answered empty, as if their time were over.
  void EndReceives();
  // Answers what is held (SHUTTING_DOWN); takes no more.
  void Stop();

 private:
  struct Item;
  struct Remote;
  using Calls = std::vector<absl::AnyInvocable<void()>>;  // to make once no mutex is held

  Slot& slot(core::ShardId shard) const;
  absl::StatusOr<core::RequestId> SubmitSlowly(Slot& slot, Mail mail, bool internal);
  absl::Status HoldLocked(Slot& slot, Item item, bool internal);
  void Pump(Slot& slot);
  // Moves the first held item on. False: it has to wait.
  bool MoveFirst(Slot& slot, Calls& calls);
  bool MoveFirstHere(Slot& slot, Calls& calls);
  bool MoveFirstToPeer(Slot& slot, Calls& calls);
  // Fills in its config. False: once the list of queues has been read anew.
  absl::StatusOr<bool> PrepareFromPeer(Item& item);
  void SendToPeer(Slot& slot, Item item, Calls& calls);
  // Asks the peer at `address`; empty: the shard here.
  void Ask(Slot& slot, Item item, const std::string& address, Calls& calls);
  // Holds the question again, if it was refused and there is time.
  bool AskAgain(Slot& slot, Item& item, const absl::Status& refusal);
  // Takes back what a peer has, if it has told its id.
  void CancelAtPeer(Slot& slot, const Remote& remote, Calls& calls);
  bool OnPeerReply(Slot& slot, core::RequestId request, int64_t attempt, core::Reply reply);
  void AnswerItem(Item item, core::Reply reply, Calls& calls);
  // A receive whose owner has changed goes back among the held.
  void ReturnReceives(Slot& slot, Calls& calls);
  void GiveUpOld(Slot& slot, Calls& calls);
  bool EndsAtOnce(const Mail& mail) const;
  // There is no point in waiting for the shard.
  bool IsHopeless(Slot& slot) const;
  absl::Duration Monotonic() const { return clock_.Monotonic(); }

  // Constant after AddShard.
  const RouterOptions options_;
  RouterHost& host_;
  Peers* const peers_;
  const Clock& clock_;
  std::vector<std::unique_ptr<Slot>> slots_;

  // Safe by themselves.
  std::atomic<bool> ending_receives_{false};
  std::atomic<bool> stopped_{false};
  std::atomic<int64_t> next_attempt_{1};
};

// A shard, wherever it is served. Cheap to copy; valid as long as its engine.
class ShardHandle {
 public:
  ShardHandle(ShardRouter& router, core::ShardId shard) : router_(&router), shard_(shard) {}

  // Hands a command to the shard's owner. When it is refused `sink` is not called; else it is called once, on any thread. The id names
  // the request in Cancel. Receive::wait_until is in terms of Now. Errors, at once or by the sink: what the shard's state demands;
  // OVERLOADED when too much waits; STORE_UNAVAILABLE, OUTCOME_UNKNOWN; SHARD_NOT_OWNED when nobody has served the shard for too long.
  absl::StatusOr<core::RequestId> Submit(core::Command command, ReplySink sink) {
    return router_->Submit(shard_, std::move(command), std::move(sink), /*internal=*/false);
  }
  // For what must not be refused for lack of room: ends of transfers, releases.
  absl::StatusOr<core::RequestId> SubmitInternal(core::Command command, ReplySink sink) {
    return router_->Submit(shard_, std::move(command), std::move(sink), /*internal=*/true);
  }
  // The client of a receive is gone: its sink is called soon, wherever the receive waits.
  void Cancel(core::PartitionId partition, core::RequestId request) {
    router_->Cancel(shard_, partition, request);
  }
  // Asks the shard. `sink` is called once, on any thread, with the answer or an error, soon after `deadline` at the latest.
  void Query(ShardQuery query, absl::Time deadline, AnswerSink sink) {
    router_->Query(shard_, std::move(query), deadline, std::move(sink));
  }

 private:
  ShardRouter* router_;
  core::ShardId shard_;
};

}  // namespace weir::queue::engine
