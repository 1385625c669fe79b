// Looking at messages without receiving them.
//
// Explicit messages stand in a table without order, so a page costs one pass over the table, and
// memory for no more than the page.
#include <algorithm>
#include <utility>
#include <vector>

#include "services/queue/core/shard_impl.h"
#include "services/queue/core/shard_state.h"

namespace weir::queue::core {
namespace {

BrowsedMessage::State StateOf(const Message& message) {
  switch (message.state) {
    case MessageState::kReady:
      return BrowsedMessage::State::kReady;
    case MessageState::kDelayed:
      return BrowsedMessage::State::kDelayed;
    case MessageState::kInFlight:
    case MessageState::kMoving:
      break;
  }
  return BrowsedMessage::State::kInFlight;
}

bool Wants(const BrowseFilter& filter, BrowsedMessage::State state) {
  switch (state) {
    case BrowsedMessage::State::kReady:
      return filter.ready;
    case BrowsedMessage::State::kDelayed:
      return filter.delayed;
    case BrowsedMessage::State::kInFlight:
      return filter.in_flight;
  }
  return false;
}

}  // namespace

BrowsePage ShardState::Impl::BrowseIn(Partition& partition, MessageSeq after, size_t limit,
                                      const BrowseFilter& filter) const {
  std::vector<std::pair<MessageSeq, const Message*>> lowest;  // heap, the highest seq on top
  BrowsePage page{.complete = true};
  for (const auto& [seq, message] : partition.messages()) {
    if (seq <= after || !Wants(filter, StateOf(message))) continue;
    if (message.state != MessageState::kMoving && IsExpired(partition, message.sent_at)) continue;
    if (lowest.size() == limit) {
      page.complete = false;
      if (seq > lowest.front().first) continue;
      std::pop_heap(lowest.begin(), lowest.end());
      lowest.pop_back();
    }
    lowest.emplace_back(seq, &message);
    std::push_heap(lowest.begin(), lowest.end());
  }
  std::sort_heap(lowest.begin(), lowest.end());
  page.messages.reserve(lowest.size());
  for (const auto& [seq, message] : lowest) {
    page.messages.push_back({MetaOf(seq, *message), StateOf(*message)});
  }
  if (filter.ready && !partition.backlog.empty()) {
    page.untouched_from = std::max(partition.backlog.from(), after.Next());
  }
  return page;
}

BrowsePage ShardState::Browse(PartitionId partition, MessageSeq after, size_t limit,
                              const BrowseFilter& filter) const {
  Partition* found = impl_->FindPartition(partition);
  if (found == nullptr || limit == 0) return {.complete = found == nullptr};
  return impl_->BrowseIn(*found, after, limit, filter);
}

bool ShardState::IsUntouched(PartitionId partition, const MessageMeta& meta) const {
  Partition* found = impl_->FindPartition(partition);
  return found != nullptr && found->backlog.Contains(meta.seq) &&
         !impl_->IsExpired(*found, ToInstant(meta.sent_at));
}

}  // namespace weir::queue::core
