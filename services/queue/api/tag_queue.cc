// The two calls of tags.
#include "absl/functional/function_ref.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/change_queue.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

absl::Status Change(Context& context, const v1::QueueRef& ref, absl::Time deadline,
                    absl::FunctionRef<void(store::Tags&)> change) {
  const auto set = [&](const engine::QueueInfoPtr& queue) -> absl::StatusOr<engine::QueueInfoPtr> {
    store::Tags tags = queue->record.tags;
    change(tags);
    WEIR_RETURN_IF_ERROR(CheckTags(tags));
    if (tags == queue->record.tags) return queue;
    return context.engine.registry().SetTags(*queue, tags, deadline);
  };
  return ChangeQueue(context, ref, set).status();
}

}  // namespace

grpc::ServerUnaryReactor* TagQueue(Context& context, grpc::CallbackServerContext* grpc_context,
                                   const v1::TagQueueRequest& request, v1::TagQueueResponse&) {
  return RunBlocking(context, grpc_context, "TagQueue", [&](absl::Time deadline) -> absl::Status {
    WEIR_RETURN_IF_ERROR(CheckQueueRef(request.queue(), "queue").status());
    if (request.tags().empty()) return MissingParameter("tags");
    return Change(context, request.queue(), deadline, [&](store::Tags& tags) {
      for (const auto& [key, value] : request.tags()) tags[key] = value;
    });
  });
}

grpc::ServerUnaryReactor* UntagQueue(Context& context, grpc::CallbackServerContext* grpc_context,
                                     const v1::UntagQueueRequest& request, v1::UntagQueueResponse&) {
  return RunBlocking(context, grpc_context, "UntagQueue", [&](absl::Time deadline) -> absl::Status {
    WEIR_RETURN_IF_ERROR(CheckQueueRef(request.queue(), "queue").status());
    if (request.tag_keys().empty()) return MissingParameter("tag_keys");
    return Change(context, request.queue(), deadline, [&](store::Tags& tags) {
      for (const std::string& key : request.tag_keys()) tags.erase(key);
    });
  });
}

}  // namespace weir::queue::api
