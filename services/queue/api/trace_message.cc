#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

// 36 characters, as SendMessage answers them; in lower case.
absl::StatusOr<std::string> CheckMessageId(absl::string_view id) {
  bool well_formed = id.size() == 36;
  for (size_t i = 0; well_formed && i < id.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    well_formed = dash ? id[i] == '-' : absl::ascii_isxdigit(static_cast<unsigned char>(id[i]));
  }
  if (well_formed) return absl::AsciiStrToLower(id);
  return MakeError(ErrorReason::kInvalidParameterValue,
                   absl::StrCat("Value \"", id, "\" for message_id is invalid: must be a UUID, such as "
                                "\"0f8fad5b-d9cb-469f-a165-70867728950e\"."),
                   {{"field", "message_id"}});
}

v1::TraceEventKind KindOf(engine::TraceKind kind) {
  switch (kind) {
    case engine::TraceKind::kSent:
      return v1::TRACE_EVENT_KIND_SENT;
    case engine::TraceKind::kReceived:
      return v1::TRACE_EVENT_KIND_RECEIVED;
    case engine::TraceKind::kVisibilityChanged:
      return v1::TRACE_EVENT_KIND_VISIBILITY_CHANGED;
    case engine::TraceKind::kReleased:
      return v1::TRACE_EVENT_KIND_RELEASED;
    case engine::TraceKind::kTimedOut:
      return v1::TRACE_EVENT_KIND_TIMED_OUT;
    case engine::TraceKind::kDeleted:
      return v1::TRACE_EVENT_KIND_DELETED;
    case engine::TraceKind::kMovedOut:
      return v1::TRACE_EVENT_KIND_MOVED_OUT;
    case engine::TraceKind::kMovedIn:
      return v1::TRACE_EVENT_KIND_MOVED_IN;
    case engine::TraceKind::kPurged:
      return v1::TRACE_EVENT_KIND_PURGED;
    case engine::TraceKind::kExpired:
      return v1::TRACE_EVENT_KIND_EXPIRED;
  }
  return v1::TRACE_EVENT_KIND_UNSPECIFIED;
}

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
}

void EncodeStep(const engine::TraceStep& step, const engine::QueueInfo& queue,
                const engine::Registry& registry, v1::TraceEvent& out) {
  if (step.at.has_value()) *out.mutable_at() = ToTimestamp(*step.at);
  out.set_kind(KindOf(step.kind));
  out.set_queue_arn(queue.arn);
  out.set_receive_count(step.receive_count);
  if (step.visible_at.has_value()) *out.mutable_visible_at() = ToTimestamp(*step.visible_at);
  out.set_consumer(step.consumer);
  const engine::QueueInfoPtr peer = registry.FindByPartition(step.peer);
  out.set_peer_queue_arn(peer == nullptr ? step.peer_arn : peer->arn);
}

absl::Status Run(Context& context, const v1::TraceMessageRequest& request,
                 v1::TraceMessageResponse& response, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const store::QueueName ns,
                        CheckNamespace(request.namespace_(), "namespace"));
  WEIR_ASSIGN_OR_RETURN(const std::string id, CheckMessageId(request.message_id()));
  WEIR_ASSIGN_OR_RETURN(const std::vector<engine::TraceStep> steps,
                        context.tracer.Trace(id, deadline));
  for (const engine::TraceStep& step : steps) {
    const engine::QueueInfoPtr queue = context.engine.registry().FindByPartition(step.partition);
    if (queue == nullptr || queue->record.name.account != ns.account ||
        queue->record.name.region != ns.region) {
      continue;
    }
    EncodeStep(step, *queue, context.engine.registry(), *response.add_events());
  }
  if (!response.events().empty()) return absl::OkStatus();
  return MakeError(ErrorReason::kMessageDoesNotExist,
                   absl::StrCat("Nothing is known of message ", id, " in account ", ns.account,
                                ", region ", ns.region,
                                ": it was never there, or what was written of it is gone."),
                   {{"message_id", id}});
}

}  // namespace

grpc::ServerUnaryReactor* TraceMessage(Context& context, grpc::CallbackServerContext* grpc_context,
                                       const v1::TraceMessageRequest& request,
                                       v1::TraceMessageResponse& response) {
  return RunBlocking(context, grpc_context, "TraceMessage",
                     [&](absl::Time deadline) { return Run(context, request, response, deadline); });
}

}  // namespace weir::queue::api
