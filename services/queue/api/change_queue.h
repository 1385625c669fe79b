// Changes of a queue that are made of what it has: read it, work out the change, and store it if nobody has changed the queue since. If
// somebody has, it is done anew with what they made of it, up to five times in all; then the answer is their conflict, ABORTED. For calls
// that run on the blocking threads.
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/queue/api/call.h"
#include "services/queue/store/queue_store.h"
#include "weir/queue/v1/queue.pb.h"

namespace weir::queue::api {

// The queue as it is afterwards. `change` stores the change of the queue that it is given; it may be called several times.
absl::StatusOr<engine::QueueInfoPtr> ChangeQueue(
    Context& context, const v1::QueueRef& ref,
    absl::FunctionRef<absl::StatusOr<engine::QueueInfoPtr>(const engine::QueueInfoPtr&)> change);

// The same for attributes: `wanted` says which the queue is to have. Those that it has already are not stored again.
absl::StatusOr<engine::QueueInfoPtr> ChangeAttributes(
    Context& context, const v1::QueueRef& ref, absl::Time deadline,
    absl::FunctionRef<absl::StatusOr<store::QueueAttributes>(const engine::QueueInfo&)> wanted);

}  // namespace weir::queue::api
