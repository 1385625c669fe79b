#include "services/queue/store/faulty/fault_injector.h"

#include <optional>

#include "absl/time/clock.h"

namespace weir::queue::store {
namespace {

// Takes the next entry of a script; nullopt when it is at its end.
template <typename Fault>
std::optional<Fault> PopFront(std::deque<Fault>& script) {
  if (script.empty()) return std::nullopt;
  const Fault fault = script.front();
  script.pop_front();
  return fault;
}

}  // namespace

FaultInjector::FaultInjector(uint64_t seed, FaultChances chances)
    : seed_(seed), chances_(chances) {}

void FaultInjector::ScriptAppends(absl::Span<const AppendFault> faults) {
  MutexLock lock(&mu_);
  append_script_.insert(append_script_.end(), faults.begin(), faults.end());
}

void FaultInjector::ScriptCalls(FaultPoint point, absl::Span<const CallFault> faults) {
  MutexLock lock(&mu_);
  auto& script = call_scripts_[point];
  script.insert(script.end(), faults.begin(), faults.end());
}

void FaultInjector::Heal() {
  MutexLock lock(&mu_);
  chances_ = {};
  append_script_.clear();
  call_scripts_.clear();
  hold_ = false;
}

void FaultInjector::SetChances(const FaultChances& chances) {
  MutexLock lock(&mu_);
  chances_ = chances;
}

void FaultInjector::HoldAppends() {
  MutexLock lock(&mu_);
  hold_ = true;
}

void FaultInjector::ResumeAppends() {
  MutexLock lock(&mu_);
  hold_ = false;
}

void FaultInjector::AwaitHeldAppend() {
  MutexLock lock(&mu_);
  const auto is_held = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return held_ > 0; };
  mu_.Await(is_held);
}

int64_t FaultInjector::injected() const {
  MutexLock lock(&mu_);
  return injected_;
}

AppendFault FaultInjector::NextAppend(int64_t stream) {
  MutexLock lock(&mu_);
  const std::optional<AppendFault> scripted = PopFront(append_script_);
  const AppendFault fault = scripted.has_value() ? *scripted : DrawAppend(stream);
  if (fault != AppendFault::kNone) ++injected_;
  return fault;
}

AppendFault FaultInjector::DrawAppend(int64_t stream) {
  double draw = Draw(stream);
  const auto hits = [&draw](double chance) {
    const bool hit = draw < chance;
    draw -= chance;
    return hit;
  };
  if (hits(chances_.rejected)) return AppendFault::kRejected;
  if (hits(chances_.in_doubt_written)) return AppendFault::kInDoubtWritten;
  if (hits(chances_.in_doubt_not_written)) return AppendFault::kInDoubtNotWritten;
  if (hits(chances_.fenced)) return AppendFault::kFenced;
  return AppendFault::kNone;
}

CallFault FaultInjector::NextCall(FaultPoint point, int64_t stream) {
  MutexLock lock(&mu_);
  CallFault fault = CallFault::kNone;
  const std::optional<CallFault> scripted = PopFront(call_scripts_[point]);
  if (scripted.has_value()) {
    fault = *scripted;
  } else if (const double draw = Draw(stream), chance = ChanceOf(point); draw < chance) {
    const bool may_be_done = point != FaultPoint::kRead && point != FaultPoint::kOpen;
    fault = may_be_done && draw < chance / 2 ? CallFault::kDoneButFailed : CallFault::kFailed;
  }
  if (fault != CallFault::kNone) ++injected_;
  return fault;
}

void FaultInjector::Delay(int64_t stream) {
  absl::Duration delay;
  {
    MutexLock lock(&mu_);
    if (Draw(stream) < chances_.slow) delay = chances_.slow_time;
    if (hold_) {
      ++held_;
      const auto goes_on = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !hold_; };
      mu_.Await(goes_on);
      --held_;
    }
  }
  if (delay > absl::ZeroDuration()) absl::SleepFor(delay);
}

std::mt19937_64& FaultInjector::Generator(int64_t stream) {
  auto [it, is_new] = generators_.try_emplace(stream);
  if (is_new) {
    std::seed_seq seed{static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32),
                       static_cast<uint32_t>(stream)};
    it->second.seed(seed);
  }
  return it->second;
}

double FaultInjector::Draw(int64_t stream) {
  // Not std::uniform_real_distribution: its results differ between standard libraries.
  return static_cast<double>(Generator(stream)() >> 11) * 0x1.0p-53;
}

double FaultInjector::ChanceOf(FaultPoint point) const {
  switch (point) {
    case FaultPoint::kOpen:
      return chances_.open;
    case FaultPoint::kRead:
      return chances_.read;
    case FaultPoint::kSegment:
      return chances_.segment;
    case FaultPoint::kLease:
      return chances_.lease;
    case FaultPoint::kRegistry:
      return chances_.registry;
    case FaultPoint::kMoveTasks:
      return chances_.move_tasks;
  }
  return 0;
}

}  // namespace weir::queue::store
