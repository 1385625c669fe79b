#include "services/runner/api/calls.h"
#include "services/runner/api/runner_codec.h"
#include "services/runner/api/validation.h"

namespace weir::runner::api {
namespace {

absl::Status Run(Context& context, const v1::GetFunctionRequest& request,
                 v1::GetFunctionResponse& response, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const core::FunctionName name,
                        CheckFunctionRef(request.function(), "function"));
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const core::FunctionPtr function,
                          context.functions.FindFunction(name, deadline));
    if (request.include_code()) {
      const auto code = context.functions.ReadCode(function->id, function->revision, deadline);
      // Replaced twice or deleted since we looked: look again.
      if (absl::IsNotFound(code.status())) continue;
      if (!code.ok()) return code.status();
      EncodeCode(*code, *response.mutable_code());
    }
    EncodeFunction(*function, *response.mutable_function());
    return absl::OkStatus();
  }
}

}  // namespace

grpc::ServerUnaryReactor* GetFunction(Context& context, grpc::CallbackServerContext* grpc_context,
                 const v1::GetFunctionRequest& request,
                 v1::GetFunctionResponse& response) {
  return RunBlocking(context, grpc_context, "GetFunction", [&](absl::Time deadline) {
    return Run(context, request, response, deadline);
  });
}

}  // namespace weir::runner::api
