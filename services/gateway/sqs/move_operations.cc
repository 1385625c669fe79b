#include "services/gateway/sqs/move_operations.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/error.h"
#include "services/gateway/sqs/queue_name.h"

namespace weir::gateway::sqs {
namespace {

using wire::Value;

constexpr int64_t kListedMax = 10;

MaybeError EncodeSource(const Call& call, queue::v1::QueueRef& source) {
  if (SetQueueByArn(call.input["SourceArn"].text(), source)) return std::nullopt;
  return wire::FromStatus(MakeError(ErrorReason::kInvalidParameterValue,
                                    "You must use this format to specify the SourceArn: "
                                    "arn:<partition>:<service>:<region>:<account-id>:<resource-id>"));
}

absl::string_view StatusText(queue::v1::MessageMoveTaskStatus status) {
  switch (status) {
    case queue::v1::MESSAGE_MOVE_TASK_STATUS_RUNNING: return "RUNNING";
    case queue::v1::MESSAGE_MOVE_TASK_STATUS_COMPLETED: return "COMPLETED";
    case queue::v1::MESSAGE_MOVE_TASK_STATUS_CANCELLING: return "CANCELLING";
    case queue::v1::MESSAGE_MOVE_TASK_STATUS_CANCELLED: return "CANCELLED";
    default: return "FAILED";
  }
}

Value DecodeTask(const queue::v1::MessageMoveTask& task) {
  Value out;
  if (task.status() == queue::v1::MESSAGE_MOVE_TASK_STATUS_RUNNING) out.Set("TaskHandle", Value(task.task_handle()));
  out.Set("Status", Value(StatusText(task.status())));
  out.Set("SourceArn", Value(task.source_arn()));
  out.SetText("DestinationArn", task.destination_arn());
  if (task.has_max_messages_per_second()) {
    out.Set("MaxNumberOfMessagesPerSecond", Value(int64_t{task.max_messages_per_second()}));
  }
  out.Set("ApproximateNumberOfMessagesMoved", Value(int64_t{task.messages_moved()}));
  out.Set("ApproximateNumberOfMessagesToMove", Value(int64_t{task.messages_to_move()}));
  if (task.failure_reason() != common::v1::ERROR_REASON_UNSPECIFIED) {
    out.Set("FailureReason", Value(ErrorInfoOf(static_cast<ErrorReason>(task.failure_reason())).aws_query_code));
  }
  out.Set("StartedTimestamp",
          Value(int64_t{google::protobuf::util::TimeUtil::TimestampToMilliseconds(task.started_at())}));
  return out;
}

}  // namespace

MaybeError EncodeStartMessageMoveTask(const Call& call, queue::v1::StartMessageMoveTaskRequest& request) {
  request.set_destination_arn(call.input["DestinationArn"].text());
  if (const auto rate = call.input.Number("MaxNumberOfMessagesPerSecond")) {
    request.set_max_messages_per_second(
        static_cast<int32_t>(std::clamp<int64_t>(*rate, -1, std::numeric_limits<int32_t>::max())));
  }
  return EncodeSource(call, *request.mutable_source());
}
Value DecodeStartMessageMoveTask(const Call&, const queue::v1::StartMessageMoveTaskResponse& response) {
  Value out;
  out.Set("TaskHandle", Value(response.task_handle()));
  return out;
}

MaybeError EncodeListMessageMoveTasks(const Call& call, queue::v1::ListMessageMoveTasksRequest& request) {
  if (const auto max = call.input.Number("MaxResults")) {
    if (*max < 1 || *max > kListedMax) {
      return InvalidParameter(absl::StrCat(*max), "MaxResults",
                              absl::StrCat("Must be between 1 and ", kListedMax, ", if provided."));
    }
    request.set_max_results(static_cast<int32_t>(*max));
  }
  return EncodeSource(call, *request.mutable_source());
}
Value DecodeListMessageMoveTasks(const Call&, const queue::v1::ListMessageMoveTasksResponse& response) {
  Value::List results;
  for (const queue::v1::MessageMoveTask& task : response.tasks()) results.push_back(DecodeTask(task));
  Value out;
  out.Set("Results", Value(std::move(results)));
  return out;
}

MaybeError EncodeCancelMessageMoveTask(const Call& call, queue::v1::CancelMessageMoveTaskRequest& request) {
  request.set_task_handle(call.input["TaskHandle"].text());
  // A handle names its task's account, but says so itself: the queue service knows.
  if (call.context.verified) request.set_account(call.context.account);
  return std::nullopt;
}
Value DecodeCancelMessageMoveTask(const Call&, const queue::v1::CancelMessageMoveTaskResponse& response) {
  Value out;
  out.Set("ApproximateNumberOfMessagesMoved", Value(int64_t{response.messages_moved()}));
  return out;
}

}  // namespace weir::gateway::sqs
