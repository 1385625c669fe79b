// One call of an SQS operation, as the functions see it that translate it: parameters → proto request, proto response → answer.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "services/gateway/wire/aws_error.h"
#include "services/gateway/wire/service.h"
#include "services/gateway/wire/value.h"

namespace weir::gateway::sqs {

struct SqsOptions {
  // Attributes that are not known are ignored, and those that are not obeyed are kept, instead of refused: what Terraform and the CDK
  // set stays without effect.
  bool relaxed = false;
  // A queue that does not exist is created by its first use.
  bool auto_create = false;
};

struct Call {
  absl::string_view operation;
  const wire::CallContext& context;
  const SqsOptions& options;
  const wire::Value& input;
};

// Nothing: the request could be made.
using MaybeError = std::optional<wire::AwsError>;

// "Value V for parameter NAME is invalid. Reason: REASON"
wire::AwsError InvalidParameter(absl::string_view value, absl::string_view name, absl::string_view reason);

}  // namespace weir::gateway::sqs
