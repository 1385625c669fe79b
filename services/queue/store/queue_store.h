// What the queue service needs of a durable store. One interface in core types; implementations: pg/ (PostgreSQL), memory/ (a
// fake for tests), faulty/ (a wrapper that injects faults). conformance/ is the suite that all of them pass.
//
// Three parts, because they are used by different threads:
//   RegistryStore  control plane: queues and their attributes. Thread-safe, blocking, takes a deadline.
//   LeaseStore     who owns which shard. Thread-safe, blocking, takes a deadline.
//   ShardLog       the append-only log of one shard. Used by the shard's own thread only.
// Beside it stand move_task_store.h and journal_reader.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/queue/core/decision.h"
#include "services/queue/core/types.h"

namespace weir::queue::store {

// ---- Registry ----------------------------------------------------------------------------------------------------------

struct QueueName {
  std::string account;  // 12 digits
  std::string region;
  std::string name;
  friend auto operator<=>(const QueueName&, const QueueName&) = default;
};

enum class RedrivePermission : int16_t { kAllowAll = 1, kDenyAll = 2, kByQueue = 3 };
enum class FifoThroughputLimit : int16_t { kPerQueue = 1, kPerMessageGroupId = 2 };

// What an operator can set. Durations in whole seconds.
struct QueueAttributes {
  absl::Duration visibility_timeout = absl::Seconds(30);
  absl::Duration delay = absl::ZeroDuration();
  absl::Duration retention = absl::Hours(96);
  absl::Duration receive_wait_time = absl::ZeroDuration();
  int32_t maximum_message_bytes = 1'048'576;
  struct RedrivePolicy {
    std::string dead_letter_queue_arn;
    int32_t max_receive_count = 0;
    friend bool operator==(const RedrivePolicy&, const RedrivePolicy&) = default;
  };
  std::optional<RedrivePolicy> redrive_policy;
  struct RedriveAllowPolicy {
    RedrivePermission permission = RedrivePermission::kAllowAll;
    std::vector<std::string> source_queue_arns;  // kByQueue only
    friend bool operator==(const RedriveAllowPolicy&, const RedriveAllowPolicy&) = default;
  };
  std::optional<RedriveAllowPolicy> redrive_allow_policy;
  bool fifo = false;  // decided at creation
  // FIFO queues only; else as here.
  bool content_based_deduplication = false;
  core::DeduplicationScope deduplication_scope = core::DeduplicationScope::kQueue;
  FifoThroughputLimit fifo_throughput_limit = FifoThroughputLimit::kPerQueue;
  int32_t partitions = 1;  // how many were asked for
  std::string policy;      // of access, JSON; empty: none
  std::map<std::string, std::string> annotations;  // kept for who set them
  friend bool operator==(const QueueAttributes&, const QueueAttributes&) = default;
};

using Tags = std::map<std::string, std::string>;

struct QueueRecord {
  core::QueueId id;
  QueueName name;
  QueueAttributes attributes;
  Tags tags;
  absl::Time created_at;
  absl::Time updated_at;
  int64_t version = 0;  // rises with every change of this queue
  std::vector<core::PartitionAddress> partitions;  // never fewer than there were; new ones come behind the others
  // With how many of them the queue was created.
  int32_t created_partitions = 1;
};

struct NewQueue {
  QueueName name;
  QueueAttributes attributes;
  Tags tags;
  std::vector<core::ShardId> shards;  // a partition on each; at least one
  // For so long after its deletion a name cannot be taken again. Up to kRestMax.
  absl::Duration name_rest = absl::ZeroDuration();
};

// Until then the store remembers deletions and purges.
inline constexpr absl::Duration kRestMax = absl::Minutes(1);

// Thread-safe. Every call blocks until `deadline` at the latest and answers UNAVAILABLE (STORE_UNAVAILABLE) when the store
// cannot be reached; then it is unknown whether a change was made, and repeating the call is safe.
class RegistryStore {
 public:
  virtual ~RegistryStore() = default;

  // Makes sure that `shard_count` shards exist. The count is fixed when the store is created: the answer is the stored one.
  virtual absl::StatusOr<int> EnsureShards(int shard_count, absl::Time deadline) = 0;

