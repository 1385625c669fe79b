// Repeated sends to a FIFO queue.
//
// An id is remembered from the append of its message for five minutes, whatever becomes of the message. A message that comes by
// dead-lettering or redrive is never taken for a repeated one, but its id is remembered from then on: the rows that recovery finds
// do not tell the two apart, and so need not.
#include <algorithm>
#include <utility>

#include "services/queue/core/limits.h"
#include "services/queue/core/shard_impl.h"

namespace weir::queue::core {
namespace {

// Ids are forgotten in lots, so that a busy queue does not set a timer for each. One that is late is not found any more.
constexpr absl::Duration kForgettingInterval = absl::Seconds(1);

}  // namespace

const Deduplication::Entry* ShardState::Impl::FindDuplicate(const Partition& partition,
                                                            const MessageContent& content) const {
  if (partition.fifo == nullptr || content.deduplication_id.empty()) return nullptr;
  return partition.fifo->deduplication.Find(
      KeyOf(partition.config->deduplication_scope, content.message_group_id,
            content.deduplication_id),
      now_);
}

void ShardState::Impl::RememberId(Partition& partition, const MessageContent& content,
                                  MessageSeq seq, SegmentNo segment) {
  if (content.deduplication_id.empty()) return;
  AddLive(segment, 1);
  ++ids_in_segment[segment];
  Remember(partition,
           KeyOf(partition.config->deduplication_scope, content.message_group_id,
                 content.deduplication_id),
           {.seq = seq,
            .segment = segment,
            .until = now_ + kDeduplicationWindow,
            .message_id = PackMessageId(content.message_id)});
}

void ShardState::Impl::Remember(Partition& partition, const DeduplicationKey& key,
                                const Deduplication::Entry& entry) {
  const auto replaced = partition.fifo->deduplication.Remember(key, entry);
  if (replaced.has_value()) NoteForgotten(*replaced);
  ArmForgetting(partition);
}

void ShardState::Impl::NoteForgotten(const Deduplication::Entry& entry) {
  AddLive(entry.segment, -1);
  const auto it = ids_in_segment.find(entry.segment);
  if (--it->second == 0) ids_in_segment.erase(it);
}

void ShardState::Impl::ArmForgetting(Partition& partition) {
  FifoState& fifo = *partition.fifo;
  if (fifo.forgetting_at != kNever || fifo.deduplication.empty()) return;
  fifo.forgetting_at = fifo.deduplication.NextEnd() + kForgettingInterval;
  timers.Push({fifo.forgetting_at, TimerKind::kForgetting, partition.id.value(), &partition});
}

void ShardState::Impl::ForgetDueIds(Partition& partition) {
  partition.fifo->forgetting_at = kNever;
  while (const auto entry = partition.fifo->deduplication.ForgetOne(now_)) NoteForgotten(*entry);
  ArmForgetting(partition);
}

void ShardState::Impl::ForgetAllIds(Partition& partition) {
  if (partition.fifo != nullptr) {
    partition.fifo->deduplication.ForEach(
        [this](const Deduplication::Entry& entry) { NoteForgotten(entry); });
    partition.fifo->deduplication.Clear();
  }
  const auto recovered = recovered_ids.find(partition.id);
  if (recovered == recovered_ids.end()) return;
  for (const RecoveredId& id : recovered->second) NoteForgotten(id.entry);
  recovered_ids.erase(recovered);
}

void ShardState::Impl::RestoreIds(Partition& partition) {
  const auto recovered = recovered_ids.find(partition.id);
  if (recovered == recovered_ids.end()) return;
  if (partition.fifo == nullptr) return ForgetAllIds(partition);
  std::vector<RecoveredId> ids = std::move(recovered->second);
  recovered_ids.erase(recovered);
  std::sort(ids.begin(), ids.end(), [](const RecoveredId& a, const RecoveredId& b) {
    return std::pair(a.entry.until, a.entry.seq) < std::pair(b.entry.until, b.entry.seq);
  });
  const bool by_group =
      partition.config->deduplication_scope == DeduplicationScope::kMessageGroup;
  for (const RecoveredId& id : ids) {
    Remember(partition, by_group ? id.by_group : id.by_queue, id.entry);
  }
}

}  // namespace weir::queue::core
