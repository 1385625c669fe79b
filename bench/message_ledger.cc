#include "bench/message_ledger.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/check.h"

namespace weir::bench {
namespace {

// Bodies of neighbouring numbers differ by where in the filling they begin.
constexpr uint32_t kOffsets = 61;
// Stands for the sender of the backlog; there are fewer cyclers.
constexpr uint32_t kBacklogSender = 0xffff;

std::string MakeFilling(size_t bytes) {
  std::string filling;
  filling.reserve(bytes);
  uint32_t state = 1;
  while (filling.size() < bytes) {
    state = state * 1'664'525 + 1'013'904'223;
    filling.push_back(static_cast<char>('a' + (state >> 24) % 26));
  }
  return filling;
}

absl::string_view FillingOf(uint32_t number, absl::string_view filling, size_t body_bytes) {
  return filling.substr(number % kOffsets, body_bytes - MessageLedger::kHeadBytes);
}

void MakeBody(uint32_t sender, uint32_t number, absl::string_view filling, std::string& body) {
  body.clear();
  absl::StrAppend(&body, absl::Hex(sender, absl::kZeroPad4), "-",
                  absl::Hex(number, absl::kZeroPad8), "-", filling);
}

}  // namespace

MessageLedger::MessageLedger(int senders, size_t body_bytes)
    : body_bytes_(body_bytes), filling_(MakeFilling(body_bytes + kOffsets)) {
  WEIR_CHECK(body_bytes >= kHeadBytes, "the body has no room for its head");
  for (int i = 0; i < senders; ++i) senders_.push_back(std::make_unique<Sender>());
}

absl::string_view MessageLedger::Filling(uint32_t number) const {
  return FillingOf(number, filling_, body_bytes_);
}

void MessageLedger::ExpectBacklog(int64_t messages) {
  backlog_ = std::make_unique<Sender>();
  MutexLock lock(&backlog_->mu);
  backlog_->entries.resize(static_cast<size_t>(messages));
}

std::string MessageLedger::BacklogBody(uint32_t number, size_t body_bytes) {
  thread_local std::string filling;
  if (filling.size() != body_bytes + kOffsets) filling = MakeFilling(body_bytes + kOffsets);
  std::string body;
  MakeBody(kBacklogSender, number, FillingOf(number, filling, body_bytes), body);
  return body;
}

MessageLedger::Sender* MessageLedger::Find(uint32_t sender) const {
  if (sender == kBacklogSender) return backlog_.get();
  return sender < senders_.size() ? senders_[sender].get() : nullptr;
}

MessageKey MessageLedger::Next(uint32_t sender, int64_t now, std::string& body) {
  Sender& of = *senders_[sender];
  MessageKey key{.sender = sender};
  {
    MutexLock lock(&of.mu);
    key.number = static_cast<uint32_t>(of.entries.size());
    of.entries.push_back({.made_at = now});
  }
  MakeBody(sender, key.number, Filling(key.number), body);
  return key;
}

void MessageLedger::Sent(MessageKey key, uint64_t id) {
  Sender& of = *senders_[key.sender];
  MutexLock lock(&of.mu);
  of.entries[key.number].sent_id = id;
}

std::optional<MessageKey> MessageLedger::Received(absl::string_view body, uint64_t id) {
  MessageKey key;
  if (body.size() == body_bytes_ && absl::SimpleHexAtoi(body.substr(0, 4), &key.sender) &&
      absl::SimpleHexAtoi(body.substr(5, 8), &key.number) && Find(key.sender) != nullptr &&
      body.substr(kHeadBytes) == Filling(key.number)) {
    Sender* const of = Find(key.sender);
    MutexLock lock(&of->mu);
    if (key.number < of->entries.size()) {
      Entry& entry = of->entries[key.number];
      ++entry.receives;
      entry.received_id = id;
      return key;
    }
  }
  MutexLock lock(&damaged_mu_);
  ++damaged_;
  return std::nullopt;
}

int64_t MessageLedger::Deleted(MessageKey key) {
  Sender* const of = Find(key.sender);
  MutexLock lock(&of->mu);
  of->entries[key.number].deleted = true;
  return of->entries[key.number].made_at;
}

MessageLedger::Totals MessageLedger::Count(int64_t left) const {
  Totals totals{.left = left};
  {
    MutexLock lock(&damaged_mu_);
    totals.damaged = damaged_;
  }
  const auto count = [&totals](Sender& sender) {
    MutexLock lock(&sender.mu);
    for (const Entry& entry : sender.entries) {
      if (entry.sent_id != 0) ++totals.sent;
      if (entry.receives > 0) ++totals.received;
      if (entry.deleted) ++totals.deleted;
      if (entry.sent_id != 0 && entry.receives == 0) ++totals.lost;
      if (entry.receives > 1) totals.duplicated += entry.receives - 1;
      if (entry.receives > 0 && entry.sent_id != 0 && entry.sent_id != entry.received_id) {
        ++totals.damaged;
      }
    }
  };
  for (const auto& sender : senders_) count(*sender);
  if (backlog_ != nullptr) {
    count(*backlog_);
    MutexLock lock(&backlog_->mu);
    totals.backlog = static_cast<int64_t>(backlog_->entries.size());
    totals.lost = std::max<int64_t>(0, totals.backlog + totals.sent - totals.deleted - left);
  }
  return totals;
}

}  // namespace weir::bench
