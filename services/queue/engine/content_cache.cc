#include "services/queue/engine/content_cache.h"

#include <utility>

namespace weir::queue::engine {
namespace {

// Map entry, order entry, shared_ptr control block and string headers.
constexpr size_t kOverheadBytes = 320;
// Stale order entries up to this number are not worth a pass.
constexpr size_t kStaleSlack = 64;

}  // namespace

size_t ContentBytes(const core::MessageContent& content) {
  return kOverheadBytes + content.message_id.size() + content.body.size() +
         content.attributes.size() + content.message_group_id.size() +
         content.deduplication_id.size() + content.dead_letter_source_arn.size();
}

void ContentCache::Put(core::MessageSeq seq, core::ContentPtr content) {
  const size_t bytes = ContentBytes(*content);
  if (bytes > bytes_max_) return;
  if (!entries_.try_emplace(seq, std::move(content)).second) return;
  order_.push_back(seq);
  bytes_ += bytes;
  while (bytes_ > bytes_max_) {
    const core::MessageSeq oldest = order_.front();
    order_.pop_front();
    Erase(oldest);
  }
  // Erased entries leave their order entry behind.
  if (order_.size() > 2 * entries_.size() + kStaleSlack) {
    std::erase_if(order_, [this](core::MessageSeq old) { return !entries_.contains(old); });
  }
}

core::ContentPtr ContentCache::Get(core::MessageSeq seq) const {
  const auto it = entries_.find(seq);
  return it == entries_.end() ? nullptr : it->second;
}

void ContentCache::Erase(core::MessageSeq seq) {
  const auto it = entries_.find(seq);
  if (it == entries_.end()) return;
  bytes_ -= ContentBytes(*it->second);
  entries_.erase(it);
}

void ContentCache::Clear() {
  entries_.clear();
  order_.clear();
  bytes_ = 0;
}

}  // namespace weir::queue::engine
