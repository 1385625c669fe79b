#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/queue_codec.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

absl::Status CheckSame(const v1::CreateQueueRequest& request,
                       const store::QueueAttributes& wanted, const engine::QueueInfo& existing) {
  const auto difference =
      FirstDifference(request.attributes(), wanted, existing.record.attributes);
  if (!difference.has_value()) return absl::OkStatus();
  return MakeError(ErrorReason::kQueueAlreadyExists,
                   absl::StrCat("A queue already exists with the same name and a different value "
                                "for attribute ",
                                *difference, "."),
                   {{"queue", existing.record.name.name}, {"attribute", *difference}});
}

absl::Status Run(Context& context, const v1::CreateQueueRequest& request,
                 v1::CreateQueueResponse& response, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const store::QueueName name, CheckQueueRef(request.queue(), "queue"));
  engine::Registry& registry = context.engine.registry();
  engine::QueueInfoPtr queue = registry.Find(name);
  // A FIFO queue that exists is found also by a request that leaves everything unset.
  const bool type_is_known = queue != nullptr && !request.attributes().has_fifo_queue();
  if (!type_is_known) WEIR_RETURN_IF_ERROR(CheckType(name, request.attributes()));
  store::QueueAttributes defaults;
  defaults.fifo = absl::EndsWith(name.name, ".fifo");
  // What else a queue has that exists matters only where attributes must go together.
  if (queue != nullptr) defaults = queue->record.attributes;
  WEIR_ASSIGN_OR_RETURN(const store::QueueAttributes wanted,
                        ApplyAttributes(request.attributes(), defaults));
  if (queue == nullptr) {
    engine::CreateOptions options{.tags = {request.tags().begin(), request.tags().end()}};
    if (context.sixty_second_rules) options.name_rest = store::kRestMax;
    WEIR_RETURN_IF_ERROR(CheckTags(options.tags));
    WEIR_RETURN_IF_ERROR(CheckRedriveTarget(registry, name, wanted));
    absl::StatusOr<engine::QueueInfoPtr> created =
        registry.Create(name, wanted, deadline, options);
    response.set_created(created.ok());
    if (created.ok()) {
      queue = *std::move(created);
    } else {
      // Somebody else was faster: then it is as if the queue had been there.
      queue = registry.Find(name);
      if (ReasonOf(created.status()) != ErrorReason::kQueueAlreadyExists || queue == nullptr) {
        return created.status();
      }
    }
  }
  if (!response.created()) WEIR_RETURN_IF_ERROR(CheckSame(request, wanted, *queue));
  EncodeQueue(*queue, *response.mutable_queue());
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* CreateQueue(Context& context, grpc::CallbackServerContext* grpc_context,
                                      const v1::CreateQueueRequest& request,
                                      v1::CreateQueueResponse& response) {
  return RunBlocking(context, grpc_context, "CreateQueue", [&](absl::Time deadline) {
    return Run(context, request, response, deadline);
  });
}

}  // namespace weir::queue::api