  // Creates the queue with its partitions. ALREADY_EXISTS (QUEUE_ALREADY_EXISTS) if the name is taken,
  // QUEUE_DELETED_RECENTLY while it rests.
  virtual absl::StatusOr<QueueRecord> CreateQueue(const NewQueue& queue, absl::Time deadline) = 0;
  // Replaces the attributes, and gives the queue a further partition on each of `added`. NOT_FOUND (QUEUE_DOES_NOT_EXIST) if there is
  // no such queue; ABORTED if `expected_version` is not the stored one.
  virtual absl::StatusOr<QueueRecord> UpdateQueue(core::QueueId id, int64_t expected_version,
                                                  const QueueAttributes& attributes,
                                                  absl::Span<const core::ShardId> added,
                                                  absl::Time deadline) = 0;
  // Replaces the tags, which is no change of an attribute: updated_at stays. Errors as of UpdateQueue.
  virtual absl::StatusOr<QueueRecord> SetTags(core::QueueId id, int64_t expected_version,
                                              const Tags& tags, absl::Time deadline) = 0;
  // NOT_FOUND (QUEUE_DOES_NOT_EXIST) if there is no such queue. Its messages are the shards' business. A move task whose source it is
  // ends as failed (QUEUE_DOES_NOT_EXIST).
  virtual absl::Status DeleteQueue(core::QueueId id, absl::Time deadline) = 0;

  // Notes that the queue is purged now. PURGE_IN_PROGRESS if it was within the last `rest` (up to kRestMax), NOT_FOUND as above.
  // Neither this nor the next raises a version.
  virtual absl::Status BeginPurge(core::QueueId id, absl::Duration rest, absl::Time deadline) = 0;
  // The purge that was noted last has failed, so another may be tried. OK also when the queue is gone.
  virtual absl::Status ForgetPurge(core::QueueId id, absl::Time deadline) = 0;

  virtual absl::StatusOr<std::vector<QueueRecord>> ListQueues(absl::Time deadline) = 0;
  // Rises with every change of any queue, so a replica can tell that its snapshot is old.
  virtual absl::StatusOr<int64_t> Version(absl::Time deadline) = 0;
};

// ---- Leases ------------------------------------------------------------------------------------------------------------

struct ShardOwnership {
  core::ShardId shard;
  core::Epoch epoch;
  std::string owner;    // replica name; empty: nobody yet
  std::string address;  // of the owner, as it registered
  bool owner_alive = false;
};

struct ReplicaLease {
  std::string replica;  // its name
  std::string address;  // at which its peers reach it
  absl::Duration lease_time;
  bool leaving = false;  // it gives its shards away and is to get none
};

struct ReplicaRecord {
  std::string replica;
  std::string address;
  bool leaving = false;
  absl::Duration lease_left;  // by the store's clock; not positive: the lease has run out
  bool alive() const { return lease_left > absl::ZeroDuration(); }
};

// Replicas that have been silent for so long are forgotten by the next renewal of another.
inline constexpr absl::Duration kReplicaForgottenAfter = absl::Hours(24);

// Thread-safe; blocking as RegistryStore.
class LeaseStore {
 public:
  virtual ~LeaseStore() = default;

  // Says that the replica is alive until the store's now + lease_time. Repeated every third of that.
  virtual absl::Status RenewReplica(const ReplicaLease& lease, absl::Time deadline) = 0;
  // The replica stops: its shards may be taken at once.
  virtual absl::Status ReleaseReplica(absl::string_view replica, absl::Time deadline) = 0;

  // By name, those that went silent included.
  virtual absl::StatusOr<std::vector<ReplicaRecord>> ListReplicas(absl::Time deadline) = 0;
  virtual absl::StatusOr<std::vector<ShardOwnership>> ListShards(absl::Time deadline) = 0;

  // Takes the shard with the next epoch, locking out every later append of the former one. Refused with SHARD_NOT_OWNED
  // (UNAVAILABLE) while another replica that is alive owns it; a replica of the same name may always take over itself.
  virtual absl::StatusOr<core::Epoch> AcquireShard(core::ShardId shard, absl::string_view replica,
                                                   absl::Time deadline) = 0;
  // The owner lets go of the shard: it has no owner then, and whoever takes it next gets a higher epoch. No effect, and OK, when
  // `replica` does not own it under `epoch` any more.
  virtual absl::Status ReleaseShard(core::ShardId shard, absl::string_view replica, core::Epoch epoch,
                                    absl::Time deadline) = 0;
};

// ---- The log of a shard ------------------------------------------------------------------------------------------------

struct AppendBatch {
  core::SegmentNo segment;  // the active one
  std::vector<core::AppendMessage> messages;
  std::vector<core::AppendEvent> events;
  // The rows of `segment` up to here, in the order of (partition, seq), were copied forward: the survivors are among `messages`. From
  // this commit on these rows are superseded, so ignored by every read. Never lower than in the append before.
  struct Copied {
    core::SegmentNo segment;
    core::PartitionId partition;
    core::MessageSeq seq;
  };
  std::optional<Copied> copied;
  // The rest of this segment's survivors are among `messages`: from this commit on it is retired, so ignored by every read.
  std::optional<core::SegmentNo> retire;
  bool empty() const {
    return messages.empty() && events.empty() && !copied.has_value() && !retire.has_value();
  }
};

enum class CommitOutcome {
  kCommitted,  // Every row is durable.
  kFenced,     // Another owner holds a newer epoch. Nothing was written. Stop this shard.
  kRejected,   // Nothing was written, and the state that led to the batch must be discarded (for instance the store is away).
  kInDoubt,    // Unknown. Take a new epoch and reload before answering anyone.
};

struct StoredMessage {
  core::PartitionId partition;
  core::LogNo log_no;
  core::MessageMeta meta;
  core::ContentPtr content;
};

struct SegmentInfo {
  core::SegmentNo segment;
  core::LogNo first_log_no;
  bool retired = false;
  int64_t rows = 0;  // messages and events appended so far, as far as this log knows (exact while this process appends)
};

// Not thread-safe: the shard's thread owns it. Reads see what was committed by this log's own appends.
class ShardLog {
 public:
  virtual ~ShardLog() = default;

