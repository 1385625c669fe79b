#include "services/queue/engine/partitioned_receive.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace weir::queue::engine {

using core::PartitionAddress;
using core::ReceiveReply;
using core::RequestId;

namespace {

// How long a receive of fewer messages than there are partitions waits at some of them before it looks at the next.
constexpr absl::Duration kTurn = absl::Milliseconds(100);
// A wait that ends sooner by more than this was ended, and did not run out.
constexpr absl::Duration kClockSlack = absl::Milliseconds(10);

}  // namespace

std::shared_ptr<PartitionedReceive> PartitionedReceive::Start(ReceivePort& port,
                                                              std::vector<PartitionAddress> partitions,
                                                              size_t first, core::Receive receive,
                                                              Sink sink) {
  auto started = std::make_shared<PartitionedReceive>(port, std::move(partitions), first,
                                                      std::move(receive), std::move(sink));
  started->Begin();
  return started;
}

PartitionedReceive::PartitionedReceive(ReceivePort& port, std::vector<PartitionAddress> partitions,
                                       size_t first, core::Receive receive, Sink sink)
    : port_(port),
      receive_(std::move(receive)),
      partitions_(std::move(partitions)),
      sink_(std::move(sink)) {
  const auto shift = static_cast<std::ptrdiff_t>(first % partitions_.size());
  std::rotate(partitions_.begin(), partitions_.begin() + shift, partitions_.end());
}

void PartitionedReceive::Begin() {
  bool alone = false;
  {
    MutexLock lock(&mu_);
    alone = partitions_.size() == 1;
    repeating_ = !alone && !receive_.attempt_id.empty();
  }
  if (alone) {
    Park();
  } else {
    AskFrom(0);
  }
}

void PartitionedReceive::Cancel() {
  std::vector<std::pair<size_t, RequestId>> requests;
  {
    MutexLock lock(&mu_);
    cancelled_ = true;
    requests = UnansweredLocked();
  }
  // A question that is not parked is answered without delay anyway.
  CancelAll(requests);
}

void PartitionedReceive::AddPartitions(const std::vector<PartitionAddress>& partitions) {
  std::vector<std::pair<size_t, RequestId>> requests;
  {
    MutexLock lock(&mu_);
    // They are never fewer than they were.
    if (closed_ || cancelled_ || partitions.size() <= partitions_.size()) return;
    for (const PartitionAddress& address : partitions) {
      if (std::find(partitions_.begin(), partitions_.end(), address) != partitions_.end()) continue;
      partitions_.push_back(address);
    }
    if (parked_.empty() || in_turns_ || !taken_.empty()) return;
    grown_ = true;
    requests = UnansweredLocked();
  }
  // Once they have ended, it parks anew.
  CancelAll(requests);
}

// ---- In turn ----------------------------------------------------------------------------------------------------------

void PartitionedReceive::AskFrom(size_t i) {
  for (;; ++i) {
    PartitionAddress address;
    {
      MutexLock lock(&mu_);
      if (i >= partitions_.size()) break;
      address = partitions_[i];
    }
    if (port_.IsAtHand(address)) return Ask(i, address);
  }
  EndRound();
}

void PartitionedReceive::Ask(size_t i, const PartitionAddress& address) {
  core::Receive receive = receive_;
  receive.partition = address.partition;
  receive.wait_until = absl::InfinitePast();
  {
    MutexLock lock(&mu_);
    receive.only_repeat = repeating_;
    ++asked_;
  }
  const auto submitted =
      port_.Submit(address, std::move(receive), [self = shared_from_this(), i](core::Reply reply) {
        return self->OnAsked(i, std::move(reply));
      });
  if (!submitted.ok()) OnAsked(i, submitted.status());
}

bool PartitionedReceive::OnAsked(size_t i, core::Reply reply) {
  bool taken = false;
  bool ended = false;
  {
    MutexLock lock(&mu_);
    taken = TakeLocked(i, std::move(reply));
    ended = cancelled_ || (taken && !repeating_);
  }
  if (ended) {
    Finish();
  } else {
    AskFrom(i + 1);
  }
  return taken;
}

