// The gRPC calls in progress, so that they can be ended early and waited for. Thread-safe.
#pragma once

#include <grpcpp/client_context.h>

#include <memory>
#include <unordered_set>

#include "absl/base/thread_annotations.h"
#include "libs/base/mutex.h"

namespace weir::gateway::sqs {

struct RunningCall {
  grpc::ClientContext context;
  // It waits for messages, and may as well end without.
  bool long_poll = false;
};

class RunningCalls {
 public:
  // False: long polls end at once from now on, so this one is not to be made.
  bool Add(std::shared_ptr<RunningCall> call) {
    MutexLock lock(&mu_);
    if (draining_ && call->long_poll) return false;
    calls_.insert(std::move(call));
    return true;
  }
  void Remove(const std::shared_ptr<RunningCall>& call) {
    MutexLock lock(&mu_);
    calls_.erase(call);
  }
  bool draining() const {
    MutexLock lock(&mu_);
    return draining_;
  }
  void EndLongPolls() {
    MutexLock lock(&mu_);
    draining_ = true;
    for (const auto& call : calls_) {
      if (call->long_poll) call->context.TryCancel();
    }
  }
  // Ends them all and waits until each is removed.
  void EndAll() {
    MutexLock lock(&mu_);
    for (const auto& call : calls_) call->context.TryCancel();
    mu_.Await([this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return calls_.empty(); });
  }

 private:
  mutable Mutex mu_;
  std::unordered_set<std::shared_ptr<RunningCall>> calls_ ABSL_GUARDED_BY(mu_);
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace weir::gateway::sqs
