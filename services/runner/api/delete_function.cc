#include "services/runner/api/calls.h"
#include "services/runner/api/runner_codec.h"
#include "services/runner/api/validation.h"
#include "absl/strings/str_cat.h"
namespace weir::runner::api {
namespace {

absl::Status Run(Context& context, const v1::DeleteFunctionRequest& request,
                 v1::DeleteFunctionResponse& response, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const core::FunctionName name,
                        CheckFunctionRef(request.function(), "function"));
  WEIR_ASSIGN_OR_RETURN(const core::FunctionId id,
                        context.functions.DeleteFunction(name, deadline));
  context.invoker.Retire(id, core::Revision());
  context.log_feed.End(id, MakeError(ErrorReason::kFunctionDoesNotExist,
                                     absl::StrCat("Function \"", name.name, "\" has been deleted."),
                                     {{"function", name.name}}));
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* DeleteFunction(Context& context, grpc::CallbackServerContext* grpc_context,
                 const v1::DeleteFunctionRequest& request,
                 v1::DeleteFunctionResponse& response) {
  return RunBlocking(context, grpc_context, "DeleteFunction", [&](absl::Time deadline) {
    return Run(context, request, response, deadline);
  });
}

}  // namespace weir::runner::api
