#include "services/queue/api/receipt_handle.h"

#include <zlib.h>

#include <cstring>

#include "absl/strings/escaping.h"
#include "weir/internal/token/v1/receipt_handle.pb.h"

namespace weir::queue::api {
namespace {

constexpr size_t kChecksumBytes = 4;

uint32_t Checksum(absl::string_view data) {
  return static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())));
}

}  // namespace

std::string FormatReceiptHandle(const ReceiptHandle& handle) {
  internal::token::v1::ReceiptHandle token;
  token.set_shard(handle.shard.value());
  token.set_partition_id(handle.partition.value());
  token.set_seq(handle.receipt.seq.value());
  token.set_receive_count(handle.receipt.receive_count);
  std::string bytes = token.SerializeAsString();
  const uint32_t checksum = Checksum(bytes);
  bytes.append(reinterpret_cast<const char*>(&checksum), kChecksumBytes);
  return absl::WebSafeBase64Escape(bytes);
}

std::optional<ReceiptHandle> ParseReceiptHandle(absl::string_view text) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(text, &bytes) || bytes.size() <= kChecksumBytes) {
    return std::nullopt;
  }
  const absl::string_view body(bytes.data(), bytes.size() - kChecksumBytes);
  uint32_t checksum = 0;
  std::memcpy(&checksum, bytes.data() + body.size(), kChecksumBytes);
  if (checksum != Checksum(body)) return std::nullopt;
  internal::token::v1::ReceiptHandle token;
  if (!token.ParseFromArray(body.data(), static_cast<int>(body.size()))) return std::nullopt;
  return ReceiptHandle{core::ShardId(token.shard()),
                       core::PartitionId(token.partition_id()),
                       {core::MessageSeq(token.seq()), token.receive_count()}};
}

}  // namespace weir::queue::api
