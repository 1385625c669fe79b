// Queues as SQS names them, by URL and ARN.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "services/gateway/sqs/call.h"
#include "weir/queue/v1/queue.pb.h"

namespace weir::gateway::sqs {

// "http://any.host/123456789012/orders", "/123456789012/orders" or "orders". Of a URL only account and name count; where it has no
// account the queue is the caller's. The region is the caller's.
void SetQueue(const Call& call, absl::string_view url, queue::v1::QueueRef& queue);
// By the parameter QueueUrl.
void SetQueue(const Call& call, queue::v1::QueueRef& queue);
// A queue of the caller's, or of another account.
void SetQueueByName(const Call& call, absl::string_view name, absl::string_view account, queue::v1::QueueRef& queue);
// "arn:aws:sqs:us-east-1:123456789012:orders"; false: it is none.
bool SetQueueByArn(absl::string_view arn, queue::v1::QueueRef& queue);

// At the address by which the caller reached us.
std::string QueueUrl(const Call& call, const queue::v1::Queue& queue);

}  // namespace weir::gateway::sqs
