// The two calls that edit a queue's policy a statement at a time.
#include "libs/policy/policy.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/change_queue.h"
#include "services/queue/api/queue_codec.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

absl::Status ChangePolicy(Context& context, const v1::QueueRef& ref, absl::Time deadline,
                          absl::FunctionRef<absl::StatusOr<std::string>(const engine::QueueInfo&)> edit) {
  return ChangeAttributes(context, ref, deadline,
                          [&](const engine::QueueInfo& queue) -> absl::StatusOr<store::QueueAttributes> {
                            absl::StatusOr<std::string> edited = edit(queue);
                            if (!edited.ok()) return PolicyError(edited.status());
                            store::QueueAttributes attributes = queue.record.attributes;
                            attributes.policy = *std::move(edited);
                            return attributes;
                          })
      .status();
}

}  // namespace

grpc::ServerUnaryReactor* AddPermission(Context& context, grpc::CallbackServerContext* grpc_context,
                                        const v1::AddPermissionRequest& request, v1::AddPermissionResponse&) {
  return RunBlocking(context, grpc_context, "AddPermission", [&](absl::Time deadline) -> absl::Status {
    WEIR_RETURN_IF_ERROR(CheckQueueRef(request.queue(), "queue").status());
    if (request.label().empty()) return MissingParameter("label");
    if (request.account_ids().empty()) return MissingParameter("account_ids");
    if (request.actions().empty()) return MissingParameter("actions");
    return ChangePolicy(context, request.queue(), deadline, [&](const engine::QueueInfo& queue) {
      return policy::AddPermission(queue.record.attributes.policy,
                                   {.label = request.label(),
                                    .queue_arn = queue.arn,
                                    .accounts = {request.account_ids().begin(), request.account_ids().end()},
                                    .actions = {request.actions().begin(), request.actions().end()}});
    });
  });
}

grpc::ServerUnaryReactor* RemovePermission(Context& context, grpc::CallbackServerContext* grpc_context,
                                           const v1::RemovePermissionRequest& request, v1::RemovePermissionResponse&) {
  return RunBlocking(context, grpc_context, "RemovePermission", [&](absl::Time deadline) -> absl::Status {
    WEIR_RETURN_IF_ERROR(CheckQueueRef(request.queue(), "queue").status());
    if (request.label().empty()) return MissingParameter("label");
    return ChangePolicy(context, request.queue(), deadline, [&](const engine::QueueInfo& queue) {
      return policy::RemovePermission(queue.record.attributes.policy, request.label());
    });
  });
}

}  // namespace weir::queue::api
