// Running functions: what the API and the event source mappings need of the workers.
//
// Thread-safe. Every worker is a process of one function revision; it takes one invocation at a time and is kept warm afterwards.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/runner/core/types.h"

namespace weir::runner::engine {

// Where the code of a function comes from. Thread-safe; blocks, until `deadline` at the latest.
class CodeSource {
 public:
  virtual ~CodeSource() = default;
  // The code of that revision; NOT_FOUND when it has been replaced or deleted.
  virtual absl::StatusOr<core::FunctionCode> ReadCode(core::FunctionId function,
                                                      core::Revision revision,
                                                      absl::Time deadline) = 0;
};

// Where lines of logs go. Thread-safe; must not block: it takes lines into a bounded buffer.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void Append(std::vector<core::LogLine> lines) = 0;
};

// What invocations measure. Thread-safe.
class InvokerMetrics {
 public:
  virtual ~InvokerMetrics() = default;
  virtual void Invoked(const core::Function& function, core::InvocationOutcome outcome,
                       absl::Duration took, bool cold_start) = 0;
  virtual void Refused(const core::Function& function) = 0;  // TOO_MANY_REQUESTS
};

// A runtime as it was found at start.
struct RuntimeInfo {
  std::string name;
  std::string interpreter;  // absolute; empty: not found
  std::string version;      // "3.12.1"
  bool available = false;
  std::string unavailable_reason;
};

class Invoker;

// The right to run one invocation of a function: counted against the function's limit and the runner's. Given back by its end.
class Slot {
 public:
  Slot() = default;
  Slot(Invoker* invoker, core::FunctionId function) : invoker_(invoker), function_(function) {}
  Slot(Slot&& other) noexcept
      : invoker_(std::exchange(other.invoker_, nullptr)), function_(other.function_) {}
  Slot& operator=(Slot&& other) noexcept;
  ~Slot();

  core::FunctionId function() const { return function_; }

 private:
  Invoker* invoker_ = nullptr;
  core::FunctionId function_;
};

struct InvokeRequest {
  std::string payload;  // JSON
  // When the caller stops waiting: then the worker is stopped and the answer is DEADLINE_EXCEEDED.
  absl::Time deadline = absl::InfiniteFuture();
};

class Invoker {
 public:
  virtual ~Invoker() = default;

  // A slot if one is free now; else TOO_MANY_REQUESTS.
  virtual absl::StatusOr<Slot> TryAcquireSlot(const core::Function& function) = 0;
  // Waits for one: DEADLINE_EXCEEDED at `deadline`, SHUTTING_DOWN when stopping.
  virtual absl::StatusOr<Slot> AcquireSlot(const core::Function& function, absl::Time deadline) = 0;

  // Runs the function to its end, in a warm worker or a new one. Blocks for at most the function's timeout plus the start of a
  // worker. OK: it ran, and the outcome tells how it went. Errors: nothing ran (RUNTIME_UNAVAILABLE, store errors of the
  // CodeSource, SHUTTING_DOWN), or the caller's deadline ended the wait.
  virtual absl::StatusOr<core::InvocationResult> Invoke(Slot slot, core::FunctionPtr function,
                                                        InvokeRequest request) = 0;

  // Idle workers of other revisions than this one end now, busy ones after their invocation. Revision(): of all revisions.
  virtual void Retire(core::FunctionId function, core::Revision keep) = 0;

  virtual const std::vector<RuntimeInfo>& runtimes() const = 0;

  // No new invocation starts; those that run have `drain` to end, then every worker is killed. May be called twice.
  virtual void Stop(absl::Duration drain) = 0;

 private:
  friend class Slot;
  virtual void ReleaseSlot(core::FunctionId function) = 0;
};

inline Slot& Slot::operator=(Slot&& other) noexcept {
  if (this != &other) {
    if (invoker_ != nullptr) invoker_->ReleaseSlot(function_);
    invoker_ = std::exchange(other.invoker_, nullptr);
    function_ = other.function_;
  }
  return *this;
}

inline Slot::~Slot() {
  if (invoker_ != nullptr) invoker_->ReleaseSlot(function_);
}

}  // namespace weir::runner::engine
