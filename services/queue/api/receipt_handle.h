// The opaque proof of one receive of one message that clients hold.
//
// Base64url of a small protobuf and a checksum. The checksum tells a mangled handle from a real one; it is no secret, since whoever
// may call DeleteMessage on a queue may delete its messages anyway.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "services/queue/core/command.h"
#include "services/queue/core/types.h"

namespace weir::queue::api {

struct ReceiptHandle {
  core::ShardId shard;
  core::PartitionId partition;
  core::Receipt receipt;
};

std::string FormatReceiptHandle(const ReceiptHandle& handle);

// Nothing for text that FormatReceiptHandle did not make.
std::optional<ReceiptHandle> ParseReceiptHandle(absl::string_view text);

}  // namespace weir::queue::api
