#include "services/queue/store/pg/segment_catalogue.h"

#include <algorithm>

namespace weir::queue::store {
namespace {

// The first seq that cannot have been appended to `entries[i]` when it was the active segment.
std::optional<core::MessageSeq> EndOf(const std::vector<CatalogueEntry>& entries, size_t i) {
  if (i + 1 == entries.size()) return std::nullopt;
  return core::MessageSeq(entries[i + 1].first_log_no.value());
}

}  // namespace

void SegmentCatalogue::Start(core::SegmentNo segment, core::LogNo first_log_no) {
  entries_.push_back({.segment = segment,
                      .first_log_no = first_log_no,
                      .lowest_seq = core::MessageSeq(first_log_no.value())});
}

void SegmentCatalogue::Retire(core::SegmentNo segment) {
  for (CatalogueEntry& entry : entries_) {
    if (entry.segment == segment) entry.retired = true;
  }
}

void SegmentCatalogue::NoteCopied(core::SegmentNo segment, CopiedTo to) {
  for (CatalogueEntry& entry : entries_) {
    if (entry.segment == segment) entry.copied_to = to;
  }
}

std::optional<CopiedTo> SegmentCatalogue::CopiedToOf(core::SegmentNo segment) const {
  const CatalogueEntry* entry = Find(segment);
  return entry == nullptr ? std::nullopt : entry->copied_to;
}

void SegmentCatalogue::Remove(core::SegmentNo segment) {
  std::erase_if(entries_, [segment](const auto& entry) { return entry.segment == segment; });
}

bool SegmentCatalogue::IsLive(core::SegmentNo segment) const {
  const CatalogueEntry* entry = Find(segment);
  return entry != nullptr && !entry->retired;
}

std::vector<core::SegmentNo> SegmentCatalogue::Live() const {
  std::vector<core::SegmentNo> live;
  for (const CatalogueEntry& entry : entries_) {
    if (!entry.retired) live.push_back(entry.segment);
  }
  return live;
}

std::vector<core::SegmentNo> SegmentCatalogue::Retired() const {
  std::vector<core::SegmentNo> retired;
  for (const CatalogueEntry& entry : entries_) {
    if (entry.retired) retired.push_back(entry.segment);
  }
  return retired;
}

SegmentCatalogue::Window SegmentCatalogue::WindowFrom(core::MessageSeq from) const {
  Window window;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const std::optional<core::MessageSeq> end = EndOf(entries_, i);
    if (entries_[i].retired || (end.has_value() && *end <= from)) continue;
    if (window.segments.empty()) {
      window.below = end;
    } else if (window.below.has_value() && entries_[i].lowest_seq >= *window.below) {
      continue;
    }
    window.segments.push_back(entries_[i].segment);
  }
  return window;
}

std::vector<core::SegmentNo> SegmentCatalogue::Holding(
    absl::Span<const core::MessageSeq> seqs) const {
  std::vector<core::SegmentNo> holding;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].retired) continue;
    const std::optional<core::MessageSeq> end = EndOf(entries_, i);
    const bool can = std::any_of(seqs.begin(), seqs.end(), [&](core::MessageSeq seq) {
      return seq >= entries_[i].lowest_seq && (!end.has_value() || seq < *end);
    });
    if (can) holding.push_back(entries_[i].segment);
  }
  return holding;
}

const CatalogueEntry* SegmentCatalogue::Find(core::SegmentNo segment) const {
  for (const CatalogueEntry& entry : entries_) {
    if (entry.segment == segment) return &entry;
  }
  return nullptr;
}

}  // namespace weir::queue::store
