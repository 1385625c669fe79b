// The queues of other accounts, where the caller's account is proven: what a caller may do with them is what their policies allow it. A
// caller from the queue's own account is its owner, and its policy is not asked.
//
//                     not shared by SQS
//   a foreign queue ---------------------> refused
//        | shared           no queue, not allowed, denied
//        +--> its policy ---------------------------------> refused
//                  | allowed
//                  +--> the call
//
// A refusal does not say whether there is such a queue.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/gateway/sqs/call.h"
#include "services/gateway/sqs/queue_name.h"
#include "weir/queue/v1/queue_service.pb.h"

namespace weir::gateway::sqs {

// Nothing: the queue is the caller's own, or nobody's account is proven.
std::optional<queue::v1::QueueRef> IfForeign(const Call& call, const queue::v1::QueueRef& queue);

// The foreign queue that a request is about, of all operations. Those of a namespace or a task have none.
template <typename Request>
std::optional<queue::v1::QueueRef> ForeignQueueIn(const Call& call, const Request& request) {
  if constexpr (requires { request.queue().namespace_(); }) return IfForeign(call, request.queue());
  return std::nullopt;
}
inline std::optional<queue::v1::QueueRef> ForeignQueueIn(const Call& call,
                                                         const queue::v1::ListMessageMoveTasksRequest& request) {
  return IfForeign(call, request.source());
}
// Messages must not be moved from another account, nor to it.
inline std::optional<queue::v1::QueueRef> ForeignQueueIn(const Call& call,
                                                         const queue::v1::StartMessageMoveTaskRequest& request) {
  if (auto foreign = IfForeign(call, request.source())) return foreign;
  queue::v1::QueueRef destination;
  if (!SetQueueByArn(request.destination_arn(), destination)) return std::nullopt;
  return IfForeign(call, destination);
}

// AccessDenied for an operation that no policy opens to other accounts; nothing: the queue's policy decides.
MaybeError RefuseUnlessShared(const Call& call, const queue::v1::QueueRef& foreign);

// Nothing: the policy of the queue allows the call. `read`: what the queue service said of the queue.
MaybeError RefuseUnlessAllowed(const Call& call, const queue::v1::QueueRef& foreign,
                               const absl::StatusOr<queue::v1::Queue>& read, absl::Time now);

}  // namespace weir::gateway::sqs
