// What can be asked of a shard.
#include <algorithm>
#include <utility>

#include "services/queue/core/shard_impl.h"
#include "services/queue/core/shard_state.h"

namespace weir::queue::core {
namespace {

// The groups with names above `after`, at most `limit`, in the order of their names.
template <typename Group>
std::vector<GroupNo> NamesAbove(const GroupTable<Group>& table, absl::string_view after,
                                size_t limit) {
  std::vector<std::pair<absl::string_view, GroupNo>> named;
  table.ForEach([&](GroupNo number, const Group& group) {
    // A status must be told apart from "from the start", so a group without a name comes only there.
    if (after.empty() || group.name > after) named.emplace_back(group.name, number);
  });
  const size_t count = std::min(limit, named.size());
  std::partial_sort(named.begin(), named.begin() + static_cast<std::ptrdiff_t>(count), named.end());
  std::vector<GroupNo> numbers;
  for (size_t i = 0; i < count; ++i) numbers.push_back(named[i].second);
  return numbers;
}

template <typename Group>
GroupStatus StatusFrom(const Group& group) {
  const auto count = [&](MessageState state) { return group.counts[static_cast<size_t>(state)]; };
  return {.group = group.name,
          .ready = count(MessageState::kReady),
          .in_flight = count(MessageState::kInFlight) + count(MessageState::kMoving),
          .delayed = count(MessageState::kDelayed)};
}

GroupStatus StatusOf(const Partition& partition, const FifoGroups::Group& group) {
  GroupStatus status = StatusFrom(group);
  for (const auto& [seq, state] : group.messages) {
    if (state == MessageState::kReady) continue;
    const Message& message = partition.messages().at(seq);
    GroupStatus::Blocker blocker{.seq = seq,
                                 .until = ToTime(message.visible_at),
                                 .receive_count = message.receive_count,
                                 .consumer = partition.fifo->groups.ConsumerOf(seq)};
    if (message.leased_at != kLongAgo) blocker.since = ToTime(message.leased_at);
    if (state == MessageState::kMoving) blocker.until = absl::InfiniteFuture();
    status.blocker = std::move(blocker);
    break;
  }
  return status;
}

}  // namespace

PartitionStats ShardState::Impl::StatsOf(Partition& partition) const {
  PartitionStats stats{.ready = partition.ready() + partition.backlog.count(),
                       .in_flight = partition.in_flight() + partition.moving(),
                       .delayed = partition.delayed(),
                       .waiting_receives = partition.waiting,
                       .sent = partition.totals.sent,
                       .received = partition.totals.received,
                       .deleted = partition.totals.deleted,
                       .dead_lettered = partition.totals.dead_lettered,
                       .expired = partition.totals.expired};
  if (partition.fifo != nullptr) {
    stats.blocked = partition.fifo->groups.blocked();
    stats.groups = static_cast<int64_t>(partition.fifo->groups.table().size());
  } else if (partition.fair != nullptr) {
    stats.groups = static_cast<int64_t>(partition.fair->table().size());
  }
  const Instant oldest = partition.OldestSentAt();
  if (oldest != kNever) stats.oldest_sent_at = ToTime(oldest);
  return stats;
}

ShardState::ShardState(LogNo next_log_no, SegmentNo active_segment, const ShardLimits& limits)
    : impl_(std::make_unique<Impl>(next_log_no, active_segment, limits)) {}
ShardState::~ShardState() = default;
ShardState::ShardState(ShardState&&) noexcept = default;
ShardState& ShardState::operator=(ShardState&&) noexcept = default;

Decision ShardState::Decide(RequestId request, const Command& command, absl::Time now) {
  return impl_->Decide(request, command, ToInstant(now));
}

absl::Time ShardState::NextTimer() const {
  return impl_->timers.empty() ? absl::InfiniteFuture() : ToTime(impl_->timers.top().at);
}

void ShardState::StartSegment(SegmentNo segment) { impl_->active_segment = segment; }

LogNo ShardState::next_log_no() const { return impl_->next_log_no; }

SegmentNo ShardState::active_segment() const { return impl_->active_segment; }

int64_t ShardState::LiveInSegment(SegmentNo segment) const {
  const auto it = impl_->live_in_segment.find(segment);
  return it == impl_->live_in_segment.end() ? 0 : it->second;
}

int64_t ShardState::DeduplicationsInSegment(SegmentNo segment) const {
  const auto it = impl_->ids_in_segment.find(segment);
  return it == impl_->ids_in_segment.end() ? 0 : it->second;
}

std::vector<GroupStatus> ShardState::Groups(PartitionId partition, absl::string_view after_group,
                                            size_t limit) const {
  const Partition* found = impl_->FindPartition(partition);
  std::vector<GroupStatus> statuses;
  if (found == nullptr || limit == 0) return statuses;
  if (found->fifo != nullptr) {
    const FifoGroups& groups = found->fifo->groups;
    for (const GroupNo group : NamesAbove(groups.table(), after_group, limit)) {
      statuses.push_back(StatusOf(*found, groups.table()[group]));
    }
  } else if (found->fair != nullptr) {
    for (const GroupNo group : NamesAbove(found->fair->table(), after_group, limit)) {
      const FairGroups::Group& tenant = found->fair->table()[group];
      statuses.push_back(StatusFrom(tenant));
      statuses.back().noisy = found->fair->IsNoisy(tenant, found->in_flight(), impl_->now_);
    }
  }
  return statuses;
}

PartitionStats& PartitionStats::operator+=(const PartitionStats& other) {
  ready += other.ready;
  in_flight += other.in_flight;
  delayed += other.delayed;
  if (other.oldest_sent_at.has_value()) {
    oldest_sent_at = std::min(oldest_sent_at.value_or(absl::InfiniteFuture()), *other.oldest_sent_at);
  }
  waiting_receives += other.waiting_receives;
  blocked += other.blocked;
  groups += other.groups;
  sent += other.sent;
  received += other.received;
  deleted += other.deleted;
  dead_lettered += other.dead_lettered;
  expired += other.expired;
  return *this;
}

PartitionStats ShardState::Stats(PartitionId partition) const {
  Partition* found = impl_->FindPartition(partition);
  return found == nullptr ? PartitionStats{} : impl_->StatsOf(*found);
}

std::vector<PartitionId> ShardState::Partitions() const {
  std::vector<PartitionId> ids;
  ids.reserve(impl_->partitions.size());
  for (const auto& [id, partition] : impl_->partitions) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace weir::queue::core
