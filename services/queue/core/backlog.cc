#include "services/queue/core/backlog.h"

#include <algorithm>

#include "libs/base/check.h"

namespace weir::queue::core {
namespace {

void AddTo(std::vector<std::pair<SegmentNo, int64_t>>& by_segment, SegmentNo segment,
           int64_t change) {
  const auto it = std::find_if(by_segment.begin(), by_segment.end(),
                               [segment](const auto& entry) { return entry.first == segment; });
  if (it == by_segment.end()) {
    WEIR_CHECK(change > 0, "an untouched message of a segment that has none");
    by_segment.emplace_back(segment, change);
    return;
  }
  it->second += change;
  if (it->second == 0) by_segment.erase(it);
}

}  // namespace

int64_t Backlog::InSegment(SegmentNo segment) const {
  for (const auto& [number, count] : by_segment_) {
    if (number == segment) return count;
  }
  return 0;
}

void Backlog::Append(MessageSeq seq, Instant sent_at, SegmentNo segment) {
  if (count_ == 0) {
    from_ = seq;
    in_order_ = true;
    newest_sent_at_ = sent_at;
    oldest_sent_at_ = sent_at;
  }
  in_order_ = in_order_ && sent_at >= newest_sent_at_;
  newest_sent_at_ = std::max(newest_sent_at_, sent_at);
  oldest_sent_at_ = std::min(oldest_sent_at_, sent_at);
  if (sweep.has_value()) sweep->oldest_appended = std::min(sweep->oldest_appended, sent_at);
  ++count_;
  AddTo(by_segment_, segment, 1);
}

void Backlog::TakeOut(MessageSeq seq, SegmentNo segment) {
  WEIR_CHECK(Contains(seq), "not an untouched message");
  AddTo(by_segment_, segment, -1);
  touched_ahead_.insert(seq);
  if (--count_ == 0) Clear();
}

void Backlog::MoveRow(SegmentNo segment, SegmentNo to) {
  AddTo(by_segment_, segment, -1);
  AddTo(by_segment_, to, 1);
}

void Backlog::AdvanceTo(MessageSeq seq) {
  if (count_ == 0 || seq <= from_) return;
  from_ = seq;
  touched_ahead_.erase(touched_ahead_.begin(), touched_ahead_.lower_bound(seq));
}

void Backlog::Clear() {
  count_ = 0;
  from_ = kNowhere;
  touched_ahead_.clear();
  by_segment_.clear();
  oldest_sent_at_ = kNever;
  newest_sent_at_ = kLongAgo;
  in_order_ = true;
  sweep.reset();
}

void Backlog::Restore(int64_t count, MessageSeq from, Instant oldest, Instant newest, bool in_order,
                      std::vector<std::pair<SegmentNo, int64_t>> by_segment) {
  count_ = count;
  from_ = from;
  oldest_sent_at_ = oldest;
  newest_sent_at_ = newest;
  in_order_ = in_order;
  by_segment_ = std::move(by_segment);
}

}  // namespace weir::queue::core
