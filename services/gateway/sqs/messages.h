// Messages between SQS's parameters and the queue service's protos.
#pragma once

#include "services/gateway/sqs/call.h"
#include "services/gateway/wire/value.h"
#include "weir/queue/v1/message.pb.h"

namespace weir::gateway::sqs {

// Of SendMessage's parameters, or of an entry of SendMessageBatch.
MaybeError EncodeMessage(const wire::Value& parameters, queue::v1::OutgoingMessage& out);
// The part of the answer that is about the message.
void DecodeSent(const queue::v1::SentMessage& sent, wire::Value& out);

// InvalidAttributeName for a system attribute that there is not.
MaybeError CheckSystemAttributeNames(const Call& call);
// With the system attributes that the call asks for.
wire::Value DecodeReceived(const Call& call, const queue::v1::ReceivedMessage& message);

}  // namespace weir::gateway::sqs
