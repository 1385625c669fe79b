#include "services/queue/core/partition.h"

#include <algorithm>

#include "libs/base/check.h"

namespace weir::queue::core {
namespace {

// Stale entries up to this number are not worth a pass.
constexpr size_t kStaleSlack = 64;
// A table that has grown beyond this is given back once it is empty.
constexpr size_t kKeepCapacity = 1'024;

}  // namespace

Message& Partition::Add(MessageSeq seq, const Message& message) {
  const auto [it, inserted] = messages_.emplace(seq, message);
  WEIR_CHECK(inserted, "a message is made explicit twice");
  Message& added = it->second;
  ++counts_[Index(added.state)];
  if (added.state == MessageState::kReady) PushReady(seq, added);
  by_age_.push_back({added.sent_at, seq});
  std::push_heap(by_age_.begin(), by_age_.end());
  return added;
}

void Partition::Remove(MessageSeq seq) {
  const auto it = messages_.find(seq);
  WEIR_CHECK(it != messages_.end(), "a message is removed twice");
  --counts_[Index(it->second.state)];
  messages_.erase(it);
}

void Partition::SetState(MessageSeq seq, Message& message, MessageState state) {
  --counts_[Index(message.state)];
  ++counts_[Index(state)];
  message.state = state;
  if (state == MessageState::kReady) PushReady(seq, message);
}

void Partition::PushReady(MessageSeq seq, Message& message) {
  message.ready_ticket = next_ticket_++;
  ready_.PushBack({seq, message.ready_ticket});
}

bool Partition::IsReady(const ReadyEntry& entry) const {
  const auto it = messages_.find(entry.seq);
  return it != messages_.end() && it->second.state == MessageState::kReady &&
         it->second.ready_ticket == entry.ticket;
}

std::pair<MessageSeq, Message*> Partition::FrontReady() {
  while (!ready_.empty()) {
    const ReadyEntry entry = ready_.front();
    const auto it = messages_.find(entry.seq);
    if (it != messages_.end() && it->second.state == MessageState::kReady &&
        it->second.ready_ticket == entry.ticket) {
      return {entry.seq, &it->second};
    }
    ready_.PopFront();
  }
  return {MessageSeq(), nullptr};
}

std::pair<MessageSeq, Message*> Partition::PopReady() {
  const auto front = FrontReady();
  if (front.second != nullptr) ready_.PopFront();
  return front;
}

std::pair<Instant, MessageSeq> Partition::Oldest() {
  std::vector<AgeEntry> moving;  // keep their entries: a move may be aborted
  std::pair<Instant, MessageSeq> oldest{kNever, MessageSeq()};
  while (!by_age_.empty()) {
    const AgeEntry top = by_age_.front();
    const Message* message = Find(top.seq);
    if (message != nullptr && message->state != MessageState::kMoving) {
      oldest = {top.sent_at, top.seq};
      break;
    }
    if (message != nullptr) moving.push_back(top);
    std::pop_heap(by_age_.begin(), by_age_.end());
    by_age_.pop_back();
  }
  for (const AgeEntry& entry : moving) {
    by_age_.push_back(entry);
    std::push_heap(by_age_.begin(), by_age_.end());
  }
  return oldest;
}

Instant Partition::OldestSentAt() {
  while (!by_age_.empty() && Find(by_age_.front().seq) == nullptr) {
    std::pop_heap(by_age_.begin(), by_age_.end());
    by_age_.pop_back();
  }
  const Instant explicit_one = by_age_.empty() ? kNever : by_age_.front().sent_at;
  return std::min(explicit_one, backlog.oldest_sent_at());
}

void Partition::Clear() {
  messages_ = {};
  for (int64_t& count : counts_) count = 0;
  ready_.Clear();
  by_age_ = {};
  backlog.Clear();
  sweep_at = kNever;
}

void Partition::Compact() {
  if (ready_.size() > 2 * static_cast<size_t>(ready()) + kStaleSlack) {
    ready_.RemoveIf([this](const ReadyEntry& entry) { return !IsReady(entry); });
  }
  if (by_age_.size() > 2 * messages_.size() + kStaleSlack) {
    const auto gone = [this](const AgeEntry& entry) { return !messages_.contains(entry.seq); };
    by_age_.erase(std::remove_if(by_age_.begin(), by_age_.end(), gone), by_age_.end());
    std::make_heap(by_age_.begin(), by_age_.end());
  }
  if (messages_.empty() && messages_.capacity() > kKeepCapacity) {
    messages_ = {};
    by_age_ = {};
    ready_.Clear();
  }
}

}  // namespace weir::queue::core
