// What a JetStream server says about a message's place in its stream.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace weir::bench {

// The sequence number in the answer to a publish, {"stream":"S","seq":7}. INTERNAL with the answer
// if it is an error or anything else.
absl::StatusOr<uint64_t> SequenceOfPubAck(absl::string_view json);

// The sequence number in the reply subject of a message that a consumer was given,
// $JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<time>.<pending>.
// INTERNAL with the subject if it is not one.
absl::StatusOr<uint64_t> SequenceOfReplySubject(absl::string_view subject);

}  // namespace weir::bench
