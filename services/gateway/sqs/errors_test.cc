// What the queue service refuses for reasons that need a large load, a fault or a minute, as clients of SQS see it.
// tests/integration/gateway_errors_test.cc has the rest, made by real calls.
#include "services/gateway/sqs/errors.h"

#include <gtest/gtest.h>

#include "libs/base/error.h"

namespace weir::gateway::sqs {
namespace {

struct ExplainedCase {
  ErrorReason reason;
  std::string message;  // of the queue service
  std::string json_code;
  std::string query_code;
  int http_status;
  bool sender_fault;
  std::string words;
};

TEST(ExplainTest, EachReasonHasItsCodeFaultStatusAndWords) {
  const std::string kSqs = "AWS.SimpleQueueService.";
  const ExplainedCase cases[] = {
      {ErrorReason::kOverLimit, "The queue has 120000 messages in flight, which is the limit; delete some first.", "OverLimit",
       "OverLimit", 403, true, "The queue has 120000 messages in flight, which is the limit; delete some first."},
      {ErrorReason::kPurgeInProgress, "x", "PurgeQueueInProgress", kSqs + "PurgeQueueInProgress", 403, true,
       "Only one PurgeQueue operation on orders is allowed every 60 seconds."},
      {ErrorReason::kQueueDeletedRecently, "x", "QueueDeletedRecently", kSqs + "QueueDeletedRecently", 400, true,
       "You must wait 60 seconds after deleting a queue before you can create another with the same name."},
      {ErrorReason::kMessageNotInflight, "It is not in flight.", "MessageNotInflight", kSqs + "MessageNotInflight", 400, true,
       "It is not in flight."},
      {ErrorReason::kMoveTaskNotRunning, "It has ended.", "UnsupportedOperation", kSqs + "UnsupportedOperation", 400, true,
       "It has ended."},
      {ErrorReason::kMoveTaskDoesNotExist, "Task does not exist.", "ResourceNotFoundException", "ResourceNotFoundException", 404, true,
       "Task does not exist."},
      {ErrorReason::kOverloaded, "Slow down.", "RequestThrottled", "RequestThrottled", 403, false, "Slow down."},
      {ErrorReason::kStoreUnavailable, "Away.", "ServiceUnavailable", "ServiceUnavailable", 503, false, "Away."},
      {ErrorReason::kOutcomeUnknown, "Who knows.", "ServiceUnavailable", "ServiceUnavailable", 503, false, "Who knows."},
      {ErrorReason::kShuttingDown, "Bye.", "ServiceUnavailable", "ServiceUnavailable", 503, false, "Bye."},
      {ErrorReason::kInternal, "A defect.", "InternalFailure", "InternalFailure", 500, false, "A defect."},
  };
  wire::Value input;
  input.Set("QueueUrl", wire::Value("http://localhost:4566/000000000000/orders"));
  const wire::CallContext caller = {.account = "000000000000", .region = "us-east-1"};
  for (const ExplainedCase& c : cases) {
    const wire::AwsError error = Explain({"Test", caller, {}, input}, MakeError(c.reason, c.message));
    EXPECT_EQ(error.code, c.json_code) << c.message;
    EXPECT_EQ(error.query_code, c.query_code) << c.message;
    EXPECT_EQ(error.http_status, c.http_status) << c.message;
    EXPECT_EQ(error.sender_fault, c.sender_fault) << c.message;
    EXPECT_EQ(error.message, c.words) << c.message;
  }
}

TEST(ExplainTest, WhatHasNoReasonIsOfTheConnection) {
  const wire::Value input;
  const wire::CallContext caller;
  for (const absl::Status& status : {absl::UnavailableError("x"), absl::DeadlineExceededError("x"), absl::CancelledError("x")}) {
    EXPECT_EQ(Explain({"Test", caller, {}, input}, status).code, "ServiceUnavailable") << status;
  }
  EXPECT_EQ(Explain({"Test", caller, {}, input}, absl::UnknownError("x")).code, "InternalFailure");
}

}  // namespace
}  // namespace weir::gateway::sqs
