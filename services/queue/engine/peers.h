// The other replicas, as the engine sees them: whom to hand a command to when its shard is served elsewhere. peer/ implements both
// sides over gRPC; tests use one that calls engines in the same process.
//
//     api ──► engine ──shard is here──► ShardEngine
//                └────it is not───► Peers ──link──► PeerHost of the owner ──► its ShardEngine
//
// Commands and replies keep their meaning on the way, with two exceptions: a command's `config` is not sent, since the owner knows
// the queue's attributes itself (PeerHost looks them up, and reads the registry anew when it does not know the queue or is older
// than the sender); and instants of this machine are sent as durations from now, since two replicas' clocks differ:
// Receive::wait_until, which between Peers and PeerHost is in this machine's wall time (`clock.Now()`) on either side, so whoever
// hands it to a ShardEngine turns it into the shard's time; and deadlines. All other instants are the store's wall time, one clock
// for all replicas, and are sent as they are.
#pragma once

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/queue/core/command.h"
#include "services/queue/core/types.h"
#include "services/queue/engine/mailbox.h"
#include "services/queue/engine/shard_query.h"

namespace weir::queue::engine {

// As AnswerSink, for an announcement.
using DoneSink = absl::AnyInvocable<void(absl::Status)>;

// What the sender of a command takes for granted of its owner.
struct SubmitTerms {
  // Of the sender's list of queues; the owner makes its own at least as new before it decides the command.
  int64_t registry_version = 0;
  // Under which the sender believes the shard to be served; under any other it is refused (SHARD_NOT_OWNED). So once a command was
  // refused, those that were sent behind it on the same terms are refused too, and none overtakes it. 0: any.
  core::Epoch epoch;
};

// Thread-safe; no call blocks. A replica is named by the address at which it is reached.
class Peers {
 public:
  virtual ~Peers() = default;

  // Hands a command for `shard` to the replica at `address`. `sink` is called exactly once, on any thread, possibly before this
  // returns, with the owner's reply, or
  //   SHARD_NOT_OWNED    the peer does not serve the shard, or cannot be reached: surely not done, so it may be tried elsewhere
  //   OUTCOME_UNKNOWN    the link broke after the command had been sent: nobody knows whether it was done
  //   OVERLOADED         too much is under way to that peer: not done
  // A peer that cannot be reached is not tried again at once, so whoever tries again without a pause is refused without one.
  // When the sink of a receive answers false, the peer gives its messages back.
  // Without a sink, and always for commands that have no reply, nobody is told what became of it.
  // Commands that only an owner gives to its own shard are answered INTERNAL (peer/codec.h says which).
  // The id names the request in Cancel; it is never one that a ShardEngine of this process gives out (bit 61 is set).
  //
  // `terms` goes along. Commands to one address arrive there in the order of the calls, unless the link broke in between.
  virtual core::RequestId Submit(absl::string_view address, core::ShardId shard,
                                 const SubmitTerms& terms, core::Command command,
                                 ReplySink sink) = 0;
  // The client of a receive that may be parked there is gone: its sink is called soon. No effect on what was answered already.
  virtual void Cancel(absl::string_view address, core::ShardId shard, core::PartitionId partition,
                      core::RequestId request) = 0;
  // Asks about a shard. Errors as Submit's; DEADLINE_EXCEEDED when there is no answer by `deadline`.
  virtual void Query(absl::string_view address, core::ShardId shard, ShardQuery query,
                     absl::Time deadline, AnswerSink sink) = 0;
  // Tells the peer that queues have changed up to `registry_version`, or, if it knows those, that it should look at the move tasks. OK: it
  // knows the queues now.
  virtual void Announce(absl::string_view address, int64_t registry_version, absl::Time deadline,
                        DoneSink done) = 0;
  // Tells the peer that this replica has let go of `shard`, which is the peer's to take now. A hint: it may be lost.
  virtual void Offer(absl::string_view address, core::ShardId shard) = 0;
};

// What peers ask of this replica: the receiving side, implemented by the engine. Thread-safe; no call blocks.
class PeerHost {
 public:
  virtual ~PeerHost() = default;

  // As ShardEngine::Submit, on a shard that must be served here: SHARD_NOT_OWNED else. Never passes the command on.
  // `command` comes without configs, and `shard` may be a number that no shard has. The id names the request in CancelFromPeer;
  // 0: `sink` was called already. A null `sink`: nobody waits for a reply.
  // The messages of a receive that the peer did not take come back as ReleaseLease commands.
  virtual core::RequestId SubmitFromPeer(core::ShardId shard, const SubmitTerms& terms,
                                         core::Command command, ReplySink sink) = 0;
  virtual void CancelFromPeer(core::ShardId shard, core::PartitionId partition,
                              core::RequestId request) = 0;
  virtual void QueryFromPeer(core::ShardId shard, ShardQuery query, absl::Time deadline,
                             AnswerSink sink) = 0;
  virtual void AnnouncedByPeer(int64_t registry_version, absl::Time deadline, DoneSink done) = 0;
  virtual void OfferedByPeer(core::ShardId shard) = 0;
};

}  // namespace weir::queue::engine
