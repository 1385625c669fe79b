#include "services/runner/api/calls.h"
#include "services/runner/api/runner_codec.h"
#include "services/runner/api/validation.h"

namespace weir::runner::api {
namespace {

absl::Status Run(Context& context, const v1::GetEventSourceMappingRequest& request,
                 v1::GetEventSourceMappingResponse& response, absl::Time deadline) {
  if (request.uuid().empty()) return MissingField("uuid", "name an event source mapping");
  WEIR_ASSIGN_OR_RETURN(const core::Mapping mapping,
                        context.mapping_store.FindMapping(request.uuid(), deadline));
  EncodeMapping(mapping, context.mappings.Report(mapping), *response.mutable_mapping());
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* GetEventSourceMapping(Context& context, grpc::CallbackServerContext* grpc_context,
                 const v1::GetEventSourceMappingRequest& request,
                 v1::GetEventSourceMappingResponse& response) {
  return RunBlocking(context, grpc_context, "GetEventSourceMapping", [&](absl::Time deadline) {
    return Run(context, request, response, deadline);
  });
}

}  // namespace weir::runner::api
