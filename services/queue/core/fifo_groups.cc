#include "services/queue/core/fifo_groups.h"

#include "libs/base/check.h"

namespace weir::queue::core {
namespace {

// Stale entries up to this number are not worth a pass.
constexpr size_t kStaleSlack = 64;

// As many messages as one receive gets.
constexpr int64_t kCounted = 10;

size_t Index(MessageState state) { return static_cast<size_t>(state); }

}  // namespace

GroupNo FifoGroups::Add(absl::string_view name, MessageSeq seq, MessageState state) {
  const GroupNo number = table_.Intern(name);
  Group& group = table_[number];
  const bool inserted = group.messages.emplace(seq, state).second;
  WEIR_CHECK(inserted, "a message joins its group twice");
  ++group.counts[Index(state)];
  Update(number);
  return number;
}

void FifoGroups::SetState(GroupNo number, MessageSeq seq, MessageState state) {
  Group& group = table_[number];
  MessageState& known = group.messages.at(seq);
  if (known == MessageState::kInFlight && state != MessageState::kInFlight) {
    consumers_.erase(seq);
    repeats_.erase(seq);
  }
  --group.counts[Index(known)];
  ++group.counts[Index(state)];
  known = state;
  Update(number);
}

void FifoGroups::Remove(GroupNo number, MessageSeq seq) {
  Group& group = table_[number];
  const auto it = group.messages.find(seq);
  WEIR_CHECK(it != group.messages.end(), "a message leaves its group twice");
  --group.counts[Index(it->second)];
  group.messages.erase(it);
  consumers_.erase(seq);
  repeats_.erase(seq);
  Update(number);
}

bool FifoGroups::TakeRepeat(MessageSeq seq) {
  const auto it = repeats_.find(seq);
  if (it == repeats_.end()) return false;
  if (--it->second == 0) repeats_.erase(it);
  return true;
}

void FifoGroups::SetHorizon(MessageSeq horizon) {
  horizon_ = horizon;
  while (!beyond_.empty() && beyond_.begin()->first < horizon_) {
    const auto [seq, number] = *beyond_.begin();
    beyond_.erase(beyond_.begin());
    if (table_.Has(number)) Update(number);
  }
}

int64_t FifoGroups::blocked() const {
  int64_t blocked = blocked_;
  for (const GroupNo number : mixed_) {
    const Group& group = table_[number];
    int64_t before = 0;
    for (const auto& [seq, state] : group.messages) {
      if (state != MessageState::kReady) break;
      ++before;
    }
    blocked += group.ready() - before;
  }
  return blocked;
}

std::optional<GroupNo> FifoGroups::TakeTurn() {
  while (!order_.empty()) {
    const Turn turn = order_.front();
    order_.PopFront();
    if (!IsQueued(turn)) continue;
    Group& group = table_[turn.group];
    group.ticket = 0;
    --queued_;
    group.taken = true;
    return turn.group;
  }
  return std::nullopt;
}

MessageSeq FifoGroups::NextReady(GroupNo number, MessageSeq after) const {
  const Group& group = table_[number];
  const auto it = group.messages.upper_bound(after);
  if (it == group.messages.end() || it->second != MessageState::kReady || it->first >= horizon_) {
    return MessageSeq();
  }
  return it->first;
}

void FifoGroups::EndTurn(GroupNo number) {
  table_[number].taken = false;
  Update(number);
}

void FifoGroups::NoteConsumer(MessageSeq seq, const std::string& consumer) {
  if (!consumer.empty()) consumers_[seq] = consumer;
}

std::string FifoGroups::ConsumerOf(MessageSeq seq) const {
  const auto it = consumers_.find(seq);
  return it == consumers_.end() ? std::string() : it->second;
}

void FifoGroups::Update(GroupNo number) {
  Group& group = table_[number];
  bool deliverable = false;
  if (!group.messages.empty()) {
    const auto& [front, state] = *group.messages.begin();
    deliverable = state == MessageState::kReady && front < horizon_;
    if (state == MessageState::kReady && front >= horizon_) beyond_.emplace(front, number);
  }
  Count(group, number, deliverable);
  if (group.taken) return;
  if (deliverable && group.ticket == 0) {
    group.ticket = next_ticket_++;
    ++queued_;
    order_.PushBack({number, group.ticket});
  } else if (!deliverable && group.ticket != 0) {
    group.ticket = 0;
    --queued_;
  }
  if (group.messages.empty()) table_.Forget(number);
}

void FifoGroups::Count(Group& group, GroupNo number, bool deliverable) {
  deliverable_ -= group.deliverable;
  blocked_ -= group.blocked;
  const bool is_mixed = deliverable && group.hidden() > 0;
  group.deliverable = deliverable ? DeliverableOf(group) : 0;
  group.blocked = !deliverable && group.hidden() > 0 &&
                          group.messages.begin()->second != MessageState::kReady
                      ? group.ready()
                      : 0;
  deliverable_ += group.deliverable;
  blocked_ += group.blocked;
  if (is_mixed == group.mixed) return;
  group.mixed = is_mixed;
  if (is_mixed) {
    mixed_.insert(number);
  } else {
    mixed_.erase(number);
  }
}

int64_t FifoGroups::DeliverableOf(const Group& group) const {
  if (group.hidden() == 0 && group.messages.rbegin()->first < horizon_) return group.ready();
  int64_t count = 0;
  for (const auto& [seq, state] : group.messages) {
    if (state != MessageState::kReady || seq >= horizon_ || count == kCounted) break;
    ++count;
  }
  return count;
}

void FifoGroups::Compact() {
  if (order_.size() > 2 * static_cast<size_t>(queued_) + kStaleSlack) {
    order_.RemoveIf([this](const Turn& turn) { return !IsQueued(turn); });
  }
}

}  // namespace weir::queue::core
