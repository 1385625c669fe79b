// The operations on messages: parameters → proto, proto → answer.
#pragma once

#include "services/gateway/sqs/call.h"
#include "services/gateway/wire/value.h"
#include "weir/queue/v1/queue_service.pb.h"

namespace weir::gateway::sqs {

MaybeError EncodeSendMessage(const Call& call, queue::v1::SendMessageRequest& request);
wire::Value DecodeSendMessage(const Call& call, const queue::v1::SendMessageResponse& response);

MaybeError EncodeSendMessageBatch(const Call& call, queue::v1::SendMessageBatchRequest& request);
wire::Value DecodeSendMessageBatch(const Call& call, const queue::v1::SendMessageBatchResponse& response);

MaybeError EncodeReceiveMessage(const Call& call, queue::v1::ReceiveMessagesRequest& request);
wire::Value DecodeReceiveMessage(const Call& call, const queue::v1::ReceiveMessagesResponse& response);

MaybeError EncodeDeleteMessage(const Call& call, queue::v1::DeleteMessageRequest& request);
wire::Value DecodeDeleteMessage(const Call& call, const queue::v1::DeleteMessageResponse& response);

MaybeError EncodeDeleteMessageBatch(const Call& call, queue::v1::DeleteMessageBatchRequest& request);
wire::Value DecodeDeleteMessageBatch(const Call& call, const queue::v1::DeleteMessageBatchResponse& response);

MaybeError EncodeChangeMessageVisibility(const Call& call, queue::v1::ChangeMessageVisibilityRequest& request);
wire::Value DecodeChangeMessageVisibility(const Call& call, const queue::v1::ChangeMessageVisibilityResponse& response);

MaybeError EncodeChangeMessageVisibilityBatch(const Call& call,
                                              queue::v1::ChangeMessageVisibilityBatchRequest& request);
wire::Value DecodeChangeMessageVisibilityBatch(const Call& call,
                                               const queue::v1::ChangeMessageVisibilityBatchResponse& response);

}  // namespace weir::gateway::sqs
