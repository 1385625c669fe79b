// What a FIFO partition was sent within the last five minutes: deduplication ids, and the message that each came with first.
//
// Ids are kept as hashes, so a remembered message takes about 100 bytes, however long its id. They are remembered after the
// message is gone, and over a restart, because the segment with the message's row is kept as long.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "services/queue/core/fifo.h"
#include "services/queue/core/instant.h"
#include "services/queue/core/types.h"

namespace weir::queue::core {

// 128 bits of (group, id) or of (id): with millions of them two are never equal by chance.
struct DeduplicationKey {
  uint64_t high = 0;
  uint64_t low = 0;
  friend bool operator==(const DeduplicationKey&, const DeduplicationKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const DeduplicationKey& key) {
    return H::combine(std::move(h), key.high, key.low);
  }
};

DeduplicationKey KeyOf(DeduplicationScope scope, absl::string_view group, absl::string_view id);

// A message id in 16 bytes. REQUIRES: it is a UUID.
using MessageIdBytes = std::array<uint8_t, 16>;
MessageIdBytes PackMessageId(absl::string_view message_id);
std::string UnpackMessageId(const MessageIdBytes& bytes);

class Deduplication {
 public:
  struct Entry {
    MessageSeq seq;
    SegmentNo segment;  // of the row that records it
    Instant until;
    MessageIdBytes message_id;
  };

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }

  // Null: the id was not sent within the window.
  const Entry* Find(const DeduplicationKey& key, Instant now) const;
  // In place of what is remembered for `key`, which is the answer. REQUIRES: `entry.until` is not before any given before.
  std::optional<Entry> Remember(const DeduplicationKey& key, const Entry& entry);
  // The end of the oldest one; kNever: none.
  Instant NextEnd() const { return order_.empty() ? kNever : order_.front().until; }
  // Forgets one whose time has come by `now`; none is left when the answer is empty.
  std::optional<Entry> ForgetOne(Instant now);
  void Clear();

  template <typename Visitor>
  void ForEach(Visitor visit) const {
    for (const auto& [key, entry] : entries_) visit(entry);
  }

 private:
  struct End {
    Instant until;
    DeduplicationKey key;
    MessageSeq seq;
  };

  absl::flat_hash_map<DeduplicationKey, Entry> entries_;
  // All last equally long, so they end in the order in which they came. One that was replaced is stale.
  Fifo<End> order_;
};

}  // namespace weir::queue::core
