// The gRPC calls in progress, so that they can be ended early and waited for. Thread-safe.
#pragma once

#include <grpcpp/client_context.h>

#include <memory>
#include <unordered_set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "libs/base/mutex.h"

namespace weir::gateway::sqs {

struct RunningCall {
  virtual ~RunningCall() = default;
  // From any thread, also before it begins.
  virtual void TryCancel() { context.TryCancel(); }

  grpc::ClientContext context;
  // It waits for messages, and may as well end without.
  bool long_poll = false;
};

class RunningCalls {
 public:
  // `call` lives until its Remove, and after EndAll began it is cancelled from its start. False: long polls end at once from now on, so
  // this one is not to be made.
  bool Add(RunningCall& call) {
    MutexLock lock(&mu_);
    if (draining_ && call.long_poll) return false;
    calls_.insert(&call);
    if (ended_) call.TryCancel();
    return true;
  }
  // Lets go of the call before it counts as removed: a call holds its channel, and gRPC's threads cannot end the channel themselves, so
  // whoever waits in EndAll must be the last to hold it.
  void Remove(std::shared_ptr<RunningCall> call) {
    {
      MutexLock lock(&mu_);
      calls_.erase(call.get());
      ++leaving_;
    }
    call.reset();
    MutexLock lock(&mu_);
    --leaving_;
  }
  bool draining() const {
    MutexLock lock(&mu_);
    return draining_;
  }
  void EndLongPolls() {
    MutexLock lock(&mu_);
    draining_ = true;
    for (RunningCall* call : calls_) {
      if (call->long_poll) call->TryCancel();
    }
  }
  // Ends them all and waits until each is removed.
  void EndAll() {
    MutexLock lock(&mu_);
    ended_ = true;
    for (RunningCall* call : calls_) call->TryCancel();
    mu_.Await([this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return calls_.empty() && leaving_ == 0; });
  }

 private:
  mutable Mutex mu_;
  std::unordered_set<RunningCall*> calls_ ABSL_GUARDED_BY(mu_);
  int leaving_ ABSL_GUARDED_BY(mu_) = 0;
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace weir::gateway::sqs
