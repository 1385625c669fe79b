#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/mutex.h"
#include "libs/observe/log.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/partitions.h"

namespace weir::queue::api {
namespace {

// Also when the call's own time is over.
constexpr absl::Duration kForgetTimeout = absl::Seconds(2);

// Purges all partitions; `done` is told how many messages were removed, or the error of one that was not purged.
void PurgePartitions(Context& context, const engine::QueueInfo& queue,
                     absl::AnyInvocable<void(absl::StatusOr<int64_t>)> done) {
  std::vector<AddressedCommand> commands;
  for (const core::PartitionAddress& address : queue.record.partitions) {
    commands.emplace_back(address.shard, core::Purge{address.partition});
  }
  SubmitAll(context.engine, std::move(commands),
            [done = std::move(done)](std::vector<core::Reply> replies) mutable {
              int64_t removed = 0;
              for (core::Reply& reply : replies) {
                const auto purged = TakeReply<core::PurgeReply>(std::move(reply));
                if (!purged.ok()) return done(purged.status());
                removed += purged->removed;
              }
              done(removed);
            });
}

class PurgeQueueCall final : public grpcx::UnaryCall {
 public:
  PurgeQueueCall(Context& context, grpc::CallbackServerContext* grpc_context,
                 const v1::PurgeQueueRequest& request, v1::PurgeQueueResponse& response)
      : UnaryCall(grpc_context, context.metrics.Method("PurgeQueue")) {
    Begin(
        context, [this, &context, &request, &response] { return Submit(context, request, response); },
        [this](const absl::Status& status) { Finish(status); });
  }

 private:
  absl::Status Submit(Context& context, const v1::PurgeQueueRequest& request,
                      v1::PurgeQueueResponse& response) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
    PurgePartitions(context, *queue, [this, &response](absl::StatusOr<int64_t> removed) {
      if (removed.ok()) response.set_removed_messages(*removed);
      Finish(removed.status());
    });
    return absl::OkStatus();
  }
};

// How many messages were removed. Blocks, but not beyond `deadline`.
absl::StatusOr<int64_t> PurgeAndWait(Context& context, const engine::QueueInfo& queue,
                                     absl::Time deadline) {
  struct Outcome {
    Notification done;
    absl::StatusOr<int64_t> removed = int64_t{0};
  };
  auto outcome = std::make_shared<Outcome>();  // the reply may come after the deadline
  PurgePartitions(context, queue, [outcome](absl::StatusOr<int64_t> removed) {
    outcome->removed = std::move(removed);
    outcome->done.Notify();
  });
  if (!outcome->done.WaitForNotificationWithTimeout(deadline - absl::Now())) {
    return MakeError(ErrorReason::kDeadlineExceeded,
                     absl::StrCat("The purge of queue \"", queue.record.name.name,
                                  "\" has not ended in time; it may still be carried out."));
  }
  return outcome->removed;
}

// Under the 60-second rules.
absl::Status PurgeRarely(Context& context, const v1::PurgeQueueRequest& request,
                         v1::PurgeQueueResponse& response, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
  engine::Registry& registry = context.engine.registry();
  WEIR_RETURN_IF_ERROR(registry.BeginPurge(*queue, store::kRestMax, deadline));
  const absl::StatusOr<int64_t> removed = PurgeAndWait(context, *queue, deadline);
  if (removed.ok()) {
    response.set_removed_messages(*removed);
    return absl::OkStatus();
  }
  // Nothing was purged, or nobody knows what: the client may try again at once.
  const absl::Status forgotten = registry.ForgetPurge(*queue, absl::Now() + kForgetTimeout);
  if (!forgotten.ok()) {
    observe::Log(observe::Level::kWarning, "a purge that failed is not forgotten",
                 {{"queue", queue->arn}, {"error", forgotten.ToString()}});
  }
  return removed.status();
}

}  // namespace

grpc::ServerUnaryReactor* PurgeQueue(Context& context, grpc::CallbackServerContext* grpc_context,
                                     const v1::PurgeQueueRequest& request,
                                     v1::PurgeQueueResponse& response) {
  if (!context.sixty_second_rules) {
    return new PurgeQueueCall(context, grpc_context, request, response);
  }
  return RunBlocking(context, grpc_context, "PurgeQueue", [&](absl::Time deadline) {
    return PurgeRarely(context, request, response, deadline);
  });
}

}  // namespace weir::queue::api
