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

Message& Partition::Add(MessageSeq seq, const Message& message, absl::string_view group) {
  const auto [it, inserted] = messages_.emplace(seq, message);
  WEIR_CHECK(inserted, "a message is made explicit twice");
  Message& added = it->second;
  ++counts_[Index(added.state)];
  if (fifo != nullptr || !group.empty()) JoinGroup(seq, added, group);
  if (added.state == MessageState::kReady) PushReady(seq, added);
  by_age_.push_back({added.sent_at, seq});
  std::push_heap(by_age_.begin(), by_age_.end());
  return added;
}

void Partition::JoinGroup(MessageSeq seq, Message& message, absl::string_view group) {
  message.grouped = true;
  if (fifo != nullptr) {
    message.place = fifo->groups.Add(group, seq, message.state);
    return;
  }
  if (fair == nullptr) fair = std::make_unique<FairGroups>(limits.noisy_in_flight);
  message.place = fair->Add(group, message.state);
}

void Partition::Remove(MessageSeq seq, Instant now) {
  const auto it = messages_.find(seq);
  WEIR_CHECK(it != messages_.end(), "a message is removed twice");
  const Message& message = it->second;
  --counts_[Index(message.state)];
  if (message.grouped && fifo != nullptr) {
    fifo->groups.Remove(message.place, seq);
  } else if (message.grouped) {
    fair->Remove(message.place, message.state, now);
  }
  messages_.erase(it);
}

void Partition::SetState(MessageSeq seq, Message& message, MessageState state) {
  --counts_[Index(message.state)];
  ++counts_[Index(state)];
  if (message.grouped && fifo != nullptr) {
    fifo->groups.SetState(message.place, seq, state);
  } else if (message.grouped) {
    fair->SetState(message.place, message.state, state);
  }
  message.state = state;
  if (state == MessageState::kReady) PushReady(seq, message);
}

void Partition::PushReady(MessageSeq seq, Message& message) {
  if (!message.grouped) {
    message.place = next_ticket_++;
    ready_.PushBack({seq, message.place});
  } else if (fair != nullptr) {
    if (!message.listed) (*fair)[message.place].ready.PushBack(seq);
    message.listed = true;
    PushTurn(message.place);
  }
}

void Partition::PushTurn(GroupNo group) {
  FairGroups::Group& tenant = (*fair)[group];
  if (tenant.turn != FairGroups::Group::Turn::kNone) return;
  tenant.turn = FairGroups::Group::Turn::kQuiet;
  ready_.PushBack({MessageSeq(), group});
}

bool Partition::IsReady(const ReadyEntry& entry) const {
  if (entry.seq == MessageSeq()) return (*fair)[entry.ticket].count(MessageState::kReady) > 0;
  const auto it = messages_.find(entry.seq);
  return it != messages_.end() && it->second.state == MessageState::kReady &&
         !it->second.grouped && it->second.place == entry.ticket;
}

std::pair<MessageSeq, Message*> Partition::FrontReady(Instant now) {
  while (!ready_.empty()) {
    const ReadyEntry entry = ready_.front();
    if (entry.seq != MessageSeq()) {
      const auto it = messages_.find(entry.seq);
      if (it != messages_.end() && it->second.state == MessageState::kReady &&
          it->second.place == entry.ticket) {
        return {entry.seq, &it->second};
      }
      ready_.PopFront();
      continue;
    }
    const auto front = FrontOf(entry.ticket);
    FairGroups::Group& tenant = (*fair)[entry.ticket];
    const bool noisy = front.second != nullptr && fair->IsNoisy(tenant, in_flight(), now);
    if (front.second != nullptr && !noisy) return front;
    ready_.PopFront();
    tenant.turn = FairGroups::Group::Turn::kNone;
    if (noisy) fair->PushNoisy(entry.ticket);
  }
  while (fair != nullptr && fair->HasNoisyTurn()) {
    const auto front = FrontOf(fair->NoisyFront());
    if (front.second != nullptr) return front;
    fair->PopNoisy();
  }
  return {MessageSeq(), nullptr};
}

