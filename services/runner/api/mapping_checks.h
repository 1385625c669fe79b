// What must hold between a function and the queue that feeds it.
#pragma once

#include "absl/status/status.h"
#include "services/runner/core/types.h"
#include "weir/queue/v1/queue.pb.h"

namespace weir::runner::api {

// A message that became visible again while its function still runs would be processed twice: the function's timeout must not
// exceed the queue's visibility timeout.
absl::Status CheckVisibilityTimeout(const core::Function& function, const queue::v1::Queue& queue);

}  // namespace weir::runner::api
