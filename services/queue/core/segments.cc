// Copy-forward, and the account of what every segment still holds.
//
// Segments go oldest first, so an event never goes before the row that it is about.
#include <algorithm>
#include <utility>

#include "libs/base/check.h"
#include "services/queue/core/limits.h"
#include "services/queue/core/shard_impl.h"

namespace weir::queue::core {

void ShardState::Impl::Run(RequestId, const CopyForward& command) {
  WEIR_CHECK(command.segment != active_segment, "the active segment cannot be copied forward");
  WEIR_CHECK(!ids_in_segment.contains(command.segment),
             "a segment that remembers deduplication ids cannot be copied forward");
  for (const CopyForward::Row& row : command.rows) CopyRow(command, row);
  if (command.last) RecordAcceptancesAnew(command.segment);
}

void ShardState::Impl::CopyRow(const CopyForward& command, const CopyForward::Row& row) {
  CopyIfLive(command, row);
  if (!row.meta.transfer.has_value()) return;
  // The message is gone, but its row records that it was accepted.
  const auto it = acceptances.find(*row.meta.transfer);
  if (it != acceptances.end() && it->second.segment == command.segment) {
    RecordAcceptanceAnew(*row.meta.transfer);
  }
}

void ShardState::Impl::CopyIfLive(const CopyForward& command, const CopyForward::Row& row) {
  Partition* partition = FindPartition(row.partition);
  if (partition == nullptr) return;
  Message* message = partition->Find(row.meta.seq);
  if (message != nullptr) {
    if (message->segment == command.segment) CopyExplicit(*partition, *message, row);
    return;
  }
  // A message that is gone is not in the backlog. One whose newest row stands elsewhere is not
  // counted here.
  if (partition->backlog.Contains(row.meta.seq) && row.meta.segment == command.segment &&
      partition->backlog.InSegment(command.segment) > 0) {
    CopyUntouched(*partition, row);
  }
}

void ShardState::Impl::CopyExplicit(Partition& partition, Message& message,
                                    const CopyForward::Row& row) {
  AddLive(message.segment, -1);
  message.segment = active_segment;
  AppendSurvivor(partition, MetaOf(row.meta.seq, message), row);
  if (message.leased_at == message.first_received_at) return;
  // The row does not say when the newest receive was, and the limit of the visibility timeout
  // counts from it.
  AppendEvent& event = Append(EventKind::kLeased, partition, row.meta.seq);
  event.receive_count = message.receive_count;
  event.at = ToTime(message.leased_at);
  event.visible_at = ToTime(message.visible_at);
}

void ShardState::Impl::CopyUntouched(Partition& partition, const CopyForward::Row& row) {
  AddLive(row.meta.segment, -1);
  partition.backlog.MoveRow(row.meta.segment, active_segment);
  MessageMeta meta = row.meta;
  meta.segment = active_segment;
  AppendSurvivor(partition, std::move(meta), row);
  // What is being read may say that the row stands where it no longer does.
  if (partition.backlog.read.has_value()) partition.backlog.read->overtaken = true;
}

void ShardState::Impl::AppendSurvivor(Partition& partition, MessageMeta meta,
                                      const CopyForward::Row& row) {
  AddLive(active_segment, 1);
  meta.message_group_id.clear();  // The content has it.
  meta.transfer.reset();
  if (row.meta.transfer.has_value()) {
    const auto it = acceptances.find(*row.meta.transfer);
    if (it != acceptances.end()) {
      // The row records it here too.
      meta.transfer = row.meta.transfer;
      AddLive(it->second.segment, -1);
      AddLive(active_segment, 1);
      it->second.segment = active_segment;
    }
  }
  out_.mutations.push_back(AppendMessage{.log_no = TakeLogNo(),
                                         .partition = partition.id,
                                         .meta = std::move(meta),
                                         .content = row.content});
}

void ShardState::Impl::RecordAcceptancesAnew(SegmentNo segment) {
  std::vector<TransferId> here;
  for (const auto& [transfer, acceptance] : acceptances) {
    if (acceptance.segment == segment) here.push_back(transfer);
  }
  std::sort(here.begin(), here.end());  // The table's order is not ours.
  for (const TransferId& transfer : here) RecordAcceptanceAnew(transfer);
}

void ShardState::Impl::RecordAcceptanceAnew(const TransferId& transfer) {
  Acceptance& acceptance = acceptances.at(transfer);
  AddLive(acceptance.segment, -1);
  if (acceptance.sent_at + kMaxRetention <= now_) {
    // The source's message is gone by now, so nothing can repeat the transfer.
    acceptances.erase(transfer);
    return;
  }
  acceptance.segment = active_segment;
  AddLive(active_segment, 1);
  AppendEvent event{.log_no = TakeLogNo(),
                    .kind = EventKind::kTransferAccepted,
                    .partition = acceptance.partition,
                    .seq = acceptance.seq,
                    .at = ToTime(acceptance.sent_at),
                    .visible_at = absl::InfinitePast(),
                    .transfer = transfer};
  out_.mutations.push_back(std::move(event));
}

void ShardState::Impl::AddLive(SegmentNo segment, int64_t change) {
  int64_t& live = live_in_segment[segment];
  live += change;
  WEIR_CHECK(live >= 0, "a segment has fewer live messages than none");
  if (live == 0) live_in_segment.erase(segment);
}

}  // namespace weir::queue::core
