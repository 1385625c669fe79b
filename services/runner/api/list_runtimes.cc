#include <map>

#include "services/runner/api/calls.h"
#include "services/runner/api/runner_codec.h"
#include "services/runner/api/validation.h"

namespace weir::runner::api {
namespace {

absl::Status Run(Context& context, const v1::ListRuntimesRequest& request,
                 v1::ListRuntimesResponse& response, absl::Time deadline) {
  std::map<std::string, const engine::RuntimeInfo*> by_name;
  for (const engine::RuntimeInfo& runtime : context.invoker.runtimes()) {
    by_name[runtime.name] = &runtime;
  }
  for (const auto& [name, runtime] : by_name) EncodeRuntime(*runtime, *response.add_runtimes());
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* ListRuntimes(Context& context, grpc::CallbackServerContext* grpc_context,
                 const v1::ListRuntimesRequest& request,
                 v1::ListRuntimesResponse& response) {
  return RunBlocking(context, grpc_context, "ListRuntimes", [&](absl::Time deadline) {
    return Run(context, request, response, deadline);
  });
}

}  // namespace weir::runner::api
