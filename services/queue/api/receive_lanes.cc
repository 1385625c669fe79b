#include "services/queue/api/receive_lanes.h"

#include <algorithm>

namespace weir::queue::api {
namespace {

// A receive waits so long for messages before it is sent anew: alone; beside others; and where others wait for its credit.
constexpr absl::Duration kWait = absl::Seconds(20);
constexpr absl::Duration kWaitBesideOthers = absl::Seconds(5);
constexpr absl::Duration kWaitScarce = absl::Milliseconds(250);
// All receives together ask for so many, or for what comes to so many bytes if the next messages are as large as the last ones were.
constexpr int64_t kMessagesMin = 4;
constexpr int64_t kMessagesMax = 1'000;
constexpr int64_t kBytes = 2 << 20;
// Of the credit, what waits in vain may hold one part in so many.
constexpr int64_t kWaitingPart = 4;
constexpr absl::Duration kPauseMin = absl::Milliseconds(20);
constexpr absl::Duration kPauseMax = absl::Seconds(1);

}  // namespace

void ReceiveLanes::Grow(size_t lanes) {
  if (lanes > lanes_.size()) lanes_.resize(lanes);
}

std::optional<size_t> ReceiveLanes::NextIdle() const {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    const size_t lane = (turn_ + i) % lanes_.size();
    if (lanes_[lane].phase == Phase::kIdle) return lane;
  }
  return std::nullopt;
}

int64_t ReceiveLanes::CountIdle() const {
  return std::count_if(lanes_.begin(), lanes_.end(),
                       [](const Lane& lane) { return lane.phase == Phase::kIdle; });
}

std::optional<ReceiveLanes::Ask> ReceiveLanes::Begin(int64_t credit, int64_t message_bytes) {
  const int64_t free = credit - set_aside_;
  const std::optional<size_t> next = free > 0 ? NextIdle() : std::nullopt;
  if (!next.has_value()) return std::nullopt;
  const auto count = static_cast<int64_t>(lanes_.size());
  Lane& lane = lanes_[*next];
  Ask ask{.lane = *next, .messages = free, .wait = kWait};
  if (count > 1 && lane.found_nothing) {
    ask.messages = credit / (kWaitingPart * count);
    ask.wait = credit < 2 * count ? kWaitScarce : kWaitBesideOthers;
  } else if (count > 1) {
    ask.messages = free / CountIdle();
    ask.wait = absl::ZeroDuration();
  }
  const int64_t room = std::max(kMessagesMin, kBytes / std::max<int64_t>(message_bytes, 1)) / count;
  ask.messages = std::clamp<int64_t>(std::min({ask.messages, room, kMessagesMax}), 1, free);
  turn_ = (*next + 1) % lanes_.size();
  lane.phase = Phase::kRunning;
  lane.set_aside = ask.messages;
  set_aside_ += ask.messages;
  return ask;
}

void ReceiveLanes::End(size_t lane, size_t messages) {
  Lane& ended = lanes_[lane];
  set_aside_ -= ended.set_aside;
  ended = {.found_nothing = messages == 0};
}

absl::Duration ReceiveLanes::Pause(size_t lane) {
  Lane& paused = lanes_[lane];
  set_aside_ -= paused.set_aside;
  paused.set_aside = 0;
  paused.phase = Phase::kPausing;
  paused.pause = std::clamp(2 * paused.pause, kPauseMin, kPauseMax);
  return paused.pause;
}

void ReceiveLanes::Resume(size_t lane) { lanes_[lane].phase = Phase::kIdle; }

}  // namespace weir::queue::api
