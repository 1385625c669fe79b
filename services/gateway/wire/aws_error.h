// An error as AWS's clients want it. Which fields are written depends on the protocol.
#pragma once

#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/gateway/wire/value.h"

namespace weir::gateway::wire {

struct AwsError {
  std::string code;        // the shape's name: "QueueDoesNotExist"
  std::string query_code;  // "AWS.SimpleQueueService.NonExistentQueue"
  int http_status = 400;
  bool sender_fault = true;
  std::string message;
  std::string query_message;  // where the Query protocol has other words; empty: the same
  // Not of a service but of what stands before all of AWS's: JSON names it by a namespace of its own.
  bool common = false;
};

// What an operation answers, or what a request asks for.
using Outcome = std::variant<Value, AwsError>;

// An error whose code is the same in all protocols, HTTP status 400.
AwsError SenderError(absl::string_view code, absl::string_view message);

// One of those that all services of AWS have, whose code in the JSON protocol is another.
AwsError CommonError(absl::string_view query_code, absl::string_view json_code, int http_status, absl::string_view message);

// By the reason of the status, in the table of errors; the message is the status's own. What has no reason comes from the connection
// to a service: UNAVAILABLE and a deadline are ServiceUnavailable, all else is InternalFailure.
AwsError FromStatus(const absl::Status& status);

// "The request must contain the parameter QueueUrl."
AwsError MissingParameter(absl::string_view name);

}  // namespace weir::gateway::wire
