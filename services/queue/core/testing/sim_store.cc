#include "services/queue/core/testing/sim_store.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <variant>

#include "libs/base/check.h"

namespace weir::queue::core::testing {

namespace {

// As a store reads it: with what stands in the content.
MessageMeta MetaOf(const AppendMessage& row) {
  MessageMeta meta = row.meta;
  meta.message_group_id = row.content->message_group_id;
  if (!row.content->deduplication_id.empty()) {
    meta.deduplication = std::make_shared<const DeduplicationMeta>(
        DeduplicationMeta{row.content->deduplication_id, row.content->message_id});
  }
  return meta;
}

}  // namespace

void SimStore::Append(const Decision& decision) {
  for (const Mutation& row : decision.mutations) {
    if (const auto* message = std::get_if<AppendMessage>(&row)) {
      WEIR_CHECK(message->meta.segment == active(),
                 "a row for another segment than the active one");
    }
    segments_.back().rows.push_back(row);
  }
}

void SimStore::Drop(SegmentNo segment) {
  WEIR_CHECK(segment == oldest() && segment != active(), "only the oldest segment can be dropped");
  segments_.erase(segments_.begin());
}

std::vector<SegmentNo> SimStore::segments() const {
  std::vector<SegmentNo> numbers;
  for (const Segment& segment : segments_) numbers.push_back(segment.number);
  return numbers;
}

Refill SimStore::Read(const NeedRefill& need, size_t max_messages, LogNo next_log_no) const {
  std::map<MessageSeq, const AppendMessage*> found;
  for (const Segment& segment : segments_) {
    for (const Mutation& row : segment.rows) {
      const AppendMessage* message = segment.MessageOf(row);
      if (message == nullptr || message->partition != need.partition) continue;
      if (message->meta.seq >= need.from) found[message->meta.seq] = message;
    }
  }
  Refill refill{.partition = need.partition,
                .from = need.from,
                .scanned_to = MessageSeq(next_log_no.value())};
  for (const auto& [seq, message] : found) {
    if (refill.messages.size() == max_messages) break;
    refill.messages.push_back(MetaOf(*message));
    refill.scanned_to = seq.Next();
  }
  return refill;
}

std::vector<MessageMeta> SimStore::Metas(PartitionId partition) const {
  return Read({.partition = partition}, SIZE_MAX, LogNo()).messages;
}

CopyForward SimStore::ReadSegment(SegmentNo number, size_t max_rows) const {
  std::map<std::pair<PartitionId, MessageSeq>, const AppendMessage*> found;
  for (const Segment& segment : segments_) {
    if (segment.number != number) continue;
    for (const Mutation& row : segment.rows) {
      const AppendMessage* message = segment.MessageOf(row);
      if (message != nullptr) found[{message->partition, message->meta.seq}] = message;
    }
  }
  CopyForward copy{.segment = number, .last = found.empty()};
  for (const auto& [key, message] : found) {
    if (copy.rows.size() == max_rows) break;
    copy.rows.push_back({message->partition, MetaOf(*message), message->content});
  }
  return copy;
}

void SimStore::NoteCopied(const CopyForward& slice) {
  for (Segment& segment : segments_) {
    if (segment.number != slice.segment || slice.rows.empty()) continue;
    segment.copied_to = {slice.rows.back().partition, slice.rows.back().meta.seq};
  }
}

const AppendMessage* SimStore::Segment::MessageOf(const Mutation& row) const {
  const auto* message = std::get_if<AppendMessage>(&row);
  if (message == nullptr) return nullptr;
  return std::pair(message->partition, message->meta.seq) <= copied_to ? nullptr : message;
}

SegmentNo SimStore::NewestRow(MessageSeq seq) const {
  for (auto segment = segments_.rbegin(); segment != segments_.rend(); ++segment) {
    for (const Mutation& row : segment->rows) {
      const AppendMessage* message = segment->MessageOf(row);
      if (message != nullptr && message->meta.seq == seq) return segment->number;
    }
  }
  return SegmentNo();
}

SegmentNo SimStore::NewestRecord(const TransferId& transfer) const {
  for (auto segment = segments_.rbegin(); segment != segments_.rend(); ++segment) {
    for (const Mutation& row : segment->rows) {
      const AppendMessage* message = segment->MessageOf(row);
      if (message != nullptr && message->meta.transfer == transfer) return segment->number;
      const auto* event = std::get_if<AppendEvent>(&row);
      if (event != nullptr && event->kind == EventKind::kTransferAccepted &&
          event->transfer == transfer) {
        return segment->number;
      }
    }
  }
  return SegmentNo();
}

ShardState SimStore::Recover(LogNo next_log_no, absl::Time now, const ShardLimits& limits,
                             bool newest_segment_first) const {
  std::vector<const Segment*> order;
  for (const Segment& segment : segments_) order.push_back(&segment);
  if (newest_segment_first) std::reverse(order.begin(), order.end());
  RecoveryBuilder builder(next_log_no, active(), now, limits);
  for (const Segment* segment : order) {
    for (const Mutation& row : segment->rows) {
      if (const auto* event = std::get_if<AppendEvent>(&row))
        builder.AddEvent(segment->number, *event);
    }
  }
  for (const Segment* segment : order) {
    for (const Mutation& row : segment->rows) {
      const AppendMessage* message = segment->MessageOf(row);
      if (message != nullptr)
        builder.AddMessage(message->partition, message->log_no, MetaOf(*message));
    }
  }
  return std::move(builder).Build();
}

}  // namespace weir::queue::core::testing
