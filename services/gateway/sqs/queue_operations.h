// The operations on queues: parameters → proto, proto → answer.
#pragma once

#include "services/gateway/sqs/call.h"
#include "services/gateway/wire/value.h"
#include "weir/queue/v1/queue_service.pb.h"

namespace weir::gateway::sqs {

MaybeError EncodeCreateQueue(const Call& call, queue::v1::CreateQueueRequest& request);
wire::Value DecodeCreateQueue(const Call& call, const queue::v1::CreateQueueResponse& response);

MaybeError EncodeDeleteQueue(const Call& call, queue::v1::DeleteQueueRequest& request);
wire::Value DecodeDeleteQueue(const Call& call, const queue::v1::DeleteQueueResponse& response);

MaybeError EncodeGetQueueUrl(const Call& call, queue::v1::GetQueueRequest& request);
wire::Value DecodeGetQueueUrl(const Call& call, const queue::v1::GetQueueResponse& response);

MaybeError EncodeListQueues(const Call& call, queue::v1::ListQueuesRequest& request);
wire::Value DecodeListQueues(const Call& call, const queue::v1::ListQueuesResponse& response);

MaybeError EncodeGetQueueAttributes(const Call& call, queue::v1::GetQueueRequest& request);
wire::Value DecodeGetQueueAttributes(const Call& call, const queue::v1::GetQueueResponse& response);

MaybeError EncodeSetQueueAttributes(const Call& call, queue::v1::UpdateQueueRequest& request);
wire::Value DecodeSetQueueAttributes(const Call& call, const queue::v1::UpdateQueueResponse& response);

MaybeError EncodePurgeQueue(const Call& call, queue::v1::PurgeQueueRequest& request);
wire::Value DecodePurgeQueue(const Call& call, const queue::v1::PurgeQueueResponse& response);

MaybeError EncodeListDeadLetterSourceQueues(const Call& call, queue::v1::ListDeadLetterSourceQueuesRequest& request);
wire::Value DecodeListDeadLetterSourceQueues(const Call& call,
                                             const queue::v1::ListDeadLetterSourceQueuesResponse& response);

MaybeError EncodeTagQueue(const Call& call, queue::v1::TagQueueRequest& request);
wire::Value DecodeTagQueue(const Call& call, const queue::v1::TagQueueResponse& response);

MaybeError EncodeUntagQueue(const Call& call, queue::v1::UntagQueueRequest& request);
wire::Value DecodeUntagQueue(const Call& call, const queue::v1::UntagQueueResponse& response);

MaybeError EncodeListQueueTags(const Call& call, queue::v1::GetQueueRequest& request);
wire::Value DecodeListQueueTags(const Call& call, const queue::v1::GetQueueResponse& response);

MaybeError EncodeAddPermission(const Call& call, queue::v1::AddPermissionRequest& request);
wire::Value DecodeAddPermission(const Call& call, const queue::v1::AddPermissionResponse& response);

MaybeError EncodeRemovePermission(const Call& call, queue::v1::RemovePermissionRequest& request);
wire::Value DecodeRemovePermission(const Call& call, const queue::v1::RemovePermissionResponse& response);

}  // namespace weir::gateway::sqs
