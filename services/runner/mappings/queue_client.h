// What the event source mappings ask of the queue service.
//
// Thread-safe; every call blocks. Errors are those of the queue service; one that cannot be reached is UNAVAILABLE.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/runner/mappings/stop_signal.h"
#include "weir/queue/v1/queue_service.pb.h"

namespace weir::runner::mappings {

class QueueClient {
 public:
  virtual ~QueueClient() = default;

  virtual absl::StatusOr<queue::v1::Queue> GetQueue(const queue::v1::QueueRef& queue,
                                                    absl::Time deadline) = 0;

  // Up to `max_messages` (1 to 10), waiting for the first one; with all their attributes, hidden for the queue's visibility
  // timeout. CANCELLED once `stop` says so; then the service takes the messages back.
  virtual absl::StatusOr<std::vector<queue::v1::ReceivedMessage>> Receive(
      const queue::v1::QueueRef& queue, int max_messages, absl::Duration wait, StopSignal& stop) = 0;

  // `handles`: 1 to 10. The failures' ids are positions in `handles`.
  virtual absl::StatusOr<std::vector<queue::v1::BatchFailure>> Delete(
      const queue::v1::QueueRef& queue, const std::vector<std::string>& handles,
      absl::Time deadline) = 0;

  // Makes them visible again now. `handles`: 1 to 10. For messages that nothing was tried with.
  virtual absl::Status GiveBack(const queue::v1::QueueRef& queue,
                                const std::vector<std::string>& handles, absl::Time deadline) = 0;
};

// Over gRPC; `endpoint` is HOST:PORT. Connects when first needed, and anew when the connection broke.
std::unique_ptr<QueueClient> MakeGrpcQueueClient(const std::string& endpoint);

}  // namespace weir::runner::mappings
