// One function a call: starts it and answers the reactor that gRPC drives. Each is defined in a file of its own name.
//
// `request` and `response` live until the reactor is done.
#pragma once

#include "services/runner/api/call.h"
#include "weir/runner/v1/runner_service.grpc.pb.h"

namespace weir::runner::api {

#define WEIR_RUNNER_UNARY_CALLS(X) \
  X(DeployFunction)                \
  X(GetFunction)                   \
  X(ListFunctions)                 \
  X(DeleteFunction)                \
  X(InvokeFunction)                \
  X(ListRuntimes)                  \
  X(CreateEventSourceMapping)      \
  X(GetEventSourceMapping)         \
  X(ListEventSourceMappings)       \
  X(UpdateEventSourceMapping)      \
  X(DeleteEventSourceMapping)

#define WEIR_DECLARE_CALL(Name)                                                               \
  grpc::ServerUnaryReactor* Name(Context& context, grpc::CallbackServerContext* grpc_context, \
                                 const v1::Name##Request& request, v1::Name##Response& response);
WEIR_RUNNER_UNARY_CALLS(WEIR_DECLARE_CALL)
#undef WEIR_DECLARE_CALL

grpc::ServerWriteReactor<v1::GetFunctionLogsResponse>* GetFunctionLogs(
    Context& context, grpc::CallbackServerContext* grpc_context,
    const v1::GetFunctionLogsRequest& request);

}  // namespace weir::runner::api
