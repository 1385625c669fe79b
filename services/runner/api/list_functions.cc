#include "absl/strings/str_cat.h"
#include "services/runner/api/calls.h"
#include "libs/grpcx/page_token.h"
#include "services/runner/api/runner_codec.h"
#include "services/runner/api/validation.h"

namespace weir::runner::api {
namespace {

constexpr int32_t kPageMax = 1000;

absl::Status Run(Context& context, const v1::ListFunctionsRequest& request,
                 v1::ListFunctionsResponse& response, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(core::FunctionName after, CheckNamespace(request.namespace_(), "namespace"));
  if (!request.name_prefix().empty()) {
    WEIR_RETURN_IF_ERROR(CheckFunctionName(request.name_prefix(), "name_prefix"));
  }
  WEIR_ASSIGN_OR_RETURN(const int32_t page_size,
                        CheckCount(request.page_size(), "page_size", 1, kPageMax, kPageMax));
  const std::string query =
      absl::StrCat("ListFunctions/", after.account, "/", after.region, "/", request.name_prefix());
  WEIR_ASSIGN_OR_RETURN(after.name, grpcx::ParsePageToken(request.page_token(), query));
  // One more than the page holds tells whether there is a next one.
  WEIR_ASSIGN_OR_RETURN(const std::vector<core::Function> functions,
                        context.functions.ListFunctions(after, request.name_prefix(), page_size + 1,
                                                        deadline));
  for (const core::Function& function : functions) {
    if (response.functions_size() == page_size) {
      response.set_next_page_token(
          grpcx::FormatPageToken(response.functions(page_size - 1).name(), query));
      break;
    }
    EncodeFunction(function, *response.add_functions());
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* ListFunctions(Context& context, grpc::CallbackServerContext* grpc_context,
                 const v1::ListFunctionsRequest& request,
                 v1::ListFunctionsResponse& response) {
  return RunBlocking(context, grpc_context, "ListFunctions", [&](absl::Time deadline) {
    return Run(context, request, response, deadline);
  });
}

}  // namespace weir::runner::api
