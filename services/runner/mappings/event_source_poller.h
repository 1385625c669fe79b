// Feeds one function from one queue: receives messages while a worker is free for them, invokes, deletes what succeeded.
//
// A poller has lanes, each a thread with one batch at a time. The first lane always lives; when the queue is quiet it is one parked
// long poll. A lane whose batch came out full starts another one, and those end when the queue has no more, when no worker is
// free, or when the function fails: so work in progress grows with the backlog and falls back to one batch.
//
// No slot is held while a lane waits for messages: an idle mapping takes nothing from those who invoke the function directly. The
// slot is taken before a receive that does not wait; after a long poll it is waited for, up to half the messages' visibility
// timeout. Messages that could not be processed are left to that timeout, as the semantics of a failed batch are.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "services/runner/core/types.h"
#include "services/runner/engine/invoker.h"
#include "services/runner/mappings/concurrency_share.h"
#include "services/runner/mappings/mapping_status.h"
#include "services/runner/mappings/queue_client.h"
#include "services/runner/mappings/stop_signal.h"
#include "services/runner/store/runner_store.h"

namespace weir::runner::mappings {

// What mappings measure. Thread-safe.
class MappingMetrics {
 public:
  virtual ~MappingMetrics() = default;
  virtual void Received(const core::Mapping& mapping, size_t messages) = 0;
  // Of a batch that was given to the function: `failed` of its messages are to be received again.
  virtual void BatchEnded(const core::Mapping& mapping, size_t messages, size_t failed) = 0;
  // Messages that succeeded but could not be deleted: they will be received again.
  virtual void DeletesFailed(const core::Mapping& mapping, size_t messages) = 0;
};

// Shared by all pollers; outlives them.
struct PollerContext {
  store::FunctionStore& functions;
  engine::Invoker& invoker;
  QueueClient& queues;
  ConcurrencyShare& share;
  MappingMetrics& metrics;
  absl::Duration poll_wait = absl::Seconds(20);
  absl::Duration backoff_min = absl::Milliseconds(200);
  absl::Duration backoff_max = absl::Seconds(10);
};

class EventSourcePoller {
 public:
  // REQUIRES: mapping.event_source_arn is a queue's ARN.
  EventSourcePoller(const PollerContext& context, core::Mapping mapping,
                    std::shared_ptr<MappingStatus> status);
  ~EventSourcePoller();  // stops, and waits for the batches in work

  void Start();
  // Ends the polls; batches in work go on to their end. Does not wait.
  void BeginStop() { stop_.Stop(); }
  // No lane runs any more.
  bool finished() const;

 private:
  using Messages = std::vector<queue::v1::ReceivedMessage>;
  // The right to run one batch.
  struct Permit {
    ConcurrencyShare::Token token;
    engine::Slot slot;
  };
  enum class Round { kWorked, kFailed, kIdle, kObstacle };

  void StartLane(bool extra);
  void RunLane(bool extra);
  Round PollOnce(bool extra);
  Round Obstacle(const absl::Status& status, bool extra);
  absl::StatusOr<Messages> Receive(size_t max, absl::Duration wait);
  // DEADLINE_EXCEEDED, CANCELLED when stopping, or the invoker's error.
  absl::StatusOr<Permit> AcquirePermit(const core::Function& function, absl::Time deadline);
  // Adds to `messages` until the batch is full or its window ends.
  void Gather(const core::Function& function, Messages& messages);
  Round Process(core::FunctionPtr function, std::optional<Permit> permit, const Messages& messages);
  // False: the batch, or a part of it, failed.
  bool ProcessBatch(core::FunctionPtr function, std::optional<Permit> permit,
                    absl::Span<const queue::v1::ReceivedMessage> batch, const std::string& event);
  absl::StatusOr<core::InvocationResult> Invoke(const core::FunctionPtr& function,
                                                std::optional<Permit> permit,
                                                const std::string& event, absl::Time give_up_at);
  // How many are left undeleted.
  size_t Delete(std::vector<std::string> handles, absl::Time visible_at);
  size_t DeleteChunk(std::vector<std::string> handles, absl::Time visible_at);
  void GiveBack(absl::Span<const queue::v1::ReceivedMessage> messages);

  const PollerContext context_;
  const core::Mapping mapping_;
  const queue::v1::QueueRef queue_;
  const std::shared_ptr<MappingStatus> status_;
  StopSignal stop_;

  mutable Mutex mu_;
  int running_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::thread> lanes_ ABSL_GUARDED_BY(mu_);     // running, or about to be in ended_
  std::vector<std::thread> ended_ ABSL_GUARDED_BY(mu_);     // to be joined
};

}  // namespace weir::runner::mappings
