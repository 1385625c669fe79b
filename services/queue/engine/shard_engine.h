// One shard at work: a thread that decides commands, makes them durable in groups, and answers.
//
// Life of a command: Submit puts it into the mailbox. The shard's thread takes everything that waits there, lets the core decide
// each, and appends all their mutations as one transaction (group commit: while one commits, the next group gathers; no timer, so
// no added latency when idle). Replies are released only after the commit that carries them, and while the next one is in flight.
//
//     kIdle ──Start──► kTaking ──epoch──► kReading ──Open, read──► kServing
//       ▲                 │ ▲ └──store away: again──┘                  │ │ │
//       │                 │ └──────rejected, in doubt: Lose────────────┘ │ └──Stop──► kStopped
//       └──another owns it┴──fenced, TakenOver, HandOver: LetGo──────────┘
//
// The time from Start to kIdle is a tenure: a thread, a log, the state in memory. Outside of it the shard is another replica's, and
// costs nothing here.
//
// When an append ends in anything but kCommitted, the state in memory may not be what the store holds: it is thrown away. If the
// shard is still ours to take (rejected, in doubt), every pending request is answered UNAVAILABLE, and the shard is taken again with
// a new epoch and read anew. If another replica has it (fenced), nothing of what was pending was done, and it all goes back to the
// host, which submits it elsewhere.
//
// HandOver does the same without a loss: the group in flight is finished and answered, the mailbox is closed, what was not decided
// and the receives that are parked go back to the host, and the store hears that the shard has no owner.
//
// Answers that carry no row are not fenced by a commit. Where a later owner could make them wrong (a delete of what this replica
// has never seen; anything after the lease may have run out) the epoch is checked in the store before they are released.
//
// Thread-safe. Everything marked "strand" is touched by the shard's thread alone.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/queue/core/shard_state.h"
#include "services/queue/engine/content_cache.h"
#include "services/queue/engine/engine_metrics.h"
#include "services/queue/engine/mailbox.h"
#include "services/queue/engine/shard_query.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::engine {

struct ShardOptions {
  // Waiting commands; beyond either, RESOURCE_EXHAUSTED at once. A command in the mailbox waits for one commit or two.
  size_t mailbox_items_max = 20'000;
  size_t mailbox_bytes_max = 64 << 20;
  // One transaction. At about 5 µs a row, 2,000 rows delay the next group by 10 ms; most groups are far smaller.
  size_t group_items_max = 2'000;
  size_t group_bytes_max = 8 << 20;
  size_t content_cache_bytes = 32 << 20;
  // A refill reads so much at once.
  size_t refill_messages = 2'048;
  size_t refill_bytes = 4 << 20;
  // A segment that has grown to this gets a successor.
  int64_t segment_rows_max = 200'000;
  size_t segment_bytes_max = 64 << 20;
  // With more live segments than this, the oldest one's survivors are copied forward: if they are few, or if the shard stores
  // so many rows for each live one that what they hold back is worth the copy.
  int segments_max = 8;
  double copy_forward_live_share_max = 0.25;
  int64_t stored_rows_per_live_max = 4;
  // Survivors are copied in slices of so many rows and bytes read, with other groups in between; one takes about as long as a group.
  size_t copy_rows = 2'000;
  size_t copy_bytes = 4 << 20;
  absl::Duration acquire_timeout = absl::Seconds(5);
  // Between attempts to take the shard: doubled each time, with jitter.
  absl::Duration retry_min = absl::Milliseconds(20);
  absl::Duration retry_max = absl::Seconds(1);
};

// What a shard could not do before it was let go of; surely nothing of it was done.
struct Undone {
  // In the order in which it was accepted, the waits of receives in what remains of them.
  std::vector<Mail> mail;
  std::vector<std::pair<ShardQuery, AnswerSink>> queries;
  // With which those that only this replica can carry out are to be answered: SHARD_NOT_OWNED.
  absl::Status why;
};

// What a shard asks of the service around it. Called on the shard's thread: must not block, but for RefreshQueues.
class ShardHost {
 public:
  virtual ~ShardHost() = default;
  // Makes ConfigOf at least as new as the store is now. Called after the shard was taken, so that what the shard drops for want
  // of a queue is not that of a queue which another replica has created.
  virtual absl::Status RefreshQueues(absl::Time deadline) = 0;
  // As LeaseKeeper::Term.
  virtual int64_t LeaseTerm() const = 0;
  // The config of a partition's queue; null when no such queue exists (any more), so what the shard has of it is dropped.
  virtual core::ConfigPtr ConfigOf(core::PartitionId partition) const = 0;
  // A message has to move elsewhere. `content` is null when the store could not give it.
  virtual void StartTransfer(core::ShardId source, const core::Transfer& transfer,
                             core::ContentPtr content) = 0;
  // The mailbox is open: commands are taken from now on.
  virtual void ShardServes(core::ShardId shard) = 0;
  // The store is away, so commands are refused with `why` until ShardServes.
  virtual void ShardRefuses(core::ShardId shard, const absl::Status& why) = 0;
  // The mailbox is closed for good, and what was pending is handed back. The tenure is about to end.
  virtual void ShardLetGo(core::ShardId shard, Undone undone) = 0;
  // IsIdle is true from now on, so that Start may be called again.
  virtual void ShardIdle(core::ShardId shard) = 0;
};

