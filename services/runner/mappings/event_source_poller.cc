#include "services/runner/mappings/event_source_poller.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"
#include "services/runner/mappings/batch_response.h"
#include "services/runner/mappings/sqs_event.h"

namespace weir::runner::mappings {
namespace {

constexpr size_t kReceiveMax = 10;
constexpr size_t kEventBytesMax = size_t{6} << 20;
constexpr int kLanesMax = 1'000;
constexpr absl::Duration kCallTimeout = absl::Seconds(10);
// How often one who waits for a slot looks whether it shall stop.
constexpr absl::Duration kSlotPatience = absl::Seconds(1);

absl::Time VisibleAt(const queue::v1::ReceivedMessage& message) {
  return absl::FromUnixMillis(
      google::protobuf::util::TimeUtil::TimestampToMilliseconds(message.visible_at()));
}

absl::Time EarliestVisibleAt(absl::Span<const queue::v1::ReceivedMessage> messages) {
  absl::Time earliest = absl::InfiniteFuture();
  for (const auto& message : messages) earliest = std::min(earliest, VisibleAt(message));
  return earliest;
}

// The first half of what is left of the visibility timeout may be spent waiting, the second belongs to the function.
absl::Time HalfWayTo(absl::Time visible_at) {
  const absl::Time now = absl::Now();
  return now + std::max(absl::ZeroDuration(), (visible_at - now) / 2);
}

}  // namespace

EventSourcePoller::EventSourcePoller(const PollerContext& context, core::Mapping mapping,
                                     std::shared_ptr<MappingStatus> status)
    : context_(context),
      mapping_(std::move(mapping)),
      queue_(ParseQueueArn(mapping_.event_source_arn).value_or(queue::v1::QueueRef())),
      status_(std::move(status)) {}

EventSourcePoller::~EventSourcePoller() {
  BeginStop();
  std::vector<std::thread> ended;
  {
    MutexLock lock(&mu_, [this] { return running_ == 0; });
    ended = std::move(ended_);
  }
  for (std::thread& thread : ended) thread.join();
}

void EventSourcePoller::Start() { StartLane(/*extra=*/false); }

bool EventSourcePoller::finished() const {
  MutexLock lock(&mu_);
  return running_ == 0;
}

void EventSourcePoller::StartLane(bool extra) {
  const int max = mapping_.config.maximum_concurrency == 0 ? kLanesMax
                                                           : mapping_.config.maximum_concurrency;
  std::vector<std::thread> ended;
  {
    MutexLock lock(&mu_);
    ended = std::move(ended_);
    ended_.clear();
    if (running_ < max && !stop_.stopped()) {
      ++running_;
      lanes_.emplace_back([this, extra] { RunLane(extra); });
    }
  }
  for (std::thread& thread : ended) thread.join();
}

void EventSourcePoller::RunLane(bool extra) {
  absl::Duration backoff = context_.backoff_min;
  while (!stop_.stopped()) {
    const Round round = PollOnce(extra);
    if (round == Round::kObstacle && !extra) {
      stop_.WaitFor(backoff);
      backoff = std::min(backoff * 2, context_.backoff_max);
      continue;
    }
    backoff = context_.backoff_min;
    // With failures reported one by one the function is in charge, and is given no less for them.
    const bool slow_down =
        round == Round::kFailed && !mapping_.config.report_batch_item_failures;
    if (extra && (round != Round::kWorked || slow_down)) break;
  }
  MutexLock lock(&mu_);
  const auto self = std::find_if(lanes_.begin(), lanes_.end(), [](const std::thread& lane) {
    return lane.get_id() == std::this_thread::get_id();
  });
  ended_.push_back(std::move(*self));
  lanes_.erase(self);
  --running_;
}

EventSourcePoller::Round EventSourcePoller::Obstacle(const absl::Status& status, bool extra) {
  // The first lane will meet it as well, and it alone tells.
  if (!extra && !stop_.stopped()) status_->SetObstacle(std::string(status.message()));
  return Round::kObstacle;
}

EventSourcePoller::Round EventSourcePoller::PollOnce(bool extra) {
  auto function = context_.functions.FindFunction(mapping_.function, absl::Now() + kCallTimeout);
  if (!function.ok()) return Obstacle(function.status(), extra);
  auto acquired = AcquirePermit(**function, extra ? absl::Now() : absl::InfiniteFuture());
  if (!acquired.ok()) return Obstacle(acquired.status(), extra);
  std::optional<Permit> permit = *std::move(acquired);

  const size_t max = std::min<size_t>(kReceiveMax, mapping_.config.batch_size);
  auto messages = Receive(max, absl::ZeroDuration());
  if (messages.ok() && messages->empty() && !extra) {
    permit.reset();
    status_->SetObstacle("");
    messages = Receive(max, context_.poll_wait);
  }
  if (!messages.ok()) return Obstacle(messages.status(), extra);
  if (!extra) status_->SetObstacle("");
  if (messages->empty()) return Round::kIdle;
  if (!permit.has_value()) {
    // The long poll may have outlasted a deployment, and what was deployed is what runs from then on.
    function = context_.functions.FindFunction(mapping_.function, absl::Now() + kCallTimeout);
    if (!function.ok()) {
      GiveBack(*messages);
      return Obstacle(function.status(), extra);
    }
  }

  size_t full = max;
  if (messages->size() < static_cast<size_t>(mapping_.config.batch_size) &&
      mapping_.config.maximum_batching_window > absl::ZeroDuration()) {
    permit.reset();
    Gather(**function, *messages);
    full = static_cast<size_t>(mapping_.config.batch_size);
  }
  if (messages->size() >= full) StartLane(/*extra=*/true);
  return Process(*std::move(function), std::move(permit), *messages);
}

absl::StatusOr<EventSourcePoller::Messages> EventSourcePoller::Receive(size_t max,
                                                                       absl::Duration wait) {
  auto messages = context_.queues.Receive(queue_, static_cast<int>(max), wait, stop_);
  if (messages.ok() && !messages->empty()) context_.metrics.Received(mapping_, messages->size());
  return messages;
}

absl::StatusOr<EventSourcePoller::Permit> EventSourcePoller::AcquirePermit(
    const core::Function& function, absl::Time deadline) {
  while (!stop_.stopped()) {
    auto slot = context_.invoker.AcquireSlot(
        function, std::min(deadline, absl::Now() + kSlotPatience));
    if (slot.ok()) {
      // In this order: to wait with a share in hand would keep other mappings from working.
      if (auto token = context_.share.TryAcquire()) return Permit{*std::move(token), *std::move(slot)};
      slot = engine::Slot();
      if (absl::Now() < deadline) context_.share.AwaitFree(kSlotPatience);
    } else if (!absl::IsDeadlineExceeded(slot.status())) {
      return slot.status();
    }
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          "Throttled: no worker was free for function \"", function.name.name, "\" in time."));
    }
  }
  return absl::CancelledError("The mapping stops.");
}