  struct Opened {
    core::LogNo next_log_no;  // above every row, and above every log number ever used
    core::SegmentNo active_segment;
    absl::Time now;  // the store's clock
    std::vector<SegmentInfo> segments;  // oldest first, the active one last; retired ones are not listed
  };
  // Connects and prepares to append with `epoch`; creates the first segment if there is none. Called again after any outcome
  // but kCommitted, with a newer epoch.
  virtual absl::StatusOr<Opened> Open(core::Epoch epoch) = 0;

  // Asks the store whether the epoch of Open is still the shard's: SHARD_NOT_OWNED (UNAVAILABLE) if another has taken it. For
  // answers that no append fences. After an error the log must be opened again.
  // REQUIRES: no append is outstanding.
  virtual absl::Status CheckEpoch() = 0;

  // Everything of the live segments, for recovery. An error of `visit` ends the reading and is the answer; then the log must be
  // opened again.
  using EventVisitor = absl::FunctionRef<absl::Status(core::SegmentNo, const core::AppendEvent&)>;
  virtual absl::Status ReadEvents(EventVisitor visit) = 0;
  // Without contents, but with what names a message in its group and in the deduplication.
  using MetaVisitor =
      absl::FunctionRef<absl::Status(core::PartitionId, core::LogNo, const core::MessageMeta&)>;
  virtual absl::Status ReadMetas(MetaVisitor visit) = 0;

  // Sends one group, in one transaction fenced by the epoch. Does not wait; `batch` must live until FinishAppend.
  // REQUIRES: none is outstanding.
  virtual void BeginAppend(const AppendBatch& batch) = 0;
  // Waits for its outcome.
  virtual CommitOutcome FinishAppend() = 0;

  // The partition's messages with seq >= from, in seq order, until `max_messages` or `max_bytes` of bodies (at least one).
  virtual absl::StatusOr<std::vector<StoredMessage>> ReadRange(core::PartitionId partition,
                                                               core::MessageSeq from,
                                                               size_t max_messages,
                                                               size_t max_bytes) = 0;
  // The same while other calls go on, appends above all. It may end sooner, but with a message if there is one; and shows what was
  // committed before it began, perhaps also what was since. Open forgets it.
  // REQUIRES: none is outstanding; no segment is dropped meanwhile.
  virtual void BeginReadRange(core::PartitionId partition, core::MessageSeq from, size_t max_messages,
                              size_t max_bytes) = 0;
  // Waits for its end.
  virtual absl::StatusOr<std::vector<StoredMessage>> FinishReadRange() = 0;
  struct MessageKey {
    core::PartitionId partition;
    core::MessageSeq seq;
  };
  // In any order; a key that is not there is left out.
  virtual absl::StatusOr<std::vector<StoredMessage>> ReadMessages(
      absl::Span<const MessageKey> keys) = 0;
  // The segment's next rows that are not superseded, in the order of (partition, seq), until `max_messages` or `max_bytes` of contents
  // (at least one). Empty: there are none left.
  virtual absl::StatusOr<std::vector<StoredMessage>> ReadSegment(core::SegmentNo segment,
                                                                 size_t max_messages,
                                                                 size_t max_bytes) = 0;

  // Creates the next segment (fenced) and makes it the active one. Its number is the answer.
  virtual absl::StatusOr<core::SegmentNo> StartSegment(core::LogNo first_log_no) = 0;
  // Drops a segment, and those that were retired but could not be dropped. A segment that somebody reads is left for later:
  // then it is retired only, and the answer is OK.
  virtual absl::Status DropSegment(core::SegmentNo segment) = 0;
};

// Opens logs. Thread-safe.
class ShardLogFactory {
 public:
  virtual ~ShardLogFactory() = default;
  virtual std::unique_ptr<ShardLog> OpenLog(core::ShardId shard) = 0;
};

}  // namespace weir::queue::store
