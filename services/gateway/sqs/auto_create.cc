#include "services/gateway/sqs/auto_create.h"

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "libs/base/mutex.h"
#include "services/gateway/sqs/queue_name.h"

namespace weir::gateway::sqs {
namespace {

using wire::AwsError;
using wire::CallContext;
using wire::Operation;
using wire::Outcome;
using wire::Service;
using wire::Value;

bool QueueIsMissing(const Outcome& outcome) {
  const auto* error = std::get_if<AwsError>(&outcome);
  return error != nullptr && error->code == "QueueDoesNotExist";
}

// An operation with its second try. Lives as long as the call that it waits for.
class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(StartOnce start, const Operation& operation, const Operation& create, const SqsOptions& options,
          CallContext context, Value input, Service::Done done)
      : start_(std::move(start)), operation_(operation), create_(create), options_(options), context_(std::move(context)),
        input_(std::move(input)), done_(std::move(done)) {}

  void Run() {
    Step(1, operation_, context_, input_, [self = shared_from_this()](Outcome outcome) {
      if (!QueueIsMissing(outcome) || self->cancelled() || !self->MayCreate()) return self->Finish(std::move(outcome));
      self->Create();
    });
  }

  void Cancel() {
    Service::Cancel cancel;
    {
      MutexLock lock(&mu_);
      cancelled_ = true;
      cancel = cancel_;
    }
    if (cancel != nullptr) cancel();
  }

 private:
  queue::v1::QueueRef Queue() const {
    queue::v1::QueueRef queue;
    const Call call{operation_.name, context_, options_, input_};
    if (input_["QueueName"].absent()) {
      SetQueue(call, queue);
    } else {
      SetQueueByName(call, input_["QueueName"].text(), input_["QueueOwnerAWSAccountId"].text(), queue);
    }
    return queue;
  }

  // No policy opens CreateQueue to other accounts.
  bool MayCreate() const { return !context_.verified || Queue().namespace_().account() == context_.account; }

  void Create() {
    const queue::v1::QueueRef queue = Queue();
    // CreateQueue creates in the caller's account; the queue's may be another.
    CallContext owner = context_;
    owner.account = queue.namespace_().account();
    Value input;
    input.Set("QueueName", Value(queue.name()));
    if (absl::EndsWith(queue.name(), ".fifo")) {
      input.Set("Attributes", Value(Value::Fields{{"FifoQueue", Value("true")}}));
    }
    Step(2, create_, owner, std::move(input), [self = shared_from_this()](Outcome outcome) {
      if (std::holds_alternative<AwsError>(outcome)) return self->Finish(std::move(outcome));
      // Whoever asked has gone; the queue was created before that was known, and stays.
      if (self->cancelled()) return self->Finish(wire::FromStatus(absl::CancelledError("The call was cancelled.")));
      self->Step(3, self->operation_, self->context_, std::move(self->input_),
                 [self](Outcome answer) { self->Finish(std::move(answer)); });
    });
  }

  void Step(int number, const Operation& operation, const CallContext& context, Value input, Service::Done next) {
    Service::Cancel cancel = start_(operation, context, std::move(input), std::move(next));
    {
      MutexLock lock(&mu_);
      // It may have ended by now, and the next step begun, on another thread.
      if (number < step_) return;
      step_ = number;
      cancel_ = cancel;
      if (!cancelled_) return;
    }
    cancel();
  }

  bool cancelled() const {
    MutexLock lock(&mu_);
    return cancelled_;
  }

  void Finish(Outcome outcome) { std::exchange(done_, nullptr)(std::move(outcome)); }

  const StartOnce start_;
  const Operation& operation_;
  const Operation& create_;
  const SqsOptions& options_;
  const CallContext context_;
  Value input_;
  Service::Done done_;

  mutable Mutex mu_;
  int step_ ABSL_GUARDED_BY(mu_) = 0;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  Service::Cancel cancel_ ABSL_GUARDED_BY(mu_);  // of the step
};

}  // namespace

Service::Cancel StartCreatingQueue(StartOnce start, const Operation& operation, const Operation& create,
                                   const SqsOptions& options, const CallContext& context, Value input,
                                   Service::Done done) {
  const auto attempt = std::make_shared<Attempt>(std::move(start), operation, create, options, context, std::move(input),
                                                 std::move(done));
  attempt->Run();
  return [weak = std::weak_ptr<Attempt>(attempt)] {
    if (const auto alive = weak.lock()) alive->Cancel();
  };
}

}  // namespace weir::gateway::sqs