class ShardEngine {
 public:
  // References must outlive the engine.
  ShardEngine(core::ShardId shard, std::string replica, ShardOptions options,
              store::LeaseStore& leases, store::ShardLogFactory& logs, ShardHost& host,
              const Clock& clock, EngineMetrics& metrics);
  ~ShardEngine();  // stops

  // Begins a tenure. No effect unless IsIdle, and none after Stop.
  void Start();
  bool IsIdle() const { return idle_.load(std::memory_order_acquire); }
  // Ends the tenure soon, gracefully. Does not wait.
  void HandOver();
  // Says that another replica has taken the shard under `epoch`. Does not wait.
  void TakenOver(core::Epoch epoch);
  // Answers what is parked with empty receives, commits what was accepted, ends the thread. May be called twice.
  void Stop();

  // Waits until the shard serves for the first time; false at `deadline`.
  bool AwaitServing(absl::Time deadline);
  // It has taken the shard, and serves it or reads it, which takes as long as it takes.
  bool HoldsShard() const;
  // Why commands are refused: SHARD_RECOVERING while the shard is read, or what stood in the way of taking it (SHARD_NOT_OWNED,
  // STORE_UNAVAILABLE).
  absl::Status NotServingError() const;

  // Hands a command to the shard. When it is refused (NotServingError, RESOURCE_EXHAUSTED when too much waits) `sink` is not called;
  // else it is called once, or handed to ShardLetGo. The id names the request in CancelReceive. Receive::wait_until is in this
  // machine's wall time (the engine's clock), not the store's.
  absl::StatusOr<core::RequestId> Submit(core::Command command, ReplySink sink);
  // For what must not be refused for lack of room: ends of transfers, releases.
  absl::StatusOr<core::RequestId> SubmitInternal(core::Command command, ReplySink sink);
  // The two halves of Submit, for who wants the command back when it is refused: an envelope with an id, and the putting of it.
  Mail Envelop(core::Command command, ReplySink sink);
  Mailbox::PutResult Put(Mail& mail) { return mailbox_.Put(mail); }
  Mailbox::PutResult PutInternal(Mail& mail) { return mailbox_.PutInternal(mail); }
  absl::Status FullError() const;
  // The client of a parked receive is gone: its sink is called soon. False: the mailbox is closed.
  bool Cancel(core::PartitionId partition, core::RequestId request);

  // Asks about the shard. `sink` is called with the answer, soon, on the shard's thread; or with NotServingError, OVERLOADED
  // (RESOURCE_EXHAUSTED) or the error with which the shard was lost. A PeekQuery is answered within bounds of its own, so with
  // less than it asks for.
  void Ask(ShardQuery query, AnswerSink sink);

  // The shard's clock: the store's wall time at the take-over, advanced by this machine's monotonic clock.
  absl::Time Now() const;
  // Costs the shard's thread nothing.
  LoadAnswer Load();
  bool IsServing() const;

  core::ShardId shard() const { return shard_; }
  core::Epoch epoch() const { return core::Epoch(epoch_.load(std::memory_order_relaxed)); }

 private:
  enum class Phase { kIdle, kTaking, kReading, kServing, kStopped };
  enum class ServeEnd { kStopped, kLost, kLetGo };
  struct Group {
    store::AppendBatch batch;
    std::vector<std::pair<core::RequestId, core::Reply>> replies;
    std::vector<core::Effect> effects;
    size_t bytes = 0;
    // What it was decided from: handed back if another owner fences it. Without sinks; those that moved to parked_ have no id.
    std::vector<Mail> mail;
  };

  void Run();
  // Takes the lease, opens the log, reads the state. False: try again later.
  absl::Status Acquire();
  absl::Status Recover(const store::ShardLog::Opened& opened);
  // Brings the queues' configs to the partitions, and drops those whose queue is gone. REQUIRES: the mailbox is open, so that no
  // later change is missed.
  void ConfigurePartitions();
  void SetPhase(Phase phase, absl::Status why_not = absl::OkStatus());
  // Decides and commits until the end of the tenure or the loss of the state.
  ServeEnd Serve();
  // Another replica has it, as far as is known.
  bool IsTakenOver() const;
  bool MustLetGo() const { return leaving_.load() || IsTakenOver(); }
  bool HasQueries();
  void Lose();
  // Ends the tenure: hands back what is pending, gives the shard up in the store if it is ours, frees the memory.
  void LetGo(const absl::Status& why);
  Undone TakeUndone(const absl::Status& why);
  absl::Duration UntilNextTimer() const;

