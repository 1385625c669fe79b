// What a function's answer says about the messages of its batch.
//
// Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/runner/core/types.h"

namespace weir::runner::mappings {

struct BatchVerdict {
  // By position in the batch: delete it. The others are left to their visibility timeout.
  std::vector<bool> succeeded;
  // For people; empty when all succeeded.
  std::string problem;
};

// The verdict on messages with these ids. Without `report_batch_item_failures` the batch succeeds or fails as a whole. With it,
// Lambda's rules hold: no answer, null, {}, or a null or empty batchItemFailures is full success; an answer that cannot be
// understood, or that names a message which was not in the batch, is full failure.
BatchVerdict JudgeBatch(const core::InvocationResult& result, bool report_batch_item_failures,
                        absl::Span<const std::string> message_ids);

}  // namespace weir::runner::mappings
