// One receive from a queue, over all its partitions.
//
//     ask the partitions in turn, without waiting ──messages──► answered
//                     │ all are empty              (with one partition, this step is left out)
//                     ▼
//        ┌──► park at them ──the first has messages──► cancel the others ──they have ended──► answered, with what they had
//        │            │ all have ended empty
//        └─next turn──┴──the time is over──► answered empty
//
// Asking in turn first means that messages which wait are leased at one partition only. Those that it is parked at could be handed out
// by several partitions at once, before a cancel arrives; so it parks with a share of what the caller wants at each, and all that comes
// is delivered. Where the caller wants fewer messages than there are partitions, it waits at as many as it wants, for one each, and looks
// at the others in turns of a tenth of a second.
//
// A partition that is away does not keep the others' messages from being received: while it is known to be away it is not asked in
// turn, only parked at, and an error is the answer only when every partition that was asked gave one.
//
// When the queue gets partitions, what is parked is ended and parked anew, at those as well.
//
// A receive with an attempt id asks all first whether they remember the attempt, since another partition would take it for a new one.
// What those that do gave is the answer again.
//
// Thread-safe; no call blocks. It keeps itself alive until its last partition has answered.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/mutex.h"
#include "services/queue/core/command.h"
#include "services/queue/engine/mailbox.h"
#include "services/queue/engine/partition_watch.h"

namespace weir::queue::engine {

class PartitionedReceive;

// The shards, as a receive needs them. Thread-safe; no call blocks. Sinks may be called before Submit returns.
class ReceivePort {
 public:
  virtual ~ReceivePort() = default;
  // As ShardHandle's, of the shard at `address`.
  virtual absl::StatusOr<core::RequestId> Submit(const core::PartitionAddress& address,
                                                 core::Receive receive, ReplySink sink) = 0;
  virtual void Cancel(const core::PartitionAddress& address, core::RequestId request) = 0;
  virtual void Release(const core::PartitionAddress& address, core::ReleaseLease release) = 0;
  // A command to the partition need not wait for an owner of its shard, as far as is known here.
  virtual bool IsAtHand(const core::PartitionAddress& address) = 0;
  // The time in terms of which a receive waits.
  virtual absl::Time Now() const = 0;
  // From now until Unwatch, and while it lives, `receive` is told of partitions that the queue gets (AddPartitions), and at once of
  // those that it has now.
  virtual void Watch(const core::PartitionAddress& any, std::shared_ptr<PartitionedReceive> receive) = 0;
  virtual void Unwatch(const core::PartitionAddress& any, PartitionedReceive* receive) = 0;
};

// What one partition gave.
struct PartitionMessages {
  core::PartitionAddress address;
  std::vector<core::ReceivedMessage> messages;
};

class PartitionedReceive final : public PartitionWatcher,
                                 public std::enable_shared_from_this<PartitionedReceive> {
 public:
  // What came, from each partition that gave messages; empty: nothing in time. Called once, on any thread, possibly before
  // Start returns. False: the client is gone, and everything is given back.
  using Sink = absl::AnyInvocable<bool(absl::StatusOr<std::vector<PartitionMessages>>)>;

  // `receive` names no partition. Partitions are asked from `first` on, round the list, which is not empty. `port` must outlive the
  // last answer.
  static std::shared_ptr<PartitionedReceive> Start(ReceivePort& port,
                                                   std::vector<core::PartitionAddress> partitions,
                                                   size_t first, core::Receive receive, Sink sink);

  // The client is gone: the sink is called soon.
  void Cancel();
  void AddPartitions(const std::vector<core::PartitionAddress>& partitions) override;

  // For Start.
  PartitionedReceive(ReceivePort& port, std::vector<core::PartitionAddress> partitions, size_t first,
                     core::Receive receive, Sink sink);

 private:
  struct Request {
    core::RequestId id;  // 0: not known yet
    bool answered = false;
  };

  void Begin();
  core::PartitionAddress At(size_t i) {
    MutexLock lock(&mu_);
    return partitions_[i];
  }
  // Asks the next partition from `i` on that is at hand; what it answers leads to the one behind it.
  void AskFrom(size_t i);
  void Ask(size_t i, const core::PartitionAddress& address);
  bool OnAsked(size_t i, core::Reply reply);
  // All were asked.
  void EndRound();
  void Park();
  // The partitions to park at now.
  std::vector<size_t> ChoosePlaces();
  void ParkAt(size_t i, int32_t share, int64_t round);
  bool OnParked(size_t i, core::Reply reply);
  // All have ended, and it is not over yet.
  bool ParksAgainLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // True: it is to be delivered. Else it is empty, an error, or comes too late.
  bool TakeLocked(size_t i, core::Reply reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Those that are parked and need not be any more.
  std::vector<std::pair<size_t, core::RequestId>> UnansweredLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CancelAll(const std::vector<std::pair<size_t, core::RequestId>>& requests);
  // Calls the sink if that was not done yet.
  void Finish();

  // Constant after construction.
  ReceivePort& port_;
  const core::Receive receive_;

  Mutex mu_;
  std::vector<core::PartitionAddress> partitions_ ABSL_GUARDED_BY(mu_);  // the first to ask first; grows
  bool repeating_ ABSL_GUARDED_BY(mu_) = false;  // asks for what the attempt got before
  Sink sink_ ABSL_GUARDED_BY(mu_);  // null: it was called
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;  // takes no more
  std::vector<PartitionMessages> taken_ ABSL_GUARDED_BY(mu_);
  size_t taken_messages_ ABSL_GUARDED_BY(mu_) = 0;
  bool watched_ = false;  // of whoever parks
  // Of those that are parked, by partition; the others count as answered.
  std::vector<Request> parked_ ABSL_GUARDED_BY(mu_);
  int64_t round_ ABSL_GUARDED_BY(mu_) = 0;  // of parking
  absl::Time park_until_ ABSL_GUARDED_BY(mu_);
  bool in_turns_ ABSL_GUARDED_BY(mu_) = false;  // there are more than it may park at
  bool grown_ ABSL_GUARDED_BY(mu_) = false;     // so it has to park anew
  size_t turn_ ABSL_GUARDED_BY(mu_) = 0;
  size_t failed_in_a_row_ ABSL_GUARDED_BY(mu_) = 0;  // partitions
  size_t unanswered_ ABSL_GUARDED_BY(mu_) = 0;
  // Of the last round.
  size_t asked_ ABSL_GUARDED_BY(mu_) = 0;
  size_t errors_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status error_ ABSL_GUARDED_BY(mu_);
};

}  // namespace weir::queue::engine
