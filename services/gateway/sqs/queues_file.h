// The queues that are declared in a file, to be there when the gateway starts (--queues). What stands in it is read and checked as a
// whole, before anything is created. No I/O.
//
//   {"queues": [
//     {"name": "orders-failed"},
//     {"name": "orders",
//      "attributes": {"VisibilityTimeout": 60, "ReceiveMessageWaitTimeSeconds": "20"},
//      "deadLetterQueue": {"name": "orders-failed", "maxReceiveCount": 5},
//      "tags": {"team": "shop"},
//      "account": "111122223333", "region": "eu-central-1"}]}
//
// Attributes are SQS's; a value may be a text, a number or a truth, and a policy's the object itself instead of its text. Whatever the
// file does not know is an error, so that a slip of the pen does not go unnoticed.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/gateway/wire/service.h"
#include "services/gateway/wire/value.h"

namespace weir::gateway::sqs {

struct DeclaredQueue {
  std::string name;
  // What its operations are called with: account and region.
  wire::CallContext owner;
  // As CreateQueue takes them.
  wire::Value attributes;
  wire::Value tags;
};

struct QueuesFileOptions {
  std::string path;  // for what is said of the file
  // Of queues that name none.
  std::string default_account;
  std::string default_region;
};

// In an order in which they can be created: dead-letter queues first. INVALID_ARGUMENT names the file, the queue, the attribute and what
// would be right.
absl::StatusOr<std::vector<DeclaredQueue>> ParseQueuesFile(const std::string& text, const QueuesFileOptions& options);

}  // namespace weir::gateway::sqs
