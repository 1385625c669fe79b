// The event that a function gets for messages of a queue, exactly as Lambda makes it for SQS.
//
// Pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "weir/queue/v1/message.pb.h"
#include "weir/queue/v1/queue.pb.h"

namespace weir::runner::mappings {

// The queue that "arn:aws:sqs:REGION:ACCOUNT:NAME" names; nothing if it is not of that form.
std::optional<queue::v1::QueueRef> ParseQueueArn(absl::string_view arn);

// One element of "Records", as JSON.
std::string SqsRecord(const queue::v1::ReceivedMessage& message, absl::string_view queue_arn,
                      absl::string_view region);

// {"Records": [...]} of records that SqsRecord made.
std::string SqsEvent(absl::Span<const std::string> records);
// Bytes of the event with one record more of that size, for events of `bytes` bytes so far (0: none yet).
size_t EventBytesWith(size_t bytes, size_t record_bytes);

}  // namespace weir::runner::mappings
