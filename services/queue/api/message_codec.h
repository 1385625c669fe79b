// Messages between the wire and the core: validation, the envelope that is stored, digests.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/repeated_field.h"
#include "services/queue/core/decision.h"
#include "services/queue/core/types.h"
#include "services/queue/store/queue_store.h"
#include "weir/internal/store/v1/message_envelope.pb.h"
#include "weir/queue/v1/message.pb.h"

namespace weir::queue::api {

// MD5s cost as much as everything else that the codec does; streams may go without.
enum class Digests { kComputed, kOmitted };

// Body plus names, types and values of the attributes.
size_t MessageBytes(const v1::OutgoingMessage& message);

// OK, or what is wrong with the message for a queue with these attributes.
absl::Status CheckMessage(const v1::OutgoingMessage& message, const store::QueueAttributes& queue);

// Gives a message its id and makes it what is stored in a queue with these attributes; fills in the answer to its sender.
// REQUIRES: CheckMessage said OK.
core::ContentPtr EncodeMessage(const v1::OutgoingMessage& message,
                               const store::QueueAttributes& queue, absl::string_view sender_id,
                               v1::SentMessage& sent, Digests digests = Digests::kComputed);

// 20 digits.
std::string SequenceNumber(core::MessageSeq seq);

// Fills in a received message but for its receipt handle, with the attributes that `attribute_names` selects as
// ReceiveMessagesRequest says. `account` is the sender of messages that do not name one. A message with a deduplication id is one of
// a FIFO queue, so it has a sequence number.
void DecodeMessage(const core::ReceivedMessage& received,
                   const google::protobuf::RepeatedPtrField<std::string>& attribute_names,
                   absl::string_view account, v1::ReceivedMessage& out,
                   Digests digests = Digests::kComputed);

// MD5 over attributes as SQS defines it. Empty for no attributes.
// REQUIRES: they are sorted by name.
std::string AttributesMd5(
    const google::protobuf::RepeatedPtrField<internal::store::v1::MessageAttribute>& attributes);

}  // namespace weir::queue::api
