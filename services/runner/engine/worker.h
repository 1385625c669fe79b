// One worker: a process of one function revision under its supervisor, its runtime API, its log,
// and the invocation it has.
//
//   starting --/next--> idle --Assign--> busy --answer--> answered --/next--> idle
//        \________________\________________\_________________\______ End, exit ______> ending --no
//        process left--> ended
//
// Invariants:
// - It has a call exactly from Assign (or Start) until Finish, and every call is finished, whatever
// happens.
// - `answered` lasts from the answer to the next /next: only then is the worker ready for another
// call.
// - Every way to `ended` leads over the supervisor's end, which means that no process of the worker
// is left.
//
// Lives on the io_context's thread; nothing here blocks.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/runner/core/types.h"
#include "services/runner/engine/code_cache.h"
#include "services/runner/engine/invoker.h"
#include "services/runner/engine/runtimes.h"

namespace boost::asio {
class io_context;
}

namespace weir::runner::engine {

// One invocation, between the thread that waits for it and the io_context's.
class Call {
 public:
  enum class State { kLooking, kNeedsWorker, kAssigned, kDone };

  Call(core::FunctionPtr function, InvokeRequest request, std::string request_id)
      : function(std::move(function)),
        request(std::move(request)),
        request_id(std::move(request_id)) {}

  // No warm worker is there: the waiting thread is to get the code for a new one.
  void NeedsWorker() { Set(State::kNeedsWorker); }
  void Assigned() { Set(State::kAssigned); }
  void Finish(absl::StatusOr<core::InvocationResult> outcome) {
    MutexLock lock(&mu_);
    result_ = std::move(outcome);
    state_ = State::kDone;
    changed_.SignalAll();
  }

  // Until a worker has it, or one is needed.
  State AwaitLook() {
    MutexLock lock(&mu_);
    while (state_ == State::kLooking) changed_.Wait(&mu_);
    return state_;
  }
  absl::StatusOr<core::InvocationResult> AwaitResult() {
    MutexLock lock(&mu_);
    while (state_ != State::kDone) changed_.Wait(&mu_);
    return std::move(result_);
  }

  const core::FunctionPtr function;
  InvokeRequest request;  // the io_context's thread takes the payload out
  const std::string request_id;

 private:
  void Set(State state) {
    MutexLock lock(&mu_);
    state_ = state;
    changed_.SignalAll();
  }

  Mutex mu_;
  CondVar changed_;
  State state_ ABSL_GUARDED_BY(mu_) = State::kLooking;
  absl::StatusOr<core::InvocationResult> result_ ABSL_GUARDED_BY(mu_) =
      absl::UnknownError("not run");
};
using CallPtr = std::shared_ptr<Call>;

enum class EndReason {
  kNone,  // by itself
  kIdle,
  kRetired,
  kTimeout,
  kInitTimeout,
  kCallerDeadline,
  kOutOfMemory,
  kInitFailed,
  kStopping,
};

class Worker;

// Whom a worker tells. It hears of each worker's end once.
class WorkerOwner {
 public:
  virtual ~WorkerOwner() = default;
  virtual void OnWorkerIdle(const std::shared_ptr<Worker>& worker) = 0;
  // It is being killed, or is gone: it takes no call any more.
  virtual void OnWorkerEnding(const std::shared_ptr<Worker>& worker) = 0;
  // `clean`: the supervisor said itself that no process is left.
  virtual void OnWorkerEnded(const std::shared_ptr<Worker>& worker, bool clean) = 0;
};

struct WorkerOptions {
  FoundRuntime runtime;
  std::string supervisor;
  std::string token;         // of the pool
  std::string worker_token;  // of this worker
  std::string bootstrap;
  std::string temporary_folder;  // belongs to whom the worker runs as
  CodeFolderPtr code;
};

class Worker {
 public:
  virtual ~Worker() = default;

  // Starts a process for that call. References must outlive the worker. An error: nothing was
  // started.
  static absl::StatusOr<std::shared_ptr<Worker>> Start(boost::asio::io_context& io,
                                                       WorkerOptions options, WorkerOwner& owner,
                                                       LogSink& sink, const Clock& clock,
                                                       CallPtr call);

  // REQUIRES: idle.
  virtual void Assign(CallPtr call) = 0;
  // Ends after this time of idleness.
  virtual void ArmIdleTimeout(absl::Duration timeout) = 0;
  // Kills it.
  virtual void End(EndReason reason) = 0;
  // Ends when it is or becomes idle.
  virtual void Retire() = 0;

  virtual bool idle() const = 0;
  virtual bool ending() const = 0;
  virtual bool retired() const = 0;
  virtual const core::Function& function() const = 0;
  virtual WorkerOptions& options() = 0;
};

}  // namespace weir::runner::engine
