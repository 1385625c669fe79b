// The queue that a stream is about: named once, in the first request, and looked up again for each, so that changes of its attributes
// hold at once. A queue that was deleted does not come back for the stream, even if another has its name now.
//
// Not thread-safe. What follows from a queue having several partitions belongs here.
#pragma once

#include <functional>
#include <optional>

#include "services/queue/api/call.h"
#include "weir/queue/v1/stream.pb.h"

namespace weir::queue::api {

class StreamQueue {
 public:
  // `context` must outlive this.
  explicit StreamQueue(Context& context) : context_(context) {}

  // The queue that the first request names is not known here, and another replica may have made it: `go_on` is called once the list of
  // queues was read anew. False at once, without calling it, in all other cases.
  bool AwaitUnknown(bool has_start, const v1::QueueRef& ref, std::function<void()> go_on);
  // A request has come; `has_start` says whether it names the queue. Only the first one must.
  absl::Status OnStart(bool has_start, const v1::QueueRef& ref);
  // As it is now. REQUIRES: OnStart said OK.
  absl::StatusOr<engine::QueueInfoPtr> Find();

 private:
  Context& context_;
  std::optional<store::QueueName> name_;
  std::optional<core::QueueId> id_;
};

// What was not done, on the wire.
void FillStreamFailure(const absl::Status& status, v1::StreamFailure& failure);

}  // namespace weir::queue::api
