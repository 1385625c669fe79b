#include "libs/policy/sqs_actions.h"

#include "absl/strings/match.h"

namespace weir::policy {
namespace {

constexpr absl::string_view kShared[] = {
    "ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl",
    "ListDeadLetterSourceQueues", "PurgeQueue", "ReceiveMessage", "SendMessage",
};

constexpr absl::string_view kOwnerOnly[] = {
    "AddPermission", "CancelMessageMoveTask", "CreateQueue",        "DeleteQueue",          "ListMessageMoveTasks", "ListQueueTags",
    "ListQueues",    "RemovePermission",      "SetQueueAttributes", "StartMessageMoveTask", "TagQueue",             "UntagQueue",
};

template <size_t n>
bool Has(const absl::string_view (&names)[n], absl::string_view name) {
  for (const absl::string_view each : names) {
    if (absl::EqualsIgnoreCase(each, name)) return true;
  }
  return false;
}

}  // namespace

SqsAction FindSqsAction(absl::string_view name) {
  if (Has(kShared, name)) return SqsAction::kShared;
  return Has(kOwnerOnly, name) ? SqsAction::kOwnerOnly : SqsAction::kUnknown;
}

}  // namespace weir::policy
