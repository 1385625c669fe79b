// Contents of messages that are likely to be received soon, so that most receives need no read from the store.
//
// Bounded by bytes; when full, the oldest entries go first. Losing an entry costs a read, never a message. Not thread-safe: the
// shard's thread owns it.
#pragma once

#include <cstddef>
#include <deque>

#include "absl/container/flat_hash_map.h"
#include "services/queue/core/types.h"

namespace weir::queue::engine {

class ContentCache {
 public:
  explicit ContentCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  void Put(core::MessageSeq seq, core::ContentPtr content);
  // Null when it is not there.
  core::ContentPtr Get(core::MessageSeq seq) const;
  void Erase(core::MessageSeq seq);
  void Clear();

  size_t bytes() const { return bytes_; }
  size_t size() const { return entries_.size(); }
  // Entries kept for the order; at most about twice size().
  size_t order_size() const { return order_.size(); }

 private:
  const size_t bytes_max_;
  size_t bytes_ = 0;
  absl::flat_hash_map<core::MessageSeq, core::ContentPtr> entries_;
  // In the order of Put; a seq that was erased meanwhile is skipped.
  std::deque<core::MessageSeq> order_;
};

// What a content costs in memory, roughly.
size_t ContentBytes(const core::MessageContent& content);

}  // namespace weir::queue::engine
