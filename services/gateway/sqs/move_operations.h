// The operations on tasks that move messages out of a dead-letter queue: parameters → proto, proto → answer.
#pragma once

#include "services/gateway/sqs/call.h"
#include "services/gateway/wire/value.h"
#include "weir/queue/v1/queue_service.pb.h"

namespace weir::gateway::sqs {

MaybeError EncodeStartMessageMoveTask(const Call& call, queue::v1::StartMessageMoveTaskRequest& request);
wire::Value DecodeStartMessageMoveTask(const Call& call, const queue::v1::StartMessageMoveTaskResponse& response);

MaybeError EncodeListMessageMoveTasks(const Call& call, queue::v1::ListMessageMoveTasksRequest& request);
wire::Value DecodeListMessageMoveTasks(const Call& call, const queue::v1::ListMessageMoveTasksResponse& response);

MaybeError EncodeCancelMessageMoveTask(const Call& call, queue::v1::CancelMessageMoveTaskRequest& request);
wire::Value DecodeCancelMessageMoveTask(const Call& call, const queue::v1::CancelMessageMoveTaskResponse& response);

}  // namespace weir::gateway::sqs
