#include "services/runner/api/calls.h"
#include "services/runner/api/runner_codec.h"
#include "services/runner/api/validation.h"
#include "absl/strings/str_cat.h"
#include "libs/grpcx/page_token.h"
#include "services/runner/mappings/sqs_event.h"

namespace weir::runner::api {
namespace {

constexpr int32_t kPageMax = 1000;

absl::Status Run(Context& context, const v1::ListEventSourceMappingsRequest& request,
                 v1::ListEventSourceMappingsResponse& response, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const core::FunctionName ns, CheckNamespace(request.namespace_(), "namespace"));
  if (!request.function_name().empty()) {
    WEIR_RETURN_IF_ERROR(CheckFunctionName(request.function_name(), "function_name"));
  }
  if (!request.event_source_arn().empty() &&
      !mappings::ParseQueueArn(request.event_source_arn()).has_value()) {
    return InvalidField("event_source_arn", request.event_source_arn(),
                        "must be a queue's ARN, arn:aws:sqs:REGION:ACCOUNT:NAME");
  }
  WEIR_ASSIGN_OR_RETURN(const int32_t page_size,
                        CheckCount(request.page_size(), "page_size", 1, kPageMax, kPageMax));
  const store::MappingFilter filter{.account = ns.account,
                                    .region = ns.region,
                                    .function_name = request.function_name(),
                                    .event_source_arn = request.event_source_arn()};
  const std::string query = absl::StrCat("ListEventSourceMappings/", ns.account, "/", ns.region, "/",
                                         filter.function_name, "/", filter.event_source_arn);
  WEIR_ASSIGN_OR_RETURN(const std::string after, grpcx::ParsePageToken(request.page_token(), query));
  // One more than the page holds tells whether there is a next one.
  WEIR_ASSIGN_OR_RETURN(
      const std::vector<core::Mapping> found,
      context.mapping_store.ListMappings(filter, after, page_size + 1, deadline));
  for (const core::Mapping& mapping : found) {
    if (response.mappings_size() == page_size) {
      response.set_next_page_token(grpcx::FormatPageToken(response.mappings(page_size - 1).uuid(), query));
      break;
    }
    EncodeMapping(mapping, context.mappings.Report(mapping), *response.add_mappings());
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* ListEventSourceMappings(Context& context, grpc::CallbackServerContext* grpc_context,
                 const v1::ListEventSourceMappingsRequest& request,
                 v1::ListEventSourceMappingsResponse& response) {
  return RunBlocking(context, grpc_context, "ListEventSourceMappings", [&](absl::Time deadline) {
    return Run(context, request, response, deadline);
  });
}

}  // namespace weir::runner::api
