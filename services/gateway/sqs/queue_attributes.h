// A queue's attributes as SQS has them, texts by name, and as the queue service has them.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"
#include "services/gateway/sqs/call.h"
#include "services/gateway/wire/value.h"
#include "weir/queue/v1/queue.pb.h"

namespace weir::gateway::sqs {

// What CreateQueue and SetQueueAttributes set. An empty policy or key removes it.
MaybeError EncodeAttributes(const Call& call, const wire::Value& attributes, queue::v1::QueueAttributes& out);

// InvalidAttributeName for one that SQS does not know.
MaybeError CheckAttributeNames(const Call& call, const wire::Value& names);
// Those of the queue that `names` asks for and that have a value; absent: none.
wire::Value DecodeAttributes(const queue::v1::Queue& queue, const wire::Value& names);

bool IsAttributeName(absl::string_view name);
// Those that EncodeAttributes takes.
std::vector<absl::string_view> SettableAttributes();
// "VisibilityTimeout" for the field "visibility_timeout" or "attributes.visibility_timeout"; empty: there is none.
absl::string_view AttributeOfField(absl::string_view field);

}  // namespace weir::gateway::sqs
