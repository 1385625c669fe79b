// Reads of the backlog, and retention: a message is gone once its sent_at + retention has come.
//
// An expired message is never delivered: it is looked at when its turn comes (FrontLiveReady), found
// (FindLive) or read (Refill). Besides, sweeps count out what nobody asks for. Every expiry is
// recorded by an event: if the queue's retention is raised later, a message that was told to be
// gone must not come back with the next restart.
#include <algorithm>
#include <tuple>
#include <utility>

#include "libs/base/check.h"
#include "services/queue/core/limits.h"
#include "services/queue/core/shard_impl.h"

namespace weir::queue::core {

using Purpose = Backlog::Read::Purpose;

void ShardState::Impl::Run(RequestId, const Refill& command) {
  Partition* partition = FindPartition(command.partition);
  if (partition == nullptr) return;
  Backlog& backlog = partition->backlog;
  // Not what is asked for now: the partition was dropped and came again meanwhile.
  if (!backlog.read.has_value() || backlog.read->from != command.from) return;
  const Backlog::Read read = *backlog.read;
  backlog.read.reset();
  MarkDirty(*partition);
  if (read.overtaken) return;  // Settle asks anew where that is still needed.
  if (read.purpose == Purpose::kFill) {
    Fill(*partition, command);
    // Quiet groups may stand behind what a noisy one has in the store.
    if (partition->fair != nullptr && partition->fair->HasNoisyTurn()) partition->wants_fill = true;
  } else if (backlog.sweep.has_value()) {
    ContinueSweep(*partition, command);
  }
  WEIR_CHECK(backlog.empty() || backlog.from().value() < next_log_no.value(),
             "the store does not have all messages that it was given");
}

void ShardState::Impl::Fill(Partition& partition, const Refill& command) {
  Backlog& backlog = partition.backlog;
  Instant last = kLongAgo;
  for (const MessageMeta& meta : command.messages) {
    if (!backlog.Contains(meta.seq)) continue;  // It says nothing of the order of those that are.
    FillOne(partition, meta);
    last = ToInstant(meta.sent_at);
  }
  backlog.AdvanceTo(command.scanned_to);
  partition.SetHorizon();
  if (!backlog.empty() && backlog.in_order()) {
    backlog.RaiseOldest(std::max(backlog.oldest_sent_at(), last));
  }
}

void ShardState::Impl::FillOne(Partition& partition, const MessageMeta& meta) {
  if (IsExpired(partition, ToInstant(meta.sent_at))) return ExpireUntouched(partition, meta);
  partition.backlog.TakeOut(meta.seq, meta.segment);
  AddExplicit(partition, meta.seq,
              {.sent_at = ToInstant(meta.sent_at),
               .visible_at = ToInstant(meta.visible_at),
               .receive_count = meta.receive_count,
               .segment = meta.segment},
              meta.message_group_id);
  // A sweep of the backlog that is under way will not find it any more.
  ArmSweep(partition, ToInstant(meta.sent_at));
}

void ShardState::Impl::ContinueSweep(Partition& partition, const Refill& command) {
  Backlog& backlog = partition.backlog;
  // As long as everything from the front on is expired, the front itself moves, and memory keeps no
  // trace.
  bool leading = command.from == backlog.from();
  for (const MessageMeta& meta : command.messages) {
    if (!backlog.Contains(meta.seq)) continue;
    const Instant sent_at = ToInstant(meta.sent_at);
    if (IsExpired(partition, sent_at)) {
      ExpireUntouched(partition, meta);
      if (backlog.empty()) return;
      continue;
    }
    if (leading) backlog.AdvanceTo(meta.seq);
    leading = false;
    if (backlog.in_order()) return EndSweep(partition, sent_at);
    backlog.sweep->oldest_survivor = std::min(backlog.sweep->oldest_survivor, sent_at);
  }
  if (leading) backlog.AdvanceTo(command.scanned_to);
  backlog.sweep->next = command.scanned_to;
  if (command.messages.empty()) {
    EndSweep(partition, std::min(backlog.sweep->oldest_survivor, backlog.sweep->oldest_appended));
  }
}

void ShardState::Impl::EndSweep(Partition& partition, Instant oldest) {
  partition.backlog.sweep.reset();
  partition.backlog.RaiseOldest(oldest);
  ArmSweep(partition, oldest);
}

void ShardState::Impl::ExpireUntouched(Partition& partition, const MessageMeta& meta) {
  Append(EventKind::kExpired, partition, meta.seq);
  partition.backlog.TakeOut(meta.seq, meta.segment);
  AddLive(meta.segment, -1);
  ++partition.totals.expired;
}

void ShardState::Impl::RequestReads(Partition& partition) {
  Backlog& backlog = partition.backlog;
  if (backlog.read.has_value() || backlog.empty()) return;
  bool low = static_cast<size_t>(partition.receivable()) <= limits.refill_below;
  // Of groups that are blocked or noisy only so many are looked through for others.
  if (partition.fifo != nullptr || partition.fair != nullptr) low = low && !partition.IsSearchedThrough();
  if (low && (partition.wants_fill || partition.waiting > 0)) {
    RequestRead(partition, Purpose::kFill, backlog.from());
  } else if (backlog.sweep.has_value()) {
    RequestRead(partition, Purpose::kSweep, std::max(backlog.sweep->next, backlog.from()));
  }
}

void ShardState::Impl::RequestRead(Partition& partition, Purpose purpose, MessageSeq from) {
  partition.backlog.read = Backlog::Read{.purpose = purpose, .from = from};
  out_.effects.push_back(
      NeedRefill{.partition = partition.id, .from = from, .to_fill = purpose == Purpose::kFill});
}

bool ShardState::Impl::IsExpired(const Partition& partition, Instant sent_at) const {
  return partition.config != nullptr && sent_at + partition.config->retention <= now_;
}

Message* ShardState::Impl::FindLive(Partition& partition, MessageSeq seq) {
  Message* message = partition.Find(seq);
  if (message == nullptr || message->state == MessageState::kMoving ||
      !IsExpired(partition, message->sent_at)) {
    return message;
  }
  Expire(partition, seq, *message);
  return nullptr;
}

void ShardState::Impl::Expire(Partition& partition, MessageSeq seq, const Message& message) {
  Append(EventKind::kExpired, partition, seq);
  Remove(partition, seq, message);
  ++partition.totals.expired;
}

void ShardState::Impl::Sweep(Partition& partition) {
  partition.last_sweep = now_;
  auto [sent_at, seq] = partition.Oldest();
  for (int i = 0; i < kMaxExpiredPerSweep && IsExpired(partition, sent_at); ++i) {
    Expire(partition, seq, *partition.Find(seq));
    std::tie(sent_at, seq) = partition.Oldest();
  }
  ArmSweep(partition, sent_at);
  SweepBacklog(partition);
}

void ShardState::Impl::SweepBacklog(Partition& partition) {
  Backlog& backlog = partition.backlog;
  if (backlog.sweep.has_value()) return;  // Its end arms the next one.
  const Instant allowed_at =
      backlog.in_order() ? kLongAgo : backlog.last_deep_sweep + kDeepSweepInterval;
  if (allowed_at > now_) {
    if (!backlog.empty()) ArmSweepAt(partition, allowed_at);
  } else if (IsExpired(partition, backlog.oldest_sent_at())) {
    if (!backlog.in_order()) backlog.last_deep_sweep = now_;
    backlog.sweep = Backlog::Sweep{.next = backlog.from()};
  } else {
    ArmSweep(partition, backlog.oldest_sent_at());
  }
}

void ShardState::Impl::ArmSweep(Partition& partition, Instant sent_at) {
  if (partition.config == nullptr || sent_at == kNever) return;
  ArmSweepAt(partition, std::max(sent_at + partition.config->retention,
                                 partition.last_sweep + kExpirySweepInterval));
}

void ShardState::Impl::ArmSweepAt(Partition& partition, Instant due) {
  if (due >= partition.sweep_at) return;
  partition.sweep_at = due;
  timers.Push({due, TimerKind::kSweep, partition.id.value(), &partition});
}

}  // namespace weir::queue::core
