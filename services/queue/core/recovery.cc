// Rebuilds a shard's state from its rows.
//
// A row says how a message stood when the row was written; events with a higher log number say what
// happened since. A message that no event speaks of, that was never received here and is not
// delayed, becomes part of the backlog: only counted.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/queue/core/instant.h"
#include "services/queue/core/limits.h"
#include "services/queue/core/partition.h"
#include "services/queue/core/shard_impl.h"
#include "services/queue/core/shard_state.h"

namespace weir::queue::core {
namespace {

// What the events say of one message. Log number 0: there was no such event.
struct Told {
  LogNo first_lease;
  Instant first_leased_at = kLongAgo;
  LogNo lease;  // the newest
  Instant leased_at = kLongAgo;
  Instant leased_until = kLongAgo;
  int32_t receive_count = 0;
  LogNo change;  // the newest change of visibility
  Instant visible_at = kLongAgo;
  bool gone = false;
};

struct Accepted {
  LogNo log_no;  // the newest record of it
  Acceptance acceptance;
};

// The messages of one partition, as they are found.
struct Found {
  struct Touched {
    MessageSeq seq;
    Message message;
    std::string group;
  };
  std::vector<Touched> touched;
  std::vector<MessageSeq> gone;  // of which there is still a row
  std::vector<RecoveredId> ids;
  // The untouched ones.
  int64_t count = 0;
  MessageSeq from = Backlog::kNowhere;
  Instant oldest = kNever;
  Instant newest = kLongAgo;
  MessageSeq last_seq;
  bool in_order = true;
  std::vector<std::pair<SegmentNo, int64_t>> by_segment;
};

void ApplyLease(const AppendEvent& event, Told& told) {
  const Instant at = ToInstant(event.at);
  if (told.first_lease == LogNo() || event.log_no < told.first_lease) {
    told.first_lease = event.log_no;
    told.first_leased_at = at;
  }
  if (event.log_no < told.lease) return;
  told.lease = event.log_no;
  told.leased_at = at;
  told.leased_until = ToInstant(event.visible_at);
  told.receive_count = event.receive_count;
}

void ApplyChange(const AppendEvent& event, Told& told) {
  if (event.log_no < told.change) return;
  told.change = event.log_no;
  told.visible_at = ToInstant(event.visible_at);
}

Message FromRow(const MessageMeta& meta) {
  Message message{.sent_at = ToInstant(meta.sent_at),
                  .visible_at = ToInstant(meta.visible_at),
                  .receive_count = meta.receive_count,
                  .segment = meta.segment};
  if (meta.first_received_at.has_value()) {
    // A newer receive is told by an event, also when the row was copied forward after it.
    message.first_received_at = ToInstant(*meta.first_received_at);
    message.leased_at = message.first_received_at;
  }
  return message;
}

// Events up to `row` are part of what the row says.
void ApplyTold(const Told& told, LogNo row, Message& message) {
  if (told.lease > row) {
    message.receive_count = told.receive_count;
    message.leased_at = told.leased_at;
    message.visible_at = told.leased_until;
    if (message.first_received_at == kLongAgo) message.first_received_at = told.first_leased_at;
  }
  if (told.change > row && told.change > told.lease) message.visible_at = told.visible_at;
}

MessageState StateAt(const Message& message, Instant now) {
  if (message.visible_at <= now) return MessageState::kReady;
  return message.leased_at == kLongAgo ? MessageState::kDelayed : MessageState::kInFlight;
}

void CountUntouched(const MessageMeta& meta, Found& found) {
  const Instant sent_at = ToInstant(meta.sent_at);
  // Rows that come out of order say nothing of the order of the whole, so the order is doubted.
  found.in_order = found.in_order && meta.seq > found.last_seq && sent_at >= found.newest;
  found.last_seq = meta.seq;
  found.from = std::min(found.from, meta.seq);
  found.oldest = std::min(found.oldest, sent_at);
  found.newest = std::max(found.newest, sent_at);
  ++found.count;
  for (auto& [segment, count] : found.by_segment) {
    if (segment != meta.segment) continue;
    ++count;
    return;
  }
  found.by_segment.emplace_back(meta.segment, 1);
}

// An id that is still remembered, whatever has become of its message.
void NoteId(const MessageMeta& meta, Instant now, Found& found) {
  const Instant until = ToInstant(meta.sent_at) + kDeduplicationWindow;
  if (until <= now) return;
  const std::string& id = meta.deduplication->deduplication_id;
  found.ids.push_back(
      {.by_queue = KeyOf(DeduplicationScope::kQueue, meta.message_group_id, id),
       .by_group = KeyOf(DeduplicationScope::kMessageGroup, meta.message_group_id, id),
       .entry = {.seq = meta.seq,
                 .segment = meta.segment,
                 .until = until,
                 .message_id = PackMessageId(meta.deduplication->message_id)}});
}

}  // namespace

struct RecoveryBuilder::Impl {
  LogNo next_log_no;
  SegmentNo active_segment;
  Instant now;
  ShardLimits limits;
  absl::flat_hash_map<MessageSeq, Told> told;
  absl::flat_hash_map<PartitionId, MessageSeq> purged_to;
  absl::flat_hash_map<TransferId, Accepted> accepted;
  struct Forgotten {
    LogNo log_no;
    Instant at;
  };
  absl::flat_hash_map<TransferId, Forgotten> forgotten;
  absl::flat_hash_map<PartitionId, Found> found;

