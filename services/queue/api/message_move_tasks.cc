// The three calls of move tasks: they share the handle.
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/validation.h"
#include "services/queue/store/store_errors.h"
#include "weir/internal/token/v1/move_task_handle.pb.h"

namespace weir::queue::api {
namespace {

using google::protobuf::util::TimeUtil;
using internal::token::v1::MoveTaskHandle;

constexpr int32_t kRateMax = 500;
constexpr int32_t kListedMax = 10;

std::string FormatHandle(absl::string_view task_id, absl::string_view source_arn) {
  MoveTaskHandle handle;
  handle.set_task_id(std::string(task_id));
  handle.set_source_arn(std::string(source_arn));
  return absl::WebSafeBase64Escape(handle.SerializeAsString());
}

absl::Status Start(Context& context, const v1::StartMessageMoveTaskRequest& request,
                   v1::StartMessageMoveTaskResponse& response, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr source,
                        FindQueue(context, request.source(), "source"));
  engine::Registry& registry = context.engine.registry();
  if (registry.DeadLetterSources(source->arn, "", 1).empty()) {
    return MakeError(ErrorReason::kQueueNotDeadLetterTarget,
                     absl::StrCat("Source queue must be configured as a Dead Letter Queue: no "
                                  "queue's redrive policy names ",
                                  source->arn, "."),
                     {{"field", "source"}});
  }
  const std::string& destination = request.destination_arn();
  const engine::QueueInfoPtr target = registry.FindByArn(destination);
  if (!destination.empty() && target == nullptr) {
    return MakeError(ErrorReason::kResourceNotFound,
                     absl::StrCat("The resource that you specified for the destination_arn "
                                  "parameter, \"",
                                  destination, "\", doesn't exist."),
                     {{"field", "destination_arn"}});
  }
  if (destination == source->arn) {
    return MakeError(ErrorReason::kInvalidParameterValue,
                     absl::StrCat("Value \"", destination,
                                  "\" for destination_arn is invalid: it is the source itself."),
                     {{"field", "destination_arn"}});
  }
  if (target != nullptr && target->config->fifo != source->config->fifo) {
    return MakeError(ErrorReason::kInvalidParameterValue,
                     absl::StrCat("Value \"", destination,
                                  "\" for destination_arn is invalid: the messages of a ",
                                  source->config->fifo ? "FIFO" : "standard",
                                  " queue can only be moved to a queue of the same type."),
                     {{"field", "destination_arn"}});
  }
  const int32_t rate = request.max_messages_per_second();
  if (request.has_max_messages_per_second() && (rate < 1 || rate > kRateMax)) {
    return MakeError(ErrorReason::kInvalidParameterValue,
                     absl::StrCat("Value ", rate,
                                  " for max_messages_per_second is invalid: must be between 1 and ",
                                  kRateMax, ", if provided."),
                     {{"field", "max_messages_per_second"}});
  }
  WEIR_ASSIGN_OR_RETURN(const std::string id,
                        context.engine.move_tasks().StartTask(*source, destination, rate, deadline));
  response.set_task_handle(FormatHandle(id, source->arn));
  return absl::OkStatus();
}

v1::MessageMoveTaskStatus ToProto(store::MoveTaskState state) {
  switch (state) {
    case store::MoveTaskState::kRunning:
      return v1::MESSAGE_MOVE_TASK_STATUS_RUNNING;
    case store::MoveTaskState::kCompleted:
      return v1::MESSAGE_MOVE_TASK_STATUS_COMPLETED;
    case store::MoveTaskState::kCancelling:
      return v1::MESSAGE_MOVE_TASK_STATUS_CANCELLING;
    case store::MoveTaskState::kCancelled:
      return v1::MESSAGE_MOVE_TASK_STATUS_CANCELLED;
    case store::MoveTaskState::kFailed:
      return v1::MESSAGE_MOVE_TASK_STATUS_FAILED;
  }
  return v1::MESSAGE_MOVE_TASK_STATUS_UNSPECIFIED;
}

void EncodeTask(const store::MoveTaskRecord& task, v1::MessageMoveTask& out) {
  out.set_task_handle(FormatHandle(task.id, task.source_arn));
  out.set_status(ToProto(task.state));
  out.set_source_arn(task.source_arn);
  out.set_destination_arn(task.destination_arn);
  if (task.max_messages_per_second > 0) {
    out.set_max_messages_per_second(task.max_messages_per_second);
  }
  out.set_messages_moved(store::MovedBy(task));
  out.set_messages_to_move(store::ToMoveBy(task));
  if (!task.failure.ok()) {
    out.set_failure_reason(static_cast<common::v1::ErrorReason>(ReasonOf(task.failure)));
    out.set_failure_message(std::string(task.failure.message()));
  }
  *out.mutable_started_at() =
      TimeUtil::MillisecondsToTimestamp(absl::ToUnixMillis(task.started_at));
  if (task.ended_at.has_value()) {
    *out.mutable_ended_at() = TimeUtil::MillisecondsToTimestamp(absl::ToUnixMillis(*task.ended_at));
  }
}

absl::Status List(Context& context, const v1::ListMessageMoveTasksRequest& request,
                  v1::ListMessageMoveTasksResponse& response, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr source,
                        FindQueue(context, request.source(), "source"));
  WEIR_ASSIGN_OR_RETURN(const int32_t limit,
                        CheckCount(request.max_results(), "max_results", 1, kListedMax, 1));
  WEIR_ASSIGN_OR_RETURN(
      const std::vector<store::MoveTaskRecord> tasks,
      context.engine.move_tasks().List(*source, static_cast<size_t>(limit), deadline));
  for (const store::MoveTaskRecord& task : tasks) EncodeTask(task, *response.add_tasks());
  return absl::OkStatus();
}

