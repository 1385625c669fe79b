#include "services/runner/api/calls.h"
#include "services/runner/api/runner_codec.h"
#include "services/runner/api/validation.h"
#include "absl/strings/str_cat.h"
#include "libs/base/random.h"
#include "services/runner/api/mapping_checks.h"
#include "services/runner/mappings/sqs_event.h"

namespace weir::runner::api {
namespace {

// What the queue service says of the queue; a queue that is not there is an error of ours.
absl::StatusOr<queue::v1::Queue> FindQueue(Context& context, const queue::v1::QueueRef& ref,
                                           const std::string& arn, absl::Time deadline) {
  auto queue = context.queues.GetQueue(ref, deadline);
  if (ReasonOf(queue.status()) != ErrorReason::kQueueDoesNotExist) return queue;
  return MakeError(ErrorReason::kEventSourceDoesNotExist,
                   absl::StrCat("Value \"", arn, "\" for event_source_arn names a queue that does not "
                                "exist."),
                   {{"event_source_arn", arn}});
}

absl::StatusOr<queue::v1::QueueRef> CheckEventSource(const std::string& arn,
                                                     const core::FunctionName& function) {
  if (arn.empty()) return MissingField("event_source_arn", "name a queue by its ARN");
  const auto ref = mappings::ParseQueueArn(arn);
  if (!ref.has_value()) {
    return InvalidField("event_source_arn", arn,
                        "must be a queue's ARN, arn:aws:sqs:REGION:ACCOUNT:NAME");
  }
  if (ref->namespace_().account() != function.account ||
      ref->namespace_().region() != function.region) {
    return InvalidField("event_source_arn", arn,
                        absl::StrCat("the queue must be in the function's account ",
                                     function.account, " and region ", function.region));
  }
  return *ref;
}

absl::Status Run(Context& context, const v1::CreateEventSourceMappingRequest& request,
                 v1::CreateEventSourceMappingResponse& response, absl::Time deadline) {
  core::Mapping mapping;
  WEIR_ASSIGN_OR_RETURN(mapping.function_name, CheckFunctionRef(request.function(), "function"));
  WEIR_ASSIGN_OR_RETURN(const queue::v1::QueueRef ref,
                        CheckEventSource(request.event_source_arn(), mapping.function_name));
  WEIR_ASSIGN_OR_RETURN(mapping.config,
                        ApplyConfiguration(request.configuration(), core::MappingConfig()));
  WEIR_ASSIGN_OR_RETURN(const core::FunctionPtr function,
                        context.functions.FindFunction(mapping.function_name, deadline));
  WEIR_ASSIGN_OR_RETURN(const queue::v1::Queue queue,
                        FindQueue(context, ref, request.event_source_arn(), deadline));
  WEIR_RETURN_IF_ERROR(CheckVisibilityTimeout(*function, queue));
  mapping.uuid = RandomUuid();
  mapping.function = function->id;
  mapping.event_source_arn = request.event_source_arn();
  mapping.created_at = absl::FromUnixMicros(absl::ToUnixMicros(context.clock.Now()));
  mapping.modified_at = mapping.created_at;
  const absl::Status created = context.mapping_store.CreateMapping(mapping, deadline);
  // Also when nobody knows whether it was stored: then it polls if it was.
  context.mappings.Refresh(deadline);
  WEIR_RETURN_IF_ERROR(created);
  EncodeMapping(mapping, context.mappings.Report(mapping), *response.mutable_mapping());
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* CreateEventSourceMapping(Context& context, grpc::CallbackServerContext* grpc_context,
                 const v1::CreateEventSourceMappingRequest& request,
                 v1::CreateEventSourceMappingResponse& response) {
  return RunBlocking(context, grpc_context, "CreateEventSourceMapping", [&](absl::Time deadline) {
    return Run(context, request, response, deadline);
  });
}

}  // namespace weir::runner::api