void PartitionedReceive::EndRound() {
  bool again = false;
  bool park = false;
  {
    MutexLock lock(&mu_);
    // None was at hand: then all are asked at once, since each may take its time.
    park = taken_.empty() && (asked_ == 0 || receive_.wait_until != absl::InfinitePast());
    again = taken_.empty() && std::exchange(repeating_, false);
    if (again) asked_ = errors_ = 0;
  }
  if (again) {
    AskFrom(0);
  } else if (park) {
    Park();
  } else {
    Finish();
  }
}

// ---- Parked -----------------------------------------------------------------------------------------------------------

void PartitionedReceive::Park() {
  if (receive_.wait_until != absl::InfinitePast() && !std::exchange(watched_, true)) {
    port_.Watch(At(0), shared_from_this());
  }
  const std::vector<size_t> places = ChoosePlaces();
  const absl::Time now = port_.Now();
  int64_t round = 0;
  {
    MutexLock lock(&mu_);
    round = ++round_;
    grown_ = false;
    errors_ = 0;
    asked_ = unanswered_ = places.size();
    parked_.assign(partitions_.size(), {.id = RequestId(), .answered = true});
    for (const size_t i : places) parked_[i].answered = false;
    park_until_ = in_turns_ ? std::min(receive_.wait_until, now + kTurn) : receive_.wait_until;
  }
  const auto most = static_cast<size_t>(receive_.max_messages);
  for (size_t n = 0; n < places.size(); ++n) {
    const size_t share = most / places.size() + (n < most % places.size() ? 1 : 0);
    ParkAt(places[n], static_cast<int32_t>(share), round);
  }
}

std::vector<size_t> PartitionedReceive::ChoosePlaces() {
  std::vector<PartitionAddress> partitions;
  size_t turn = 0;
  {
    MutexLock lock(&mu_);
    partitions = partitions_;
    turn = turn_;
    in_turns_ = partitions.size() > static_cast<size_t>(receive_.max_messages);
  }
  const size_t most = std::min(partitions.size(), static_cast<size_t>(receive_.max_messages));
  std::vector<size_t> places;
  for (size_t n = 0; n < partitions.size() && places.size() < most; ++n) {
    const size_t i = (turn + n) % partitions.size();
    if (most == partitions.size() || port_.IsAtHand(partitions[i])) places.push_back(i);
  }
  for (size_t n = 0; places.empty() && n < most; ++n) places.push_back((turn + n) % partitions.size());
  MutexLock lock(&mu_);
  if (in_turns_) turn_ = places.back() + 1;
  return places;
}

void PartitionedReceive::ParkAt(size_t i, int32_t share, int64_t round) {
  bool needless = false;
  core::Receive receive = receive_;
  PartitionAddress address;
  {
    MutexLock lock(&mu_);
    needless = cancelled_ || grown_ || !taken_.empty();
    address = partitions_[i];
    receive.wait_until = park_until_;
  }
  if (needless) {
    OnParked(i, ReceiveReply{});
    return;
  }
  receive.partition = address.partition;
  receive.max_messages = share;
  const auto submitted =
      port_.Submit(address, std::move(receive), [self = shared_from_this(), i](core::Reply reply) {
        return self->OnParked(i, std::move(reply));
      });
  if (!submitted.ok()) {
    OnParked(i, submitted.status());
    return;
  }
  bool unwanted = false;
  {
    MutexLock lock(&mu_);
    // It may have been answered, and the next round begun.
    if (round_ != round || parked_[i].answered) return;
    parked_[i].id = *submitted;
    unwanted = cancelled_ || grown_ || !taken_.empty();
  }
  if (unwanted) port_.Cancel(address, *submitted);
}

bool PartitionedReceive::OnParked(size_t i, core::Reply reply) {
  bool taken = false;
  bool ended = false;
  bool again = false;
  std::vector<std::pair<size_t, RequestId>> requests;
  {
    MutexLock lock(&mu_);
    parked_[i].answered = true;
    const bool first = taken_.empty();
    taken = TakeLocked(i, std::move(reply));
    if (taken && first) requests = UnansweredLocked();
    ended = --unanswered_ == 0 || taken_messages_ >= static_cast<size_t>(receive_.max_messages);
    again = ended && ParksAgainLocked();
    if (ended && !again) closed_ = true;
  }
  CancelAll(requests);
  if (again) {
    Park();
  } else if (ended) {
    Finish();
  }
  return taken;
}