absl::Status Cancel(Context& context, const v1::CancelMessageMoveTaskRequest& request,
                    v1::CancelMessageMoveTaskResponse& response, absl::Time deadline) {
  std::string bytes;
  MoveTaskHandle handle;
  if (request.task_handle().empty()) return MissingParameter("task_handle");
  if (!absl::WebSafeBase64Unescape(request.task_handle(), &bytes) ||
      !handle.ParseFromString(bytes)) {
    return MakeError(ErrorReason::kInvalidParameterValue,
                     absl::StrCat("Value \"", request.task_handle(),
                                  "\" for task_handle is invalid: use the task_handle that "
                                  "StartMessageMoveTask answered."),
                     {{"field", "task_handle"}});
  }
  const std::optional<store::QueueName> source = engine::ParseQueueArn(handle.source_arn());
  const bool own = request.account().empty() || (source.has_value() && source->account == request.account());
  if (!own) return store::NoSuchMoveTaskError();
  if (!source.has_value() || context.engine.registry().Find(*source) == nullptr) {
    return MakeError(ErrorReason::kResourceNotFound,
                     absl::StrCat("The source of the task, \"", handle.source_arn(), "\", doesn't exist."),
                     {{"field", "source_arn"}});
  }
  // Whoever changes the source in a handle names a task that does not exist.
  WEIR_ASSIGN_OR_RETURN(const int64_t moved,
                        context.engine.move_tasks().Cancel(handle.task_id(), handle.source_arn(), deadline));
  response.set_messages_moved(moved);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* StartMessageMoveTask(Context& context,
                                               grpc::CallbackServerContext* grpc_context,
                                               const v1::StartMessageMoveTaskRequest& request,
                                               v1::StartMessageMoveTaskResponse& response) {
  return RunBlocking(context, grpc_context, "StartMessageMoveTask",
                     [&](absl::Time deadline) { return Start(context, request, response, deadline); });
}

grpc::ServerUnaryReactor* ListMessageMoveTasks(Context& context,
                                               grpc::CallbackServerContext* grpc_context,
                                               const v1::ListMessageMoveTasksRequest& request,
                                               v1::ListMessageMoveTasksResponse& response) {
  return RunBlocking(context, grpc_context, "ListMessageMoveTasks",
                     [&](absl::Time deadline) { return List(context, request, response, deadline); });
}

grpc::ServerUnaryReactor* CancelMessageMoveTask(Context& context,
                                                grpc::CallbackServerContext* grpc_context,
                                                const v1::CancelMessageMoveTaskRequest& request,
                                                v1::CancelMessageMoveTaskResponse& response) {
  return RunBlocking(context, grpc_context, "CancelMessageMoveTask",
                     [&](absl::Time deadline) { return Cancel(context, request, response, deadline); });
}

}  // namespace weir::queue::api
