// The actions of SQS as policies name them. Batches have none of their own: what a batch does is allowed where the single one is.
#pragma once

#include "absl/strings/string_view.h"

namespace weir::policy {

enum class SqsAction {
  kUnknown,
  kOwnerOnly,  // No policy opens it to another account.
  kShared,
};

// "SendMessage", in any letter case.
SqsAction FindSqsAction(absl::string_view name);

}  // namespace weir::policy
