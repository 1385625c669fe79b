// The queue service's errors in the words of SQS. The reason decides the code (the table of errors does), and the field that the
// error names, together with what the caller sent for it, decides the words. An error that SQS has no words for keeps its own.
#pragma once

#include "absl/status/status.h"
#include "services/gateway/sqs/call.h"
#include "services/gateway/wire/value.h"
#include "weir/queue/v1/message.pb.h"

namespace weir::gateway::sqs {

// Of a call that failed. `call.input` may also be an entry of a batch.
wire::AwsError Explain(const Call& call, const absl::Status& status);

// What SQS says is allowed for a parameter; empty: nothing in particular.
absl::string_view AllowedFor(absl::string_view parameter);

// The entries of a batch that failed, as a list; empty: none.
wire::Value DecodeFailures(const Call& call, const google::protobuf::RepeatedPtrField<queue::v1::BatchFailure>& failures);

}  // namespace weir::gateway::sqs
