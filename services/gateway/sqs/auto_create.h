// Queues that are created by their first use (--auto-create-queues): a convenience of development.
#pragma once

#include <functional>

#include "services/gateway/sqs/call.h"
#include "services/gateway/wire/service.h"

namespace weir::gateway::sqs {

// Starts an operation on the queue service, without a second try.
using StartOnce = std::function<wire::Service::Cancel(const wire::Operation&, const wire::CallContext&, wire::Value,
                                                      wire::Service::Done)>;

// Runs `operation`; where its queue does not exist, runs `create` (CreateQueue) with the defaults, FIFO if the name ends in .fifo, and
// then `operation` once more. What keeps the queue from being created is the answer; a queue of another account is not created for a
// caller whose account is proven. The cancel ends whichever of them runs, and a call that was cancelled creates nothing more. What is
// passed by reference, and what `start` refers to, must outlive the calls.
wire::Service::Cancel StartCreatingQueue(StartOnce start, const wire::Operation& operation, const wire::Operation& create,
                                         const SqsOptions& options, const wire::CallContext& context, wire::Value input,
                                         wire::Service::Done done);

}  // namespace weir::gateway::sqs