void EventSourcePoller::Gather(const core::Function& function, Messages& messages) {
  const absl::Time until = std::min(absl::Now() + mapping_.config.maximum_batching_window,
                                    HalfWayTo(EarliestVisibleAt(messages)));
  const size_t batch_size = static_cast<size_t>(mapping_.config.batch_size);
  size_t bytes = 0;
  for (const auto& message : messages) bytes += message.ByteSizeLong();
  while (messages.size() < batch_size && bytes < kEventBytesMax && !stop_.stopped()) {
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) return;
    auto more = Receive(std::min(kReceiveMax, batch_size - messages.size()),
                        std::min(left, context_.poll_wait));
    // An error shows again at the next poll; what is there is a batch.
    if (!more.ok()) return;
    for (auto& message : *more) {
      bytes += message.ByteSizeLong();
      messages.push_back(std::move(message));
    }
  }
}

EventSourcePoller::Round EventSourcePoller::Process(core::FunctionPtr function,
                                                    std::optional<Permit> permit,
                                                    const Messages& messages) {
  bool all_succeeded = true;
  std::vector<std::string> records;
  size_t first = 0;
  size_t bytes = 0;
  const auto flush = [&](size_t end) {
    const absl::Span<const queue::v1::ReceivedMessage> batch =
        absl::MakeConstSpan(messages).subspan(first, end - first);
    all_succeeded &= ProcessBatch(function, std::exchange(permit, std::nullopt), batch,
                                  SqsEvent(records));
    records.clear();
    first = end;
    bytes = 0;
  };
  for (size_t i = 0; i < messages.size(); ++i) {
    std::string record =
        SqsRecord(messages[i], mapping_.event_source_arn, queue_.namespace_().region());
    if (!records.empty() && EventBytesWith(bytes, record.size()) > kEventBytesMax) flush(i);
    bytes = EventBytesWith(bytes, record.size());
    records.push_back(std::move(record));
  }
  flush(messages.size());
  return all_succeeded ? Round::kWorked : Round::kFailed;
}

