#include "services/queue/engine/partitioned_receive.h"

#include <utility>

namespace weir::queue::engine {

using core::ReceiveReply;
using core::RequestId;

std::shared_ptr<PartitionedReceive> PartitionedReceive::Start(ReceivePort& port,
                                                              std::vector<core::PartitionAddress> partitions,
                                                              size_t first, core::Receive receive,
                                                              Sink sink) {
  auto started = std::make_shared<PartitionedReceive>(port, std::move(partitions), first,
                                                      std::move(receive), std::move(sink));
  started->Ask(0);
  return started;
}

PartitionedReceive::PartitionedReceive(ReceivePort& port,
                                       std::vector<core::PartitionAddress> partitions, size_t first,
                                       core::Receive receive, Sink sink)
    : port_(port),
      partitions_(std::move(partitions)),
      first_(first),
      receive_(std::move(receive)),
      sink_(std::move(sink)) {}

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

// ---- In turn ----------------------------------------------------------------------------------------------------------

void PartitionedReceive::Ask(size_t i) {
  core::Receive receive = receive_;
  receive.partition = At(i).partition;
  receive.wait_until = absl::InfinitePast();
  const auto submitted =
      port_.Submit(At(i), std::move(receive), [self = shared_from_this(), i](core::Reply reply) {
        return self->OnAsked(i, std::move(reply));
      });
  if (!submitted.ok()) OnAsked(i, submitted.status());
}

bool PartitionedReceive::OnAsked(size_t i, core::Reply reply) {
  bool taken = false;
  bool ended = false;
  {
    MutexLock lock(&mu_);
    taken = TakeLocked(std::move(reply));
    ended = taken || cancelled_;
  }
  if (ended) {
    Finish();
  } else if (i + 1 < partitions_.size()) {
    Ask(i + 1);
  } else if (receive_.wait_until == absl::InfinitePast()) {
    Finish();
  } else {
    Park();
  }
  return taken;
}

// ---- Parked -----------------------------------------------------------------------------------------------------------

void PartitionedReceive::Park() {
  {
    MutexLock lock(&mu_);
    errors_ = 0;
    parked_.resize(partitions_.size());
    unanswered_ = partitions_.size();
  }
  for (size_t i = 0; i < partitions_.size(); ++i) ParkAt(i);
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
  core::Receive receive = receive_;
  receive.partition = At(i).partition;
  const auto submitted =
      port_.Submit(At(i), std::move(receive), [self = shared_from_this(), i](core::Reply reply) {
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
  if (unwanted) port_.Cancel(At(i), *submitted);
}

bool PartitionedReceive::OnParked(size_t i, core::Reply reply) {
  bool taken = false;
  bool ended = false;
  std::vector<std::pair<size_t, RequestId>> requests;
  {
    MutexLock lock(&mu_);
    parked_[i].answered = true;
    const bool first = taken_.empty();
    taken = TakeLocked(std::move(reply));
    if (taken && first) requests = UnansweredLocked();
    ended = --unanswered_ == 0 || taken_messages_ >= static_cast<size_t>(receive_.max_messages);
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

bool PartitionedReceive::TakeLocked(core::Reply reply) {
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
  taken_.push_back(std::move(received));
  return true;
}

void PartitionedReceive::Finish() {
  Sink sink;
  absl::StatusOr<std::vector<ReceiveReply>> answer = std::vector<ReceiveReply>();
  {
    MutexLock lock(&mu_);
    closed_ = true;
    if (sink_ == nullptr) return;
    sink = std::exchange(sink_, nullptr);
    if (errors_ == partitions_.size()) answer = error_;
    // taken_ itself stays as it is: it says that what is parked is not needed any more.
    if (!taken_.empty()) answer = taken_;
  }
  std::vector<std::pair<core::PartitionAddress, core::ReleaseLease>> releases;
  if (answer.ok()) releases = ReleasesOf(*answer);
  if (sink(std::move(answer))) return;
  for (auto& [address, release] : releases) port_.Release(address, std::move(release));
}

std::vector<std::pair<core::PartitionAddress, core::ReleaseLease>> PartitionedReceive::ReleasesOf(
    const std::vector<ReceiveReply>& replies) const {
  std::vector<std::pair<core::PartitionAddress, core::ReleaseLease>> releases;
  for (const ReceiveReply& reply : replies) {
    core::ReleaseLease release{.partition = reply.partition, .receipts = {}};
    for (const core::ReceivedMessage& message : reply.messages) {
      release.receipts.push_back({message.seq, message.receive_count});
    }
    for (const core::PartitionAddress& address : partitions_) {
      if (address.partition == reply.partition) releases.emplace_back(address, release);
    }
  }
  return releases;
}

}  // namespace weir::queue::engine
