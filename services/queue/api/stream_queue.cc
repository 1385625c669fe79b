#include "services/queue/api/stream_queue.h"

#include <string>
#include <utility>

#include "services/queue/api/validation.h"

namespace weir::queue::api {

bool StreamQueue::AwaitUnknown(bool has_start, const v1::QueueRef& ref, std::function<void()> go_on) {
  if (!has_start || name_.has_value()) return false;
  if (ReasonOf(FindQueue(context_, ref, "start.queue").status()) != ErrorReason::kQueueDoesNotExist) return false;
  return context_.engine.RefreshForUnknownQueue(
      [go_on = std::move(go_on)](const absl::Status&) { go_on(); });
}

absl::Status StreamQueue::OnStart(bool has_start, const v1::QueueRef& ref) {
  if (has_start != name_.has_value()) {
    if (!has_start) return absl::OkStatus();
    WEIR_ASSIGN_OR_RETURN(name_, CheckQueueRef(ref, "start.queue"));
    return absl::OkStatus();
  }
  if (has_start) {
    return MakeError(ErrorReason::kInvalidParameterValue,
                     "start is set, but this is not the first request of the stream; only that one has it.",
                     {{"field", "start"}});
  }
  return MakeError(ErrorReason::kMissingParameter,
                   "The first request of a stream must contain the parameter start.",
                   {{"field", "start"}});
}

absl::StatusOr<engine::QueueInfoPtr> StreamQueue::Find() {
  engine::QueueInfoPtr queue = context_.engine.registry().Find(*name_);
  if (queue == nullptr) return QueueDoesNotExist(*name_);
  if (!id_.has_value()) id_ = queue->record.id;
  if (queue->record.id != *id_) return QueueDoesNotExist(*name_);
  return queue;
}

void FillStreamFailure(const absl::Status& status, v1::StreamFailure& failure) {
  failure.set_reason(static_cast<common::v1::ErrorReason>(ReasonOf(status)));
  failure.set_message(std::string(status.message()));
}

}  // namespace weir::queue::api
