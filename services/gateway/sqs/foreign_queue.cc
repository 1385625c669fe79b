#include "services/gateway/sqs/foreign_queue.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"
#include "libs/policy/policy.h"
#include "libs/policy/sqs_actions.h"
#include "services/gateway/sqs/errors.h"

namespace weir::gateway::sqs {
namespace {

using policy::Decision;

// A client writes it as long as it likes, and each wildcard of a policy may have to look at all of it.
constexpr size_t kUserAgentBytesMax = 1024;

// What a batch does is allowed where the single one is.
absl::string_view ActionOf(const Call& call) { return absl::StripSuffix(call.operation, "Batch"); }

std::string ArnOf(const queue::v1::QueueRef& queue) {
  return absl::StrCat("arn:aws:sqs:", queue.namespace_().region(), ":", queue.namespace_().account(), ":", queue.name());
}

wire::AwsError AccessDenied(const Call& call, const queue::v1::QueueRef& foreign, Decision decision) {
  const std::string action = absl::StrCat("sqs:", absl::AsciiStrToLower(ActionOf(call)));
  const std::string why = decision == Decision::kDenied
                              ? "with an explicit deny in a resource-based policy"
                              : absl::StrCat("because no resource-based policy allows the ", action, " action");
  return wire::CommonError("AccessDenied", "AccessDeniedException", 403,
                           absl::StrCat("User: ", policy::Principal::Account(call.context.account).Arn(),
                                        " is not authorized to perform: ", action, " on resource: ", ArnOf(foreign), " ", why));
}

wire::AwsError Refusal(const Call& call, const queue::v1::QueueRef& foreign, Decision decision) {
  if (call.operation != "GetQueueUrl") return AccessDenied(call, foreign, decision);
  // SQS has words of its own where a queue is looked for.
  return wire::FromStatus(MakeError(ErrorReason::kQueueDoesNotExist,
                                    "The specified queue does not exist or you do not have access to it."));
}

policy::AccessRequest AskedFor(const Call& call, const queue::v1::QueueRef& foreign, absl::Time now) {
  policy::AccessRequest request = {.principal = policy::Principal::Account(call.context.account),
                                   .action = absl::StrCat("sqs:", ActionOf(call)),
                                   .resource = ArnOf(foreign)};
  request.context.SetTime(now);
  request.context.Set("aws:SecureTransport", call.context.secure ? "true" : "false");
  if (!call.context.source_ip.empty()) request.context.Set("aws:SourceIp", call.context.source_ip);
  if (!call.context.user_agent.empty()) {
    request.context.Set("aws:UserAgent", absl::string_view(call.context.user_agent).substr(0, kUserAgentBytesMax));
  }
  return request;
}

// There is none, or there cannot be one of that name.
bool IsMissing(const absl::Status& status) { return absl::IsNotFound(status) || absl::IsInvalidArgument(status); }

}  // namespace

std::optional<queue::v1::QueueRef> IfForeign(const Call& call, const queue::v1::QueueRef& queue) {
  if (!call.context.verified || queue.namespace_().account() == call.context.account) return std::nullopt;
  return queue;
}

MaybeError RefuseUnlessShared(const Call& call, const queue::v1::QueueRef& foreign) {
  if (policy::FindSqsAction(ActionOf(call)) == policy::SqsAction::kShared) return std::nullopt;
  return AccessDenied(call, foreign, Decision::kNotAllowed);
}

MaybeError RefuseUnlessAllowed(const Call& call, const queue::v1::QueueRef& foreign,
                               const absl::StatusOr<queue::v1::Queue>& read, absl::Time now) {
  if (!read.ok()) {
    return IsMissing(read.status()) ? Refusal(call, foreign, Decision::kNotAllowed) : Explain(call, read.status());
  }
  const std::string& document = read->attributes().policy();
  if (document.empty()) return Refusal(call, foreign, Decision::kNotAllowed);
  const absl::StatusOr<policy::Policy> policy = policy::Policy::Parse(document);
  if (!policy.ok()) {
    // It was checked when it was set.
    return wire::FromStatus(MakeError(ErrorReason::kInternal, absl::StrCat("The policy of ", ArnOf(foreign), " cannot be read: ",
                                                                           std::string(policy.status().message()))));
  }
  const Decision decision = policy->Decide(AskedFor(call, foreign, now));
  if (decision == Decision::kAllowed) return std::nullopt;
  return Refusal(call, foreign, decision);
}

}  // namespace weir::gateway::sqs
