#include "services/gateway/sqs/foreign_queue.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace weir::gateway::sqs {

MaybeError CheckOwnQueue(const Call& call, const queue::v1::QueueRef& queue) {
  const common::v1::Namespace& owner = queue.namespace_();
  if (!call.context.verified || owner.account() == call.context.account) return std::nullopt;
  // What a batch does is allowed where the single one is.
  const std::string action = absl::StrCat("sqs:", absl::AsciiStrToLower(absl::StripSuffix(call.operation, "Batch")));
  const std::string message =
      absl::StrCat("User: arn:aws:iam::", call.context.account, ":root is not authorized to perform: ", action,
                   " on resource: arn:aws:sqs:", owner.region(), ":", owner.account(), ":", queue.name(),
                   " because no resource-based policy allows the ", action, " action");
  return wire::AwsError{
      .code = "AccessDeniedException", .query_code = "AccessDenied", .http_status = 403, .message = message};
}

}  // namespace weir::gateway::sqs
