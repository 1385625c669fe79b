// Whose queue a request is about, where the caller's account is proven: the queues of other accounts are refused, as no policies are
// kept that could allow them.
#pragma once

#include "absl/strings/string_view.h"
#include "services/gateway/sqs/call.h"
#include "services/gateway/sqs/queue_name.h"
#include "weir/queue/v1/queue_service.pb.h"

namespace weir::gateway::sqs {

// AccessDenied if the caller is verified and the queue is not its own.
MaybeError CheckOwnQueue(const Call& call, const queue::v1::QueueRef& queue);

// For the requests of all operations. Those of a namespace or a task have no queue.
template <typename Request>
MaybeError CheckOwnQueue(const Call& call, const Request& request) {
  if constexpr (requires { request.queue().namespace_(); }) return CheckOwnQueue(call, request.queue());
  return std::nullopt;
}
inline MaybeError CheckOwnQueue(const Call& call, const queue::v1::ListMessageMoveTasksRequest& request) {
  return CheckOwnQueue(call, request.source());
}
// Messages must not be moved from another account, nor to it.
inline MaybeError CheckOwnQueue(const Call& call, const queue::v1::StartMessageMoveTaskRequest& request) {
  if (MaybeError error = CheckOwnQueue(call, request.source())) return error;
  queue::v1::QueueRef destination;
  if (!SetQueueByArn(request.destination_arn(), destination)) return std::nullopt;
  return CheckOwnQueue(call, destination);
}

}  // namespace weir::gateway::sqs