  void DecideMail(std::vector<Mail> mail, Group& group);
  void DecideOne(Mail& item, Group& group);
  void DecideOne(core::RequestId request, const core::Command& command, Group& group);
  bool Commit(Group& group, Group& previous);
  // Whether the answers of a group without rows need a look at the epoch. `term` is the lease's now.
  bool NeedsEpochCheck(const Group& group, int64_t term);
  bool CheckEpoch(int64_t term);
  void NoteCommitted(const store::AppendBatch& batch);
  void NoteSegments();
  bool ResolveContents(Group& group);
  // Messages that come to too many bytes are given back.
  bool ResolveLongReply(core::ReceiveReply& reply);
  bool CarryOutAll(Group& group);
  // Reads in slices, so that no read is large, until it has all or `bytes_max`. False: the store could not.
  bool ReadContents(absl::Span<const store::ShardLog::MessageKey> keys,
                    absl::flat_hash_map<core::MessageSeq, core::ContentPtr>& found,
                    size_t bytes_max = std::numeric_limits<size_t>::max());
  // Begins to read for the first of refills_.
  void BeginRefill();
  // Waits for that read, if there is one, has its messages decided next, and begins to read for the next.
  bool FinishRefill();
  // REQUIRED before a segment is dropped, since a read may look at it.
  bool FinishRefills();
  bool StartTransfers(absl::Span<const core::Transfer> transfers);
  void Release(Group& group);
  // Releases the leases of a receive that nobody took.
  void Deliver(core::RequestId request, core::Reply reply);
  // `group` is durable; its replies may be released while something else commits.
  bool MaintainSegments(Group& group);
  // The oldest segment should be copied forward.
  bool OldestIsWorthCopying() const;
  bool CopySlice(Group& group);
  void FailPending(const absl::Status& status);
  // False: the store could not be asked.
  bool AnswerQueries();
  absl::StatusOr<PeekAnswer> Peek(const PeekQuery& query);
  absl::StatusOr<GroupsAnswer> Groups(const GroupsQuery& query);
  // `found` in the order of seq, some without contents; everything up to `seen_to` is among them.
  absl::StatusOr<PeekAnswer> WithContents(const PeekQuery& query, std::vector<PeekedMessage> found,
                                          core::MessageSeq seen_to);
  absl::StatusOr<core::RequestId> SubmitVia(
      Mailbox::PutResult (Mailbox::*put)(Mail&), core::Command command, ReplySink sink);

  // Constant after construction.
  const core::ShardId shard_;
  const std::string replica_;
  const ShardOptions options_;
  store::LeaseStore& leases_;
  store::ShardLogFactory& logs_;
  ShardHost& host_;
  const Clock& clock_;
  EngineMetrics& metrics_;

  // Safe by themselves.
  Mailbox mailbox_;
  std::atomic<int64_t> next_request_{1};
  std::atomic<int64_t> epoch_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> leaving_{false};
  std::atomic<bool> idle_{true};
  std::atomic<int64_t> epoch_elsewhere_{0};  // the newest one that another replica is known to have
  std::atomic<int64_t> clock_offset_ns_{0};  // store's wall time since the epoch minus the monotonic clock
  Notification served_;
  mutable Mutex phase_mu_;
  std::deque<std::pair<ShardQuery, AnswerSink>> queries_ ABSL_GUARDED_BY(phase_mu_);
  Phase phase_ ABSL_GUARDED_BY(phase_mu_) = Phase::kTaking;
  // Why the shard is not taken; OK until something is known to stand in the way.
  absl::Status why_not_ ABSL_GUARDED_BY(phase_mu_);

  // Strand.
  std::unique_ptr<store::ShardLog> log_;
  std::optional<core::ShardState> state_;
  ContentCache cache_;
  absl::flat_hash_map<core::RequestId, ReplySink> pending_;
  // Decided and not answered: parked receives, and takes that wait for a refill. Waits in wall time, sinks in pending_.
  absl::flat_hash_map<core::RequestId, Mail> parked_;
  std::vector<Mail> fenced_;  // of the group whose commit another owner fenced
  std::deque<std::pair<core::RequestId, core::Command>> own_;  // decided before the next mail
  struct PendingRefill {
    core::NeedRefill need;
    core::MessageSeq appended_to;  // all below were committed when the read began
  };
  std::deque<PendingRefill> refills_;  // the first is being read
  struct LiveSegment {
    core::SegmentNo segment;
    int64_t rows = 0;
    size_t bytes = 0;
  };
  std::deque<LiveSegment> segments_;  // oldest first, the active one last
  // The oldest segment, while its survivors are being copied forward. Where the copy stands is known to the store.
  std::optional<core::SegmentNo> copying_;
  int slices_put_off_ = 0;  // in a row
  store::CommitOutcome lost_by_ = store::CommitOutcome::kRejected;
  std::atomic<int64_t> stored_rows_{0};
  std::atomic<int32_t> stored_segments_{0};
  bool named_ = false;  // the store names this replica the owner, as far as is known; also while the shard could not be read
  int64_t owned_in_term_ = 0;  // the lease's term when the store last showed that the epoch is ours

  Mutex thread_mu_;  // taken before all others
  std::thread thread_ ABSL_GUARDED_BY(thread_mu_);
};

}  // namespace weir::queue::engine
