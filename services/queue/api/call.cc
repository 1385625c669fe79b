#include "services/queue/api/call.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/mutex.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

class BlockingCall final : public grpcx::UnaryCall {
 public:
  BlockingCall(Context& context, grpc::CallbackServerContext* grpc_context,
               absl::string_view method, std::function<absl::Status(absl::Time)> work)
      : UnaryCall(grpc_context, context.metrics.Method(method)), work_(std::move(work)) {
    const bool posted = context.blocking.Post([this, &context] { Finish(Work(context)); });
    if (!posted) {
      Finish(MakeError(ErrorReason::kOverloaded,
                       "Too many calls that create, change or list queues are waiting; slow down "
                       "and try again."));
    }
  }

 private:
  absl::Status Work(Context& context) {
    absl::Status status = work_(deadline());
    const ErrorReason reason = ReasonOf(status);
    if (reason != ErrorReason::kQueueDoesNotExist && reason != ErrorReason::kResourceNotFound) return status;
    auto looked = std::make_shared<Notification>();
    const bool looks =
        context.engine.RefreshForUnknownQueue([looked](const absl::Status&) { looked->Notify(); });
    if (!looks || !looked->WaitForNotificationWithTimeout(deadline() - absl::Now())) return status;
    return work_(deadline());
  }

  const std::function<absl::Status(absl::Time)> work_;
};

}  // namespace

absl::Status QueueDoesNotExist(const store::QueueName& name) {
  return MakeError(ErrorReason::kQueueDoesNotExist,
                   absl::StrCat("Queue \"", name.name, "\" does not exist in account ",
                                name.account, ", region ", name.region, "."),
                   {{"queue", name.name}});
}

absl::StatusOr<engine::QueueInfoPtr> FindQueue(Context& context, const v1::QueueRef& ref,
                                               absl::string_view field) {
  WEIR_ASSIGN_OR_RETURN(const store::QueueName name, CheckQueueRef(ref, field));
  engine::QueueInfoPtr queue = context.engine.registry().Find(name);
  if (queue == nullptr) return QueueDoesNotExist(name);
  return queue;
}

void FillFailure(absl::string_view id, const absl::Status& status, v1::BatchFailure& failure) {
  const ErrorReason reason = ReasonOf(status);
  failure.set_id(std::string(id));
  failure.set_reason(static_cast<common::v1::ErrorReason>(reason));
  failure.set_message(std::string(status.message()));
  failure.set_sender_fault(ErrorInfoOf(reason).sender_fault);
}

grpc::ServerUnaryReactor* RunBlocking(Context& context, grpc::CallbackServerContext* grpc_context,
                                      absl::string_view method,
                                      std::function<absl::Status(absl::Time)> work) {
  return new BlockingCall(context, grpc_context, method, std::move(work));
}

}  // namespace weir::queue::api
