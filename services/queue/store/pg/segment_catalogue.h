// What the owner of a shard knows of its segments, so that a read asks only the tables that can have the answer.
//
// A message is first appended to the segment that is active then, and its seq is that row's log number: so segment n holds the seqs
// from its first_log_no up to that of segment n + 1. Copy-forward puts older messages into a newer segment; lowest_seq tells how old.
//
// Plain values; not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "services/queue/core/types.h"

namespace weir::queue::store {

// How far a segment was copied forward, in the order of (partition, seq).
struct CopiedTo {
  core::PartitionId partition;
  core::MessageSeq seq;
};

struct CatalogueEntry {
  core::SegmentNo segment;
  core::LogNo first_log_no;
  core::MessageSeq lowest_seq;
  bool retired = false;
  int64_t rows = 0;
  // The rows up to here are superseded, so no read shows them.
  std::optional<CopiedTo> copied_to = std::nullopt;
};

class SegmentCatalogue {
 public:
  // `entries` in ascending order.
  explicit SegmentCatalogue(std::vector<CatalogueEntry> entries = {}) : entries_(std::move(entries)) {}

  bool empty() const { return entries_.empty(); }
  const std::vector<CatalogueEntry>& entries() const { return entries_; }
  // The newest. REQUIRES: not empty.
  CatalogueEntry& active() { return entries_.back(); }
  const CatalogueEntry& active() const { return entries_.back(); }

  void Start(core::SegmentNo segment, core::LogNo first_log_no);
  void Retire(core::SegmentNo segment);
  void NoteCopied(core::SegmentNo segment, CopiedTo to);
  void Remove(core::SegmentNo segment);
  bool Contains(core::SegmentNo segment) const { return Find(segment) != nullptr; }
  bool IsLive(core::SegmentNo segment) const;
  // Unset also for a segment that is not there.
  std::optional<CopiedTo> CopiedToOf(core::SegmentNo segment) const;
  // Oldest first.
  std::vector<core::SegmentNo> Live() const;
  std::vector<core::SegmentNo> Retired() const;

  // The next step of a read in the order of seq: everything with from <= seq < below stands in `segments`.
  struct Window {
    std::vector<core::SegmentNo> segments;
    std::optional<core::MessageSeq> below;  // unset: there is nothing beyond
  };
  Window WindowFrom(core::MessageSeq from) const;

  // The live segments that can hold one of these, oldest first.
  std::vector<core::SegmentNo> Holding(absl::Span<const core::MessageSeq> seqs) const;

 private:
  const CatalogueEntry* Find(core::SegmentNo segment) const;

  std::vector<CatalogueEntry> entries_;
};

}  // namespace weir::queue::store
