#include "services/queue/engine/partitioned_receive.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace weir::queue::engine {

using core::PartitionAddress;
using core::ReceiveReply;
using core::RequestId;

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
  std::vector<size_t> added;
  {
    MutexLock lock(&mu_);
    // They are never fewer than they were.
    if (closed_ || cancelled_ || partitions.size() <= partitions_.size()) return;
    for (const PartitionAddress& address : partitions) {
      if (std::find(partitions_.begin(), partitions_.end(), address) != partitions_.end()) continue;
      partitions_.push_back(address);
      if (parked_.empty()) continue;  // its turn comes
      added.push_back(parked_.size());
      parked_.emplace_back();
      ++unanswered_;
      ++asked_;
    }
  }
  for (const size_t i : added) ParkAt(i);
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
  size_t count = 0;
  {
    MutexLock lock(&mu_);
    errors_ = 0;
    count = asked_ = unanswered_ = partitions_.size();
    parked_.resize(count);
  }
  if (receive_.wait_until != absl::InfinitePast()) port_.Watch(At(0), shared_from_this());
  for (size_t i = 0; i < count; ++i) ParkAt(i);
}

void PartitionedReceive::ParkAt(size_t i) {
  bool needless = false;
  {
    MutexLock lock(&mu_);
    needless = cancelled_ || !taken_.empty();
  }
  if (needless) {
    OnParked(i, ReceiveReply{});
    return;
  }
  const PartitionAddress address = At(i);
  core::Receive receive = receive_;
  receive.partition = address.partition;
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
    parked_[i].id = *submitted;
    unwanted = !parked_[i].answered && (cancelled_ || !taken_.empty());
  }
  if (unwanted) port_.Cancel(address, *submitted);
}

bool PartitionedReceive::OnParked(size_t i, core::Reply reply) {
  bool taken = false;
  bool ended = false;
  std::vector<std::pair<size_t, RequestId>> requests;
  {
    MutexLock lock(&mu_);
    parked_[i].answered = true;
    const bool first = taken_.empty();
    taken = TakeLocked(i, std::move(reply));
    if (taken && first) requests = UnansweredLocked();
    ended = --unanswered_ == 0 || taken_messages_ >= static_cast<size_t>(receive_.max_messages);
    if (ended) closed_ = true;
  }
  CancelAll(requests);
  if (ended) Finish();
  return taken;
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
    if (errors_ > 0 && errors_ == asked_) answer = error_;
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
