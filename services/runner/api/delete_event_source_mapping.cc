#include "services/runner/api/calls.h"
#include "services/runner/api/runner_codec.h"
#include "services/runner/api/validation.h"

namespace weir::runner::api {
namespace {

absl::Status Run(Context& context, const v1::DeleteEventSourceMappingRequest& request,
                 v1::DeleteEventSourceMappingResponse& response, absl::Time deadline) {
  if (request.uuid().empty()) return MissingField("uuid", "name an event source mapping");
  const auto deleted = context.mapping_store.DeleteMapping(request.uuid(), deadline);
  if (!deleted.ok()) {
    // When nobody knows whether it was deleted, it stops if it was.
    if (ReasonOf(deleted.status()) == ErrorReason::kOutcomeUnknown) context.mappings.Refresh(deadline);
    return deleted.status();
  }
  EncodeMapping(*deleted, context.mappings.Report(*deleted), *response.mutable_mapping());
  context.mappings.Drop(deleted->uuid);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* DeleteEventSourceMapping(Context& context, grpc::CallbackServerContext* grpc_context,
                 const v1::DeleteEventSourceMappingRequest& request,
                 v1::DeleteEventSourceMappingResponse& response) {
  return RunBlocking(context, grpc_context, "DeleteEventSourceMapping", [&](absl::Time deadline) {
    return Run(context, request, response, deadline);
  });
}

}  // namespace weir::runner::api