std::pair<MessageSeq, Message*> Partition::FrontOf(GroupNo group) {
  Fifo<MessageSeq>& ready = (*fair)[group].ready;
  while (!ready.empty()) {
    const auto it = messages_.find(ready.front());
    if (it != messages_.end() && it->second.state == MessageState::kReady) {
      return {it->first, &it->second};
    }
    if (it != messages_.end()) it->second.listed = false;
    ready.PopFront();
  }
  return {MessageSeq(), nullptr};
}

void Partition::PopReady() {
  // Quiet ones stand before noisy ones, and FrontReady has removed what is stale.
  const bool is_quiet = !ready_.empty();
  const GroupNo group = is_quiet ? ready_.front().ticket : fair->NoisyFront();
  const bool is_turn = !is_quiet || ready_.front().seq == MessageSeq();
  if (is_turn) {
    messages_.at((*fair)[group].ready.front()).listed = false;
    (*fair)[group].ready.PopFront();
  }
  if (!is_quiet) {
    fair->PopNoisy();
  } else {
    ready_.PopFront();
    if (is_turn) (*fair)[group].turn = FairGroups::Group::Turn::kNone;
  }
  if (is_turn && !(*fair)[group].ready.empty()) {
    if (is_quiet) {
      PushTurn(group);
    } else {
      fair->PushNoisy(group);
    }
  }
}

void Partition::ReleaseQuiet(Instant now) {
  if (fair == nullptr || !fair->HasNoisyTurn()) return;
  for (const GroupNo group : fair->TakeQuiet(in_flight(), now)) PushTurn(group);
}

int64_t Partition::receivable() const {
  if (fifo != nullptr) return fifo->groups.deliverable();
  return fair == nullptr ? ready() : ready() - fair->NoisyReady();
}

void Partition::MakeFifo() {
  fifo = std::make_unique<FifoState>();
  std::vector<MessageSeq> seqs;
  seqs.reserve(messages_.size());
  for (const auto& [seq, message] : messages_) seqs.push_back(seq);
  std::sort(seqs.begin(), seqs.end());
  for (const MessageSeq seq : seqs) {
    Message& message = messages_.at(seq);
    message.listed = false;
    JoinGroup(seq, message, message.grouped ? fair->table()[message.place].name : "");
  }
  fair.reset();
  ready_.Clear();
  SetHorizon();
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
  fair.reset();
  if (fifo != nullptr) fifo = std::make_unique<FifoState>();
}

void Partition::Compact(Instant now) {
  if (fifo != nullptr) fifo->groups.Compact();
  if (fair != nullptr) CompactFair(now);
  if (ready_.size() > 2 * static_cast<size_t>(ready()) + kStaleSlack) {
    ready_.RemoveIf([this](const ReadyEntry& entry) {
      if (IsReady(entry)) return false;
      if (entry.seq == MessageSeq()) (*fair)[entry.ticket].turn = FairGroups::Group::Turn::kNone;
      return true;
    });
  }
  if (by_age_.size() > 2 * messages_.size() + kStaleSlack) {
    const auto gone = [this](const AgeEntry& entry) { return !messages_.contains(entry.seq); };
    by_age_.erase(std::remove_if(by_age_.begin(), by_age_.end(), gone), by_age_.end());
    std::make_heap(by_age_.begin(), by_age_.end());
  }
  if (messages_.empty() && messages_.capacity() > kKeepCapacity) {
    messages_ = {};
    by_age_ = {};
    if (fair == nullptr) ready_.Clear();
  }
}

void Partition::CompactFair(Instant now) {
  fair->Compact(now);
  if (!messages_.empty() || fair->table().size() > 0) return;
  // No message has a group any more: back to what costs nothing.
  fair.reset();
  ready_.Clear();
}

}  // namespace weir::queue::core
