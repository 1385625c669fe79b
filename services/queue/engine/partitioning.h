// Where the partitions of a queue lie, and which of them a message goes to.
//
// All replicas must agree, whatever their version, so what is decided here depends on stored things alone, and no rule changes. A
// standard queue's sends are free to go anywhere and are not decided here: they take turns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "services/queue/core/types.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::engine {

// The shard for partition number `number` (from 0) of the queue `arn`, when it is made: from where the name falls on round the
// shards, so a queue has no two on one shard before it has one on each.
core::ShardId ShardOfPartition(absl::string_view arn, int32_t number, int shard_count);

// Which of its `partitions` partitions has a group of a FIFO queue. Such a queue never gets more, so its groups stay where they are,
// and with them their order and what is known of repeated sends.
size_t PartitionOfGroup(absl::string_view message_group_id, size_t partitions);

// Where in `destination` a message goes that is dead-lettered or redriven from a partition on `source_shard`. A transfer that is
// repeated after a crash must find the partition of its first try, for only that one recognises it, although the destination may have
// got partitions meanwhile. Hence: in a FIFO queue by its group; in a standard one, of the partitions with which it was created, one on
// the source's shard (then the move is one commit), or else one by the transfer's id.
const core::PartitionAddress& PartitionOfTransfer(const store::QueueRecord& destination,
                                                  core::ShardId source_shard,
                                                  const core::TransferId& transfer,
                                                  absl::string_view message_group_id);

}  // namespace weir::queue::engine
