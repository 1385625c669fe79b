// Access policies as AWS writes them: who may do what to a resource. A queue's policy lets other accounts use it.
//
// A policy is a JSON document of statements. Policy evaluates it and knows of no service; CheckPolicy, AddPermission and RemovePermission
// are about documents of queues, with SQS's limits and words. Pure: no clock, no I/O; values may be used from any thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/policy/context.h"
#include "libs/policy/principal.h"
#include "libs/policy/statement.h"

namespace weir::policy {

// ---- The language ----

// What is asked for, of any service.
struct AccessRequest {
  Principal principal;
  std::string action;    // "sqs:SendMessage"
  std::string resource;  // its ARN
  // aws:PrincipalAccount and aws:PrincipalArn come from the principal, whatever stands here.
  Context context;
};

enum class Decision {
  kAllowed,     // A statement allows it, and none denies it.
  kDenied,      // A statement denies it; that others allow it makes no difference.
  kNotAllowed,  // No statement is about it.
};

class Policy {
 public:
  // INVALID_ATTRIBUTE_VALUE says what is wrong and where: nothing in a document that is not understood is passed over.
  static absl::StatusOr<Policy> Parse(absl::string_view document);

  Decision Decide(const AccessRequest& request) const;

  const std::vector<Statement>& statements() const { return statements_; }

 private:
  std::vector<Statement> statements_;
};

// ---- The policies of queues ----

// Can the document be a queue's policy? Besides what Parse says: INVALID_PARAMETER_VALUE for an action that SQS does not have, OVER_LIMIT
// for more statements, or actions in one of them, than SQS takes.
absl::Status CheckPolicy(absl::string_view document);

struct Permission {
  std::string label;
  std::string queue_arn;
  std::vector<std::string> accounts;  // 12 digits each
  std::vector<std::string> actions;   // "SendMessage", or "*"
};

// Both answer a document that CheckPolicy takes, and else its error.
//
// The document with one more statement (its Sid is the label), as SQS's AddPermission writes it; `document` empty: a new one.
// INVALID_PARAMETER_VALUE, MISSING_PARAMETER or OVER_LIMIT, with the words of SQS.
absl::StatusOr<std::string> AddPermission(absl::string_view document, const Permission& permission);

// Without the statement with that Sid; "" when none is left. INVALID_PARAMETER_VALUE: there is no such label.
absl::StatusOr<std::string> RemovePermission(absl::string_view document, absl::string_view label);

}  // namespace weir::policy