  void RecordAcceptance(const TransferId& transfer, LogNo log_no, const Acceptance& acceptance) {
    Accepted& known = accepted[transfer];
    if (log_no > known.log_no) known = {log_no, acceptance};
  }
  void BuildPartition(PartitionId id, Found& found, ShardState::Impl& shard);
  void BuildAcceptances(ShardState::Impl& shard);
};

RecoveryBuilder::RecoveryBuilder(LogNo next_log_no, SegmentNo active_segment, absl::Time now,
                                 const ShardLimits& limits)
    : impl_(std::make_unique<Impl>()) {
  impl_->next_log_no = next_log_no;
  impl_->active_segment = active_segment;
  impl_->now = ToInstant(now);
  impl_->limits = limits;
}
RecoveryBuilder::~RecoveryBuilder() = default;

void RecoveryBuilder::AddEvent(SegmentNo segment, const AppendEvent& event) {
  switch (event.kind) {
    case EventKind::kLeased:
      return ApplyLease(event, impl_->told[event.seq]);
    case EventKind::kVisibilityChanged:
      return ApplyChange(event, impl_->told[event.seq]);
    case EventKind::kAcked:
    case EventKind::kMoved:
    case EventKind::kExpired:
      impl_->told[event.seq].gone = true;
      return;
    case EventKind::kPurged: {
      MessageSeq& purged_to = impl_->purged_to[event.partition];
      purged_to = std::max(purged_to, event.seq);
      return;
    }
    case EventKind::kTransferAccepted:
      return impl_->RecordAcceptance(*event.transfer, event.log_no,
                                     {event.partition, event.seq, segment, ToInstant(event.at)});
    case EventKind::kTransferForgotten: {
      Impl::Forgotten& forgotten = impl_->forgotten[*event.transfer];
      if (event.log_no > forgotten.log_no) forgotten = {event.log_no, ToInstant(event.at)};
      return;
    }
  }
}

void RecoveryBuilder::AddMessage(PartitionId partition, LogNo log_no, const MessageMeta& meta) {
  if (meta.transfer.has_value()) {
    // Also of a message that is gone: its transfer may still be repeated.
    impl_->RecordAcceptance(*meta.transfer, log_no,
                            {partition, meta.seq, meta.segment, ToInstant(meta.sent_at)});
  }
  const auto purged = impl_->purged_to.find(partition);
  if (purged != impl_->purged_to.end() && meta.seq <= purged->second) return;
  Found& found = impl_->found[partition];
  if (meta.deduplication != nullptr) NoteId(meta, impl_->now, found);
  Message message = FromRow(meta);
  if (const auto told = impl_->told.find(meta.seq); told != impl_->told.end()) {
    if (told->second.gone) {
      found.gone.push_back(meta.seq);
      return;
    }
    ApplyTold(told->second, log_no, message);
  }
  message.state = StateAt(message, impl_->now);
  if (message.leased_at == kLongAgo && message.state == MessageState::kReady) {
    CountUntouched(meta, found);
  } else {
    found.touched.push_back({meta.seq, message, meta.message_group_id});
  }
}

void RecoveryBuilder::Impl::BuildPartition(PartitionId id, Found& found, ShardState::Impl& shard) {
  if (found.touched.empty() && found.count == 0 && found.ids.empty()) return;
  std::unique_ptr<Partition>& partition = shard.partitions[id];
  partition = std::make_unique<Partition>(id, shard.limits);
  if (found.count > 0) {
    partition->backlog.Restore(found.count, found.from, found.oldest, found.newest, found.in_order,
                               found.by_segment);
  }
  for (const MessageSeq seq : found.gone) partition->backlog.NoteTouchedAhead(seq);
  // Those that have been visible for longest are received first.
  std::sort(found.touched.begin(), found.touched.end(), [](const auto& a, const auto& b) {
    return std::pair(a.message.visible_at, a.seq) < std::pair(b.message.visible_at, b.seq);
  });
  for (const auto& [seq, message, group] : found.touched) {
    partition->backlog.NoteTouchedAhead(seq);
    shard.AddExplicit(*partition, seq, message, group);
    shard.AddLive(message.segment, 1);
  }
  for (const auto& [segment, count] : found.by_segment) shard.AddLive(segment, count);
  for (const RecoveredId& id : found.ids) {
    shard.AddLive(id.entry.segment, 1);
    ++shard.ids_in_segment[id.entry.segment];
  }
  if (!found.ids.empty()) shard.recovered_ids[id] = std::move(found.ids);
}

void RecoveryBuilder::Impl::BuildAcceptances(ShardState::Impl& shard) {
  for (const auto& [transfer, known] : accepted) {
    const auto it = forgotten.find(transfer);
    if (it != forgotten.end() && it->second.log_no > known.log_no) continue;
    shard.acceptances.emplace(transfer, known.acceptance);
    shard.AddLive(known.acceptance.segment, 1);
  }
  std::vector<std::pair<Instant, TransferId>> ended;
  for (const auto& [transfer, known] : forgotten) {
    if (known.at + kEndedTransferKept >= now) ended.emplace_back(known.at, transfer);
  }
  std::sort(ended.begin(), ended.end());
  for (const auto& [at, transfer] : ended) shard.NoteEnded(transfer, at);
}

ShardState RecoveryBuilder::Build() && {
  ShardState state(impl_->next_log_no, impl_->active_segment, impl_->limits);
  state.impl_->now_ = impl_->now;
  for (auto& [id, found] : impl_->found) impl_->BuildPartition(id, found, *state.impl_);
  impl_->BuildAcceptances(*state.impl_);
  return state;
}

}  // namespace weir::queue::core
