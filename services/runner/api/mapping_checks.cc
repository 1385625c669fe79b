#include "services/runner/api/mapping_checks.h"

#include "absl/strings/str_cat.h"
#include "services/runner/api/validation.h"

namespace weir::runner::api {

absl::Status CheckVisibilityTimeout(const core::Function& function, const queue::v1::Queue& queue) {
  const absl::Duration visibility =
      absl::Seconds(queue.attributes().visibility_timeout().seconds());
  if (function.config.timeout <= visibility) return absl::OkStatus();
  return InvalidField(
      "event_source_arn", queue.arn(),
      absl::StrCat("the queue's visibility timeout of ", absl::FormatDuration(visibility),
                   " is less than the timeout of function \"", function.name.name, "\", ",
                   absl::FormatDuration(function.config.timeout)));
}

}  // namespace weir::runner::api
