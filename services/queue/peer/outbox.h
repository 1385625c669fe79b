// What one side of a link has to say and has not written yet: while one frame is being written, the items of the next gather here.
//
// Not thread-safe; knows nothing of gRPC. Each item has a tag, for whoever must know later what became of it.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace weir::queue::peer {

template <typename Frame, typename Item, typename Tag>
class Outbox {
 public:
  void Add(std::unique_ptr<Item> item, size_t bytes, Tag tag) {
    bytes_ += bytes;
    entries_.push_back({std::move(item), bytes, std::move(tag)});
  }

  bool empty() const { return entries_.empty(); }
  // Queued, the frame that is being written not counted.
  size_t bytes() const { return bytes_; }

  // Moves out what fits into a frame of `bytes_max` bytes, one item at least. The tags are those of the frame's items.
  void Fill(size_t bytes_max, Frame& frame, std::vector<Tag>& tags) {
    size_t taken = 0;
    while (!entries_.empty() && (taken == 0 || taken + entries_.front().bytes <= bytes_max)) {
      Entry& entry = entries_.front();
      taken += entry.bytes;
      bytes_ -= entry.bytes;
      frame.mutable_items()->AddAllocated(entry.item.release());
      tags.push_back(std::move(entry.tag));
      entries_.pop_front();
    }
  }

  // Removes what `unwanted(item)` says; it gets the tags of what goes.
  template <typename Unwanted>
  void Remove(Unwanted unwanted) {
    std::deque<Entry> kept;
    for (Entry& entry : entries_) {
      if (unwanted(*entry.item, entry.tag)) {
        bytes_ -= entry.bytes;
      } else {
        kept.push_back(std::move(entry));
      }
    }
    entries_ = std::move(kept);
  }

 private:
  struct Entry {
    std::unique_ptr<Item> item;
    size_t bytes = 0;
    Tag tag;
  };
  std::deque<Entry> entries_;
  size_t bytes_ = 0;
};

}  // namespace weir::queue::peer
