// The words of the queue service's core: ids, what is known of a message, what is known of a queue.
//
// Plain values, no behaviour. Everything here may be copied between threads; MessageContent is immutable once shared.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "libs/base/strong_id.h"

namespace weir::queue::core {

using ShardId = StrongId<struct ShardIdTag, int32_t>;
// Rises with every take-over of a shard; every append carries it. 0: not owned.
using Epoch = StrongId<struct EpochTag>;
// Never reused. 0: no queue.
using QueueId = StrongId<struct QueueIdTag>;
// A queue's share on one shard. Unique over all shards, never reused.
using PartitionId = StrongId<struct PartitionIdTag>;
// Position in a shard's log. Every row of a shard, message or event, has its own.
using LogNo = StrongId<struct LogNoTag>;
// A message's identity and order within its partition: the log number of its first append, so it is unique in the shard, rises,
// and is never reused. It survives copy-forward.
using MessageSeq = StrongId<struct MessageSeqTag>;
// Number of a pair of append-only tables of a shard.
using SegmentNo = StrongId<struct SegmentNoTag, int32_t>;
// Names one request to one shard, chosen by the engine. 0: nobody waits for a reply.
using RequestId = StrongId<struct RequestIdTag>;

struct PartitionAddress {
  ShardId shard;
  PartitionId partition;
  QueueId queue;
  friend bool operator==(const PartitionAddress&, const PartitionAddress&) = default;
};

// Where a dead-lettered or redriven message came from: names one stay of a message in one queue, so a repeated transfer is
// recognised at its destination.
struct TransferId {
  PartitionId source_partition;
  MessageSeq source_seq;
  friend auto operator<=>(const TransferId&, const TransferId&) = default;
  friend bool operator==(const TransferId&, const TransferId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const TransferId& id) {
    return H::combine(std::move(h), id.source_partition, id.source_seq);
  }
};

// What a producer sent. The core passes it through and keeps none of it.
struct MessageContent {
  std::string message_id;                  // 36-character UUID; kept over dead-lettering and redrive
  std::string body;                        // UTF-8
  std::string attributes;                  // serialized weir.internal.store.v1 envelope; empty: none
  std::string message_group_id;            // empty: none
  std::string deduplication_id;            // empty: none
  std::string dead_letter_source_arn;      // set by dead-lettering, else empty
};
using ContentPtr = std::shared_ptr<const MessageContent>;

// What names a message in the deduplication of a FIFO queue.
struct DeduplicationMeta {
  std::string deduplication_id;
  std::string message_id;
};

// What the core knows of a message.
struct MessageMeta {
  MessageSeq seq;
  SegmentNo segment;                 // where its newest row stands
  absl::Time sent_at;                // retention counts from here; kept by dead-lettering
  absl::Time visible_at;             // not before this: end of its delay, or of its visibility timeout while in flight
  int32_t receive_count = 0;         // runs on in a dead-letter queue; starts again after a redrive
  std::optional<absl::Time> first_received_at;
  bool in_flight = false;            // leased by a receive of this queue, not merely delayed
  std::optional<TransferId> transfer;  // it came by dead-lettering or redrive
  // As read from the store. An append leaves the next two unset: its content has them.
  std::string message_group_id;  // empty: none
  // Told by ShardLog::ReadMetas only. Null: the message has no deduplication id.
  std::shared_ptr<const DeduplicationMeta> deduplication;
};

// Over which messages of a FIFO queue a deduplication id is looked for.
enum class DeduplicationScope : int16_t { kQueue = 1, kMessageGroup = 2 };

// The attributes of a queue that the core obeys. An immutable snapshot; a change makes a new one with a higher version.
struct QueueConfig {
  QueueId queue;
  int64_t version = 0;
  absl::Duration visibility_timeout = absl::Seconds(30);
  absl::Duration delay = absl::ZeroDuration();
  absl::Duration retention = absl::Hours(96);
  // Message groups keep their order, one receiver at a time, and repeated sends are recognised. Never changes. Every message
  // then has a group id and a deduplication id (content-based: the api layer fills it with the SHA-256 of the body).
  bool fifo = false;
  DeduplicationScope deduplication_scope = DeduplicationScope::kQueue;
  // Redrive policy with its target resolved. Absent target (no policy, or the dead-letter queue does not exist): messages
  // stay in this queue however often they were received.
  struct Redrive {
    int32_t max_receive_count = 0;
    PartitionAddress dead_letter;
  };
  std::optional<Redrive> redrive;
};
using ConfigPtr = std::shared_ptr<const QueueConfig>;

}  // namespace weir::queue::core