bool EventSourcePoller::ProcessBatch(core::FunctionPtr function, std::optional<Permit> permit,
                                     absl::Span<const queue::v1::ReceivedMessage> batch,
                                     const std::string& event) {
  status_->BatchStarted();
  const absl::Time visible_at = EarliestVisibleAt(batch);
  const auto result = Invoke(function, std::move(permit), event, HalfWayTo(visible_at));
  if (!result.ok()) {
    if (stop_.stopped()) GiveBack(batch);
    context_.metrics.BatchEnded(mapping_, batch.size(), batch.size());
    status_->BatchEnded(std::string(result.status().message()));
    return false;
  }
  std::vector<std::string> ids;
  for (const auto& message : batch) ids.push_back(message.message_id());
  const BatchVerdict verdict =
      JudgeBatch(*result, mapping_.config.report_batch_item_failures, ids);
  std::vector<std::string> done;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (verdict.succeeded[i]) done.push_back(batch[i].receipt_handle());
  }
  context_.metrics.BatchEnded(mapping_, batch.size(), batch.size() - done.size());
  const size_t undeleted = Delete(std::move(done), visible_at);
  std::string outcome = verdict.problem.empty() ? "OK" : verdict.problem;
  if (undeleted > 0) {
    context_.metrics.DeletesFailed(mapping_, undeleted);
    outcome = absl::StrCat("The function succeeded, but ", undeleted,
                           " messages could not be deleted and will be received again.");
  }
  status_->BatchEnded(std::move(outcome));
  return verdict.problem.empty();
}

absl::StatusOr<core::InvocationResult> EventSourcePoller::Invoke(const core::FunctionPtr& function,
                                                                 std::optional<Permit> permit,
                                                                 const std::string& event,
                                                                 absl::Time give_up_at) {
  absl::Duration backoff = context_.backoff_min;
  while (true) {
    if (!permit.has_value()) {
      WEIR_ASSIGN_OR_RETURN(permit, AcquirePermit(*function, give_up_at));
    }
    auto result = context_.invoker.Invoke(std::move(permit->slot), function, {.payload = event});
    permit.reset();
    // Unavailable: nothing ran, and it may be better soon; every receive counts, so these are worth a wait.
    if (result.ok() || !absl::IsUnavailable(result.status())) return result;
    if (absl::Now() + backoff >= give_up_at || stop_.WaitFor(backoff)) return result;
    backoff = std::min(backoff * 2, context_.backoff_max);
  }
}

size_t EventSourcePoller::Delete(std::vector<std::string> handles, absl::Time visible_at) {
  size_t undeleted = 0;
  for (size_t i = 0; i < handles.size(); i += kReceiveMax) {
    const size_t end = std::min(handles.size(), i + kReceiveMax);
    undeleted += DeleteChunk({std::make_move_iterator(handles.begin() + i),
                              std::make_move_iterator(handles.begin() + end)},
                             visible_at);
  }
  return undeleted;
}

size_t EventSourcePoller::DeleteChunk(std::vector<std::string> handles, absl::Time visible_at) {
  absl::Duration backoff = context_.backoff_min;
  size_t refused = 0;
  while (true) {
    const auto failures = context_.queues.Delete(queue_, handles, absl::Now() + kCallTimeout);
    std::vector<std::string> again;
    if (!failures.ok()) {
      if (!absl::IsUnavailable(failures.status()) && !absl::IsDeadlineExceeded(failures.status()) &&
          !absl::IsResourceExhausted(failures.status())) {
        observe::Log(observe::Level::kWarning, "messages could not be deleted",
                     {{"mapping", mapping_.uuid}, {"error", std::string(failures.status().message())}});
        return refused + handles.size();
      }
      again = handles;
    } else {
      for (const auto& failure : *failures) {
        size_t index = 0;
        if (failure.sender_fault() || !absl::SimpleAtoi(failure.id(), &index) ||
            index >= handles.size()) {
          ++refused;
        } else {
          again.push_back(handles[index]);
        }
      }
    }
    handles = std::move(again);
    if (handles.empty()) return refused;
    // When the runner stops there is one more try, for a queue that is only hiccuping.
    const bool stopping = stop_.WaitFor(backoff);
    if (absl::Now() >= visible_at || (stopping && backoff > context_.backoff_min)) {
      return refused + handles.size();
    }
    backoff = std::min(backoff * 2, context_.backoff_max);
  }
}

void EventSourcePoller::GiveBack(absl::Span<const queue::v1::ReceivedMessage> messages) {
  for (size_t i = 0; i < messages.size(); i += kReceiveMax) {
    std::vector<std::string> handles;
    for (size_t j = i; j < std::min(messages.size(), i + kReceiveMax); ++j) {
      handles.push_back(messages[j].receipt_handle());
    }
    const absl::Status status = context_.queues.GiveBack(queue_, handles, absl::Now() + kSlotPatience);
    if (!status.ok()) {
      observe::Log(observe::Level::kInfo, "messages were left to their visibility timeout",
                   {{"mapping", mapping_.uuid}, {"error", std::string(status.message())}});
    }
  }
}

}  // namespace weir::runner::mappings