bool PartitionedReceive::ParksAgainLocked() {
  if (!taken_.empty() || cancelled_) return false;
  const absl::Time now = port_.Now();
  const bool over = now >= receive_.wait_until;
  if (in_turns_) {
    failed_in_a_row_ = errors_ == asked_ ? failed_in_a_row_ + asked_ : 0;
    // Without a wait those that are away are all tried.
    if (failed_in_a_row_ > 0 && (!over || receive_.wait_until == absl::InfinitePast())) {
      return failed_in_a_row_ < partitions_.size();
    }
  }
  if (over) return false;
  // Who leaves ends all waits, also those that would begin now.
  return grown_ || (in_turns_ && now + kClockSlack >= park_until_);
}

std::vector<std::pair<size_t, RequestId>> PartitionedReceive::UnansweredLocked() {
  std::vector<std::pair<size_t, RequestId>> requests;
  for (size_t i = 0; i < parked_.size(); ++i) {
    // One whose number is not known yet is cancelled by whoever parks it.
    if (!parked_[i].answered && parked_[i].id != RequestId()) requests.emplace_back(i, parked_[i].id);
  }
  return requests;
}

void PartitionedReceive::CancelAll(const std::vector<std::pair<size_t, RequestId>>& requests) {
  for (const auto& [i, request] : requests) port_.Cancel(At(i), request);
}

// ---- Answers ----------------------------------------------------------------------------------------------------------

bool PartitionedReceive::TakeLocked(size_t i, core::Reply reply) {
  if (auto* status = std::get_if<absl::Status>(&reply)) {
    // It was cancelled so that it can park anew.
    if (grown_ && absl::IsCancelled(*status)) return false;
    ++errors_;
    error_ = std::move(*status);
    return false;
  }
  ReceiveReply& received = std::get<ReceiveReply>(reply);
  if (received.messages.empty() || closed_ || cancelled_) return false;
  const size_t messages = taken_messages_ + received.messages.size();
  if (!taken_.empty() && messages > static_cast<size_t>(receive_.max_messages)) return false;
  taken_messages_ = messages;
  taken_.push_back({partitions_[i], std::move(received.messages)});
  return true;
}

namespace {

std::vector<std::pair<PartitionAddress, core::ReleaseLease>> ReleasesOf(
    const std::vector<PartitionMessages>& taken) {
  std::vector<std::pair<PartitionAddress, core::ReleaseLease>> releases;
  for (const auto& [address, messages] : taken) {
    core::ReleaseLease release{.partition = address.partition, .receipts = {}};
    for (const core::ReceivedMessage& message : messages) {
      release.receipts.push_back({message.seq, message.receive_count});
    }
    releases.emplace_back(address, std::move(release));
  }
  return releases;
}

}  // namespace

void PartitionedReceive::Finish() {
  Sink sink;
  absl::StatusOr<std::vector<PartitionMessages>> answer = std::vector<PartitionMessages>();
  {
    MutexLock lock(&mu_);
    closed_ = true;
    if (sink_ == nullptr) return;
    sink = std::exchange(sink_, nullptr);
    if (in_turns_ ? failed_in_a_row_ >= partitions_.size() : errors_ > 0 && errors_ == asked_) answer = error_;
    // taken_ itself stays as it is: it says that what is parked is not needed any more.
    if (!taken_.empty()) answer = taken_;
  }
  // Harmless for one that was never parked.
  if (receive_.wait_until != absl::InfinitePast()) port_.Unwatch(At(0), this);
  std::vector<std::pair<PartitionAddress, core::ReleaseLease>> releases;
  if (answer.ok()) releases = ReleasesOf(*answer);
  if (sink(std::move(answer))) return;
  for (auto& [address, release] : releases) port_.Release(address, std::move(release));
}

}  // namespace weir::queue::engine
