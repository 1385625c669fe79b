#include "services/queue/core/fair_groups.h"

#include <algorithm>
#include <cmath>

namespace weir::queue::core {
namespace {

constexpr double kNoisyShare = 0.1;

}  // namespace

double ConsumerTime::Faded(Instant now) const {
  if (last_ == kLongAgo) return 0;
  return std::exp(-static_cast<double>(now.micros - last_.micros) /
                  static_cast<double>(absl::ToInt64Microseconds(kConsumerTimeFades)));
}

void ConsumerTime::Add(absl::Duration spent, Instant now) {
  const double faded = Faded(now);
  // Longer than the memory is, a message cannot have used of it.
  seconds_ = seconds_ * faded + absl::ToDoubleSeconds(std::min(spent, kConsumerTimeFades));
  messages_ = messages_ * faded + 1;
  last_ = now;
}

int64_t FairGroups::Group::messages() const {
  int64_t sum = 0;
  for (const int64_t count : counts) sum += count;
  return sum;
}

GroupNo FairGroups::Add(absl::string_view name, MessageState state) {
  const GroupNo number = table_.Intern(name);
  Group& group = table_[number];
  group.idle = 0;
  ++group.counts[static_cast<size_t>(state)];
  return number;
}

void FairGroups::SetState(GroupNo number, MessageState from, MessageState to) {
  Group& group = table_[number];
  --group.counts[static_cast<size_t>(from)];
  ++group.counts[static_cast<size_t>(to)];
}

void FairGroups::Remove(GroupNo number, MessageState state, Instant now) {
  Group& group = table_[number];
  --group.counts[static_cast<size_t>(state)];
  if (group.messages() > 0) return;
  group.idle = next_idle_++;
  idle_.PushBack({now + kConsumerTimeFades, number, group.idle});
}

void FairGroups::NoteConsumed(const GroupNo* number, absl::Duration spent, Instant now) {
  total_.Add(spent, now);
  if (number != nullptr) table_[*number].time.Add(spent, now);
}

bool FairGroups::IsNoisy(const Group& group, int64_t in_flight, Instant now) const {
  const int64_t held = group.count(MessageState::kInFlight);
  if (held >= noisy_in_flight_ &&
      static_cast<double>(held) > kNoisyShare * static_cast<double>(in_flight)) {
    return true;
  }
  return group.time.MessagesAt(now) >= static_cast<double>(noisy_in_flight_) &&
         group.time.SecondsAt(now) > kNoisyShare * total_.SecondsAt(now);
}

bool FairGroups::IsNoisy(absl::string_view name, int64_t in_flight, Instant now) const {
  const Group* group = table_.Find(name);
  return group != nullptr && IsNoisy(*group, in_flight, now);
}

void FairGroups::PushNoisy(GroupNo number) {
  table_[number].turn = Group::Turn::kNoisy;
  noisy_.PushBack(number);
}

void FairGroups::PopNoisy() {
  table_[noisy_.front()].turn = Group::Turn::kNone;
  noisy_.PopFront();
}

std::vector<GroupNo> FairGroups::TakeQuiet(int64_t in_flight, Instant now) {
  std::vector<GroupNo> quiet;
  for (const GroupNo number : noisy_) {
    if (!IsNoisy(table_[number], in_flight, now)) quiet.push_back(number);
  }
  if (quiet.empty()) return quiet;
  for (const GroupNo number : quiet) table_[number].turn = Group::Turn::kNone;
  noisy_.RemoveIf([this](GroupNo number) { return table_[number].turn == Group::Turn::kNone; });
  return quiet;
}

int64_t FairGroups::NoisyReady() const {
  int64_t ready = 0;
  for (const GroupNo number : noisy_) ready += table_[number].count(MessageState::kReady);
  return ready;
}

void FairGroups::Compact(Instant now) {
  while (!idle_.empty() && (idle_.front().until <= now || idle_.size() > kMaxIdleGroups)) {
    const Idle idle = idle_.front();
    if (table_.Has(idle.group) && table_[idle.group].idle == idle.idle) {
      // Its turn, if it has one, finds that there is nothing; until then the number is taken.
      if (table_[idle.group].turn != Group::Turn::kNone) return;
      table_.Forget(idle.group);
    }
    idle_.PopFront();
  }
}

}  // namespace weir::queue::core
