#include "services/queue/core/shard_state.h"

#include <algorithm>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "services/queue/core/shard_impl.h"

namespace weir::queue::core {
namespace {

// Stale timers up to this number are not worth a pass.
constexpr size_t kStaleTimersSlack = 1'024;

}  // namespace

absl::Status QueueWasDeleted() {
  return MakeError(ErrorReason::kQueueDoesNotExist, "The queue was deleted.");
}

// ---- The way of a command -----------------------------------------------------------------------

Decision ShardState::Impl::Decide(RequestId request, const Command& command, Instant now) {
  now_ = std::max(now_, now);
  first_log_no_ = next_log_no;
  out_ = {};
  ApplyDue();
  std::visit([this, request](const auto& c) { Run(request, c); }, command);
  Settle();
  PruneTimers();
  return std::exchange(out_, {});
}

void ShardState::Impl::ApplyDue() {
  if (timers.empty() || timers.top().at > now_) return;
  while (!timers.empty() && timers.top().at <= now_) {
    const Timer timer = timers.top();
    timers.Pop();
    if (!IsStale(timer)) Apply(timer);
  }
  Settle();
}

void ShardState::Impl::Apply(const Timer& timer) {
  Partition& partition = *timer.partition;
  MarkDirty(partition);
  switch (timer.kind()) {
    case TimerKind::kMessage: {
      const MessageSeq seq(static_cast<int64_t>(timer.key));
      MakeReady(partition, seq, *partition.Find(seq));
      return;
    }
    case TimerKind::kWaiter:
      // Settle gives it what has become ready by now, else answers it.
      waiters.at(RequestId(static_cast<int64_t>(timer.key))).overdue = true;
      ++partition.overdue;
      return;
    case TimerKind::kSweep:
      partition.sweep_at = kNever;
      Sweep(partition);
      return;
    case TimerKind::kForgetting:
      ForgetDueIds(partition);
      return;
  }
}

bool ShardState::Impl::IsStale(const Timer& timer) const {
  switch (timer.kind()) {
    case TimerKind::kMessage: {
      const Message* message = timer.partition->Find(MessageSeq(static_cast<int64_t>(timer.key)));
      return message == nullptr || message->visible_at != timer.at ||
             (message->state != MessageState::kInFlight &&
              message->state != MessageState::kDelayed);
    }
    case TimerKind::kWaiter: {
      const auto it = waiters.find(RequestId(static_cast<int64_t>(timer.key)));
      return it == waiters.end() || it->second.overdue;
    }
    case TimerKind::kSweep:
      return timer.partition->sweep_at != timer.at;
    case TimerKind::kForgetting:
      return timer.partition->fifo == nullptr || timer.partition->fifo->forgetting_at != timer.at;
  }
  return true;
}

void ShardState::Impl::PruneTimers() {
  const size_t alive = static_cast<size_t>(timed_messages) + waiters.size() + 2 * partitions.size();
  if (timers.size() > 2 * alive + kStaleTimersSlack) {
    timers.Rebuild([this](const Timer& timer) { return IsStale(timer); });
  }
  // So that NextTimer names an instant at which something happens.
  while (!timers.empty() && IsStale(timers.top())) timers.Pop();
}

void ShardState::Impl::MarkDirty(Partition& partition) {
  if (partition.dirty) return;
  partition.dirty = true;
  dirty_.push_back(&partition);
}

void ShardState::Impl::Settle() {
  for (size_t i = 0; i < dirty_.size(); ++i) Settle(*dirty_[i]);
  for (Partition* partition : dirty_) partition->dirty = false;
  dirty_.clear();
}

void ShardState::Impl::Settle(Partition& partition) {
  partition.SetHorizon();
  if (partition.waiting > 0) ServeWaiters(partition);
  if (partition.overdue > 0 && !AwaitsFill(partition)) AnswerOverdue(partition);
  RequestReads(partition);
  partition.wants_fill = false;
  partition.Compact(now_);
}

Partition* ShardState::Impl::FindPartition(PartitionId id) {
  const auto it = partitions.find(id);
  return it == partitions.end() ? nullptr : it->second.get();
}

Partition& ShardState::Impl::GetPartition(PartitionId id, const ConfigPtr& config) {
  std::unique_ptr<Partition>& slot = partitions[id];
  if (slot == nullptr) slot = std::make_unique<Partition>(id, limits);
  Adopt(*slot, config);
  WEIR_CHECK(slot->config != nullptr, "a command without the queue's attributes");
  return *slot;
}

void ShardState::Impl::NoteDropped(PartitionId id) {
  if (!dropped.insert(id).second) return;
  dropped_order.PushBack(id);
  if (dropped_order.size() <= kMaxDropped) return;
  dropped.erase(dropped_order.front());
  dropped_order.PopFront();
}

void ShardState::Impl::Adopt(Partition& partition, const ConfigPtr& config) {
  if (config == nullptr || config == partition.config) return;
  if (partition.config != nullptr && config->version <= partition.config->version) return;
  const bool is_first = partition.config == nullptr;
  const bool retime =
      !is_first && config->fifo && config->delay != partition.config->delay;
  partition.config = config;
  if (is_first && config->fifo) partition.MakeFifo();
  if (is_first) RestoreIds(partition);
  if (retime) RetimeDelayed(partition);
  MarkDirty(partition);  // What had to move before it could be received may have to no more.
  ArmSweep(partition, partition.OldestSentAt());
}

void ShardState::Impl::Reply(RequestId request, core::Reply reply) {
  if (request == RequestId()) return;
  out_.replies.emplace_back(request, std::move(reply));
}

LogNo ShardState::Impl::TakeLogNo() {
  const LogNo taken = next_log_no;
  next_log_no = next_log_no.Next();
  return taken;
}

AppendEvent& ShardState::Impl::Append(EventKind kind, Partition& partition, MessageSeq seq) {
  out_.mutations.push_back(AppendEvent{.log_no = TakeLogNo(),
                                       .kind = kind,
                                       .partition = partition.id,
                                       .seq = seq,
                                       .at = ToTime(now_),
                                       .visible_at = absl::InfinitePast()});
  return std::get<AppendEvent>(out_.mutations.back());
}

// ---- Commands about a whole partition -----------------------------------------------------------

void ShardState::Impl::Run(RequestId request, const Purge& command) {
  Partition* partition = FindPartition(command.partition);
  Reply(request, PurgeReply{partition == nullptr ? 0 : RemoveAll(*partition)});
}

void ShardState::Impl::Run(RequestId request, const DropPartition& command) {
  NoteDropped(command.partition);
  Partition* partition = FindPartition(command.partition);
  if (partition == nullptr) return Reply(request, PurgeReply{0});
  const int64_t removed = RemoveAll(*partition);
  DropWaiters(*partition);
  timers.Rebuild([partition](const Timer& timer) { return timer.partition == partition; });
  dirty_.erase(std::remove(dirty_.begin(), dirty_.end(), partition), dirty_.end());
  partitions.erase(command.partition);
  Reply(request, PurgeReply{removed});
}

int64_t ShardState::Impl::RemoveAll(Partition& partition) {
  const bool has_ids = (partition.fifo != nullptr && !partition.fifo->deduplication.empty()) ||
                       recovered_ids.contains(partition.id);
  if (partition.empty() && !has_ids) return 0;
  ForgetAllIds(partition);
  const int64_t removed =
      static_cast<int64_t>(partition.messages().size()) + partition.backlog.count();
  Append(EventKind::kPurged, partition, MessageSeq(next_log_no.Previous().value()));
  for (const auto& [seq, message] : partition.messages()) AddLive(message.segment, -1);
  for (const auto& [segment, count] : partition.backlog.by_segment()) AddLive(segment, -count);
  timed_messages -= partition.delayed() + partition.in_flight();
  partition.Clear();
  if (partition.backlog.read.has_value()) partition.backlog.read->overtaken = true;
  MarkDirty(partition);
  return removed;
}

void ShardState::Impl::DropWaiters(Partition& partition) {
  for (const RequestId request : partition.waiters) {
    if (waiters.erase(request) == 0) continue;
    Reply(request, QueueWasDeleted());
  }
}

void ShardState::Impl::Run(RequestId, const Configure& command) {
  if (!IsDropped(command.partition)) GetPartition(command.partition, command.config);
}

void ShardState::Impl::Run(RequestId, const Tick&) {}

}  // namespace weir::queue::core
