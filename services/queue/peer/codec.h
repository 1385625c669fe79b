// What travels between replicas, as protobuf and back. Pure: no thread, no clock, no gRPC.
//
// Commands that never travel, because only the owner of a shard gives them to it, are refused with INTERNAL: CancelReceive (a frame
// of its own), Configure (each replica configures its own shards by its list of queues), Refill, CopyForward, Tick (answers to the
// shard's own effects), and MoveWithinShard (an effect's execution: when its shard has moved, the effect is void, too).
//
// Decoding trusts nothing: whatever the bytes are, the result is a command or reply whose fields the core can work with, or
// INVALID_PARAMETER_VALUE. It moves strings out of what it decodes.
//
// The proto's comment says which clock each instant is in. `now` is this machine's wall time.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/queue/core/command.h"
#include "services/queue/core/decision.h"
#include "services/queue/engine/shard_query.h"
#include "weir/internal/peer/v1/peer_service.pb.h"

namespace weir::queue::peer {

namespace v1 = ::weir::internal::peer::v1;

absl::Status EncodeCommand(const core::Command& command, absl::Time now, v1::Command& out);
absl::StatusOr<core::Command> DecodeCommand(v1::Command&& command, absl::Time now);

void EncodeReply(const core::Reply& reply, v1::Reply& out);
absl::StatusOr<core::Reply> DecodeReply(v1::Reply&& reply);

// Without the deadline.
void EncodeQuery(const engine::ShardQuery& query, v1::Query& out);
absl::StatusOr<engine::ShardQuery> DecodeQuery(const v1::Query& query);

void EncodeAnswer(const engine::ShardAnswer& answer, v1::Answer& out);
absl::StatusOr<engine::ShardAnswer> DecodeAnswer(v1::Answer&& answer);

// Code, message, reason and metadata. A status whose reason this version does not know keeps code and message; one that claims to be
// OK is INTERNAL.
void EncodeStatus(const absl::Status& status, v1::Status& out);
absl::Status DecodeStatus(const v1::Status& status);

// Instants of this machine, as the duration until then and back; the past is 0.
int64_t EncodeDeadline(absl::Time deadline, absl::Time now);
absl::Time DecodeDeadline(int64_t for_ns, absl::Time now);

}  // namespace weir::queue::peer
