#include "services/gateway/sqs/message_operations.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "services/gateway/sqs/errors.h"
#include "services/gateway/sqs/messages.h"
#include "services/gateway/sqs/queue_name.h"

namespace weir::gateway::sqs {
namespace {

using wire::Value;

// Beyond an int32 is beyond every limit, so it is refused as well.
int32_t Clamped(int64_t number) {
  return static_cast<int32_t>(std::clamp<int64_t>(number, std::numeric_limits<int32_t>::min(),
                                                  std::numeric_limits<int32_t>::max()));
}

// A batch of ids that succeeded, and what failed.
template <typename Response>
Value DecodeIds(const Call& call, const Response& response) {
  Value::List successful;
  for (const auto& result : response.successful()) {
    Value entry;
    entry.Set("Id", Value(result.id()));
    successful.push_back(std::move(entry));
  }
  Value out;
  out.Set("Successful", Value(std::move(successful)));
  out.Set("Failed", DecodeFailures(call, response.failed()));
  return out;
}

}  // namespace

MaybeError EncodeSendMessage(const Call& call, queue::v1::SendMessageRequest& request) {
  SetQueue(call, *request.mutable_queue());
  return EncodeMessage(call.input, *request.mutable_message());
}
Value DecodeSendMessage(const Call&, const queue::v1::SendMessageResponse& response) {
  Value out;
  DecodeSent(response.message(), out);
  return out;
}

MaybeError EncodeSendMessageBatch(const Call& call, queue::v1::SendMessageBatchRequest& request) {
  SetQueue(call, *request.mutable_queue());
  for (const Value& parameters : call.input["Entries"].list()) {
    queue::v1::SendMessageBatchEntry& entry = *request.add_entries();
    entry.set_id(parameters["Id"].text());
    if (MaybeError error = EncodeMessage(parameters, *entry.mutable_message())) return error;
  }
  return std::nullopt;
}
Value DecodeSendMessageBatch(const Call& call, const queue::v1::SendMessageBatchResponse& response) {
  Value::List successful;
  for (const queue::v1::SendMessageBatchResult& result : response.successful()) {
    Value entry;
    entry.Set("Id", Value(result.id()));
    DecodeSent(result.message(), entry);
    successful.push_back(std::move(entry));
  }
  Value out;
  out.Set("Successful", Value(std::move(successful)));
  out.Set("Failed", DecodeFailures(call, response.failed()));
  return out;
}

MaybeError EncodeReceiveMessage(const Call& call, queue::v1::ReceiveMessagesRequest& request) {
  SetQueue(call, *request.mutable_queue());
  if (const auto max = call.input.Number("MaxNumberOfMessages")) request.set_max_messages(Clamped(*max));
  if (const auto seconds = call.input.Number("WaitTimeSeconds")) request.mutable_wait_time()->set_seconds(*seconds);
  if (const auto seconds = call.input.Number("VisibilityTimeout")) {
    request.mutable_visibility_timeout()->set_seconds(*seconds);
  }
  for (const Value& name : call.input["MessageAttributeNames"].list()) request.add_message_attribute_names(name.text());
  request.set_receive_request_attempt_id(call.input["ReceiveRequestAttemptId"].text());
  return CheckSystemAttributeNames(call);
}
Value DecodeReceiveMessage(const Call& call, const queue::v1::ReceiveMessagesResponse& response) {
  Value out{Value::Fields()};
  if (response.messages().empty()) return out;
  Value::List messages;
  for (const queue::v1::ReceivedMessage& message : response.messages()) {
    messages.push_back(DecodeReceived(call, message));
  }
  out.Set("Messages", Value(std::move(messages)));
  return out;
}

MaybeError EncodeDeleteMessage(const Call& call, queue::v1::DeleteMessageRequest& request) {
  SetQueue(call, *request.mutable_queue());
  request.set_receipt_handle(call.input["ReceiptHandle"].text());
  return std::nullopt;
}
Value DecodeDeleteMessage(const Call&, const queue::v1::DeleteMessageResponse&) { return Value(); }

MaybeError EncodeDeleteMessageBatch(const Call& call, queue::v1::DeleteMessageBatchRequest& request) {
  SetQueue(call, *request.mutable_queue());
  for (const Value& parameters : call.input["Entries"].list()) {
    queue::v1::DeleteMessageBatchEntry& entry = *request.add_entries();
    entry.set_id(parameters["Id"].text());
    entry.set_receipt_handle(parameters["ReceiptHandle"].text());
  }
  return std::nullopt;
}
Value DecodeDeleteMessageBatch(const Call& call, const queue::v1::DeleteMessageBatchResponse& response) {
  return DecodeIds(call, response);
}

MaybeError EncodeChangeMessageVisibility(const Call& call, queue::v1::ChangeMessageVisibilityRequest& request) {
  SetQueue(call, *request.mutable_queue());
  request.set_receipt_handle(call.input["ReceiptHandle"].text());
  request.mutable_visibility_timeout()->set_seconds(call.input["VisibilityTimeout"].number());
  return std::nullopt;
}
Value DecodeChangeMessageVisibility(const Call&, const queue::v1::ChangeMessageVisibilityResponse&) { return Value(); }

MaybeError EncodeChangeMessageVisibilityBatch(const Call& call,
                                              queue::v1::ChangeMessageVisibilityBatchRequest& request) {
  SetQueue(call, *request.mutable_queue());
  for (const Value& parameters : call.input["Entries"].list()) {
    queue::v1::ChangeMessageVisibilityBatchEntry& entry = *request.add_entries();
    entry.set_id(parameters["Id"].text());
    entry.set_receipt_handle(parameters["ReceiptHandle"].text());
    if (const auto seconds = parameters.Number("VisibilityTimeout")) {
      entry.mutable_visibility_timeout()->set_seconds(*seconds);
    }
  }
  return std::nullopt;
}
Value DecodeChangeMessageVisibilityBatch(const Call& call,
                                         const queue::v1::ChangeMessageVisibilityBatchResponse& response) {
  return DecodeIds(call, response);
}

}  // namespace weir::gateway::sqs
