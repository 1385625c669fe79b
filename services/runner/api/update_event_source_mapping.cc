#include <algorithm>

#include "services/runner/api/calls.h"
#include "services/runner/api/runner_codec.h"
#include "services/runner/api/validation.h"
#include "services/runner/api/mapping_checks.h"
#include "services/runner/mappings/sqs_event.h"

namespace weir::runner::api {
namespace {

// How often somebody else may be faster before we tell the caller so.
constexpr int kTries = 10;

// Binds `mapping` to the function that the request names, if it names one.
absl::Status ApplyFunction(Context& context, const v1::UpdateEventSourceMappingRequest& request,
                           absl::Time deadline, core::Mapping& mapping) {
  if (request.function_name().empty() || request.function_name() == mapping.function_name.name) {
    return absl::OkStatus();
  }
  mapping.function_name.name = request.function_name();
  WEIR_ASSIGN_OR_RETURN(const core::FunctionPtr function,
                        context.functions.FindFunction(mapping.function_name, deadline));
  mapping.function = function->id;
  const auto ref = mappings::ParseQueueArn(mapping.event_source_arn);
  const auto queue = context.queues.GetQueue(ref.value_or(queue::v1::QueueRef()), deadline);
  // A queue that was deleted may come again; then its timeout is what it will be.
  if (ReasonOf(queue.status()) == ErrorReason::kQueueDoesNotExist) return absl::OkStatus();
  WEIR_RETURN_IF_ERROR(queue.status());
  return CheckVisibilityTimeout(*function, *queue);
}

absl::StatusOr<core::Mapping> Update(Context& context,
                                     const v1::UpdateEventSourceMappingRequest& request,
                                     absl::Time deadline) {
  for (int tries = 1;; ++tries) {
    WEIR_ASSIGN_OR_RETURN(const core::Mapping current,
                          context.mapping_store.FindMapping(request.uuid(), deadline));
    core::Mapping changed = current;
    WEIR_ASSIGN_OR_RETURN(changed.config,
                          ApplyConfiguration(request.configuration(), current.config));
    WEIR_RETURN_IF_ERROR(ApplyFunction(context, request, deadline, changed));
    if (changed.config == current.config && changed.function == current.function) return current;
    // Later than the time that the others compare, however the clock stands.
    changed.modified_at =
        std::max(absl::FromUnixMicros(absl::ToUnixMicros(context.clock.Now())),
                 current.modified_at + absl::Microseconds(1));
    const absl::Status updated =
        context.mapping_store.UpdateMapping(changed, current.modified_at, deadline);
    if (updated.ok()) return changed;
    if (ReasonOf(updated) != ErrorReason::kConcurrentModification || tries == kTries) return updated;
  }
}

absl::Status Run(Context& context, const v1::UpdateEventSourceMappingRequest& request,
                 v1::UpdateEventSourceMappingResponse& response, absl::Time deadline) {
  if (request.uuid().empty()) return MissingField("uuid", "name an event source mapping");
  if (!request.function_name().empty()) {
    WEIR_RETURN_IF_ERROR(CheckFunctionName(request.function_name(), "function_name"));
  }
  const auto mapping = Update(context, request, deadline);
  // Also when nobody knows whether it was stored.
  context.mappings.Refresh(deadline);
  WEIR_RETURN_IF_ERROR(mapping.status());
  EncodeMapping(*mapping, context.mappings.Report(*mapping), *response.mutable_mapping());
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* UpdateEventSourceMapping(Context& context, grpc::CallbackServerContext* grpc_context,
                 const v1::UpdateEventSourceMappingRequest& request,
                 v1::UpdateEventSourceMappingResponse& response) {
  return RunBlocking(context, grpc_context, "UpdateEventSourceMapping", [&](absl::Time deadline) {
    return Run(context, request, response, deadline);
  });
}

}  // namespace weir::runner::api
