// Queues between the wire and the engine.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "services/queue/core/shard_state.h"
#include "services/queue/engine/registry.h"
#include "services/queue/store/queue_store.h"
#include "weir/queue/v1/queue.pb.h"

namespace weir::queue::api {

// A new queue's type, as its name and its attributes say it; OK when they agree: FIFO queues, and only they, have a name that ends
// in .fifo and fifo_queue set. INVALID_PARAMETER_VALUE, or INVALID_ATTRIBUTE_NAME for a standard queue with fifo_queue.
absl::Status CheckType(const store::QueueName& name, const v1::QueueAttributes& attributes);

// `base`, whose type is decided, with what `attributes` sets, each checked by itself and all of them together.
// INVALID_ATTRIBUTE_VALUE, or INVALID_ATTRIBUTE_NAME (a standard queue does not have it); of a policy also INVALID_PARAMETER_VALUE and
// OVER_LIMIT, as libs/policy has them.
absl::StatusOr<store::QueueAttributes> ApplyAttributes(const v1::QueueAttributes& attributes,
                                                       store::QueueAttributes base);

// What libs/policy says of a queue's policy, as an error of the attribute. The document is too long to be shown in it.
absl::Status PolicyError(const absl::Status& status);

// Whether a queue that is `current` may become `wanted`, as to its partitions. INVALID_ATTRIBUTE_VALUE.
absl::Status CheckPartitionsChange(const store::QueueAttributes& current,
                                   const store::QueueAttributes& wanted);

// The redrive policy of `attributes`, if it has one, names a queue of the same type that exists, lets queue `source` use it, and does not lead
// back to `source`.
absl::Status CheckRedriveTarget(const engine::Registry& registry, const store::QueueName& source,
                                const store::QueueAttributes& attributes);

// The name of the first attribute that `wanted` sets to something else than `current` has; nothing when they agree.
std::optional<std::string> FirstDifference(const v1::QueueAttributes& wanted,
                                           const store::QueueAttributes& wanted_values,
                                           const store::QueueAttributes& current);

void EncodeQueue(const engine::QueueInfo& queue, v1::Queue& out);
void EncodeStats(const core::PartitionStats& stats, absl::Time now, v1::QueueStats& out);

}  // namespace weir::queue::api
