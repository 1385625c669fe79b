#include "services/queue/api/change_queue.h"

namespace weir::queue::api {
namespace {

constexpr int kAttempts = 5;

}  // namespace

absl::StatusOr<engine::QueueInfoPtr> ChangeQueue(
    Context& context, const v1::QueueRef& ref,
    absl::FunctionRef<absl::StatusOr<engine::QueueInfoPtr>(const engine::QueueInfoPtr&)> change) {
  absl::StatusOr<engine::QueueInfoPtr> changed;
  for (int i = 0; i < kAttempts; ++i) {
    WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, ref));
    changed = change(queue);
    if (!absl::IsAborted(changed.status())) return changed;
  }
  return changed;
}

absl::StatusOr<engine::QueueInfoPtr> ChangeAttributes(
    Context& context, const v1::QueueRef& ref, absl::Time deadline,
    absl::FunctionRef<absl::StatusOr<store::QueueAttributes>(const engine::QueueInfo&)> wanted) {
  return ChangeQueue(context, ref, [&](const engine::QueueInfoPtr& queue) -> absl::StatusOr<engine::QueueInfoPtr> {
    WEIR_ASSIGN_OR_RETURN(const store::QueueAttributes attributes, wanted(*queue));
    if (attributes == queue->record.attributes) return queue;
    return context.engine.registry().Update(*queue, attributes, deadline);
  });
}

}  // namespace weir::queue::api
