#include "services/queue/engine/partitioning.h"

#include <algorithm>

#include "libs/base/hash.h"

namespace weir::queue::engine {

core::ShardId ShardOfPartition(absl::string_view arn, int32_t number, int shard_count) {
  const uint64_t shards = static_cast<uint64_t>(shard_count);
  const uint64_t first = StableHash(arn) % shards;
  return core::ShardId(static_cast<int32_t>((first + static_cast<uint64_t>(number)) % shards));
}

size_t PartitionOfGroup(absl::string_view message_group_id, size_t partitions) {
  return partitions == 1 ? 0 : MixBits(StableHash(message_group_id)) % partitions;
}

const core::PartitionAddress& PartitionOfTransfer(const store::QueueRecord& destination,
                                                  core::ShardId source_shard,
                                                  const core::TransferId& transfer,
                                                  absl::string_view message_group_id) {
  const auto& partitions = destination.partitions;
  if (destination.attributes.fifo) {
    return partitions[PartitionOfGroup(message_group_id, partitions.size())];
  }
  const auto end = partitions.begin() + destination.created_partitions;
  const auto beside = std::find_if(partitions.begin(), end, [source_shard](const auto& address) {
    return address.shard == source_shard;
  });
  if (beside != end) return *beside;
  const auto id = static_cast<uint64_t>(transfer.source_partition.value()) ^
                  MixBits(static_cast<uint64_t>(transfer.source_seq.value()));
  return partitions[MixBits(id) % static_cast<uint64_t>(destination.created_partitions)];
}

}  // namespace weir::queue::engine
