// What every call of the queue service has in common.
//
// A call is an object that lives from the arrival of its request until gRPC is done with it (OnDone deletes it). Calls that only
// talk to a shard never block: they submit a command and finish when the reply comes, on the shard's thread. Calls that wait for
// the store (queues created, changed, listed) run on a small pool of threads.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/grpcx/open_streams.h"
#include "libs/grpcx/rpc_metrics.h"
#include "libs/grpcx/unary_call.h"
#include "libs/runtime/thread_pool.h"
#include "services/queue/core/decision.h"
#include "services/queue/engine/queue_engine.h"
#include "services/queue/engine/trace.h"
#include "weir/queue/v1/queue.pb.h"

namespace weir::queue::api {

// Shared by all calls; outlives them.
struct Context {
  engine::QueueEngine& engine;
  runtime::ThreadPool& blocking;  // for calls that wait for the store
  grpcx::RpcMetrics& metrics;
  const Clock& clock;
  grpcx::OpenStreams& streams;
  engine::Tracer& tracer;
  // SQS's: a queue is purged once a minute at most, and its name can be taken again a minute after it was deleted.
  bool sixty_second_rules = false;
};

// The queue that `ref` names; `field` is what the request calls it. QUEUE_DOES_NOT_EXIST, or what is wrong with the reference.
absl::StatusOr<engine::QueueInfoPtr> FindQueue(Context& context, const v1::QueueRef& ref,
                                               absl::string_view field = "queue");
absl::Status QueueDoesNotExist(const store::QueueName& name);

// The status of a reply that is one; else `Expected`, moved out.
template <typename Expected>
absl::StatusOr<Expected> TakeReply(core::Reply reply) {
  if (auto* status = std::get_if<absl::Status>(&reply)) return std::move(*status);
  return std::get<Expected>(std::move(reply));
}

// Begins a call that never blocks: `submit` hands it to its shard. If the queue is not known here and another replica may have made
// it, once more after the list of queues was read anew, on another thread. `finish` is called with what `submit` could not do.
template <typename Submit, typename Finish>
void Begin(Context& context, Submit submit, Finish finish) {
  const absl::Status status = submit();
  if (status.ok()) return;
  if (ReasonOf(status) == ErrorReason::kQueueDoesNotExist &&
      context.engine.RefreshForUnknownQueue([submit, finish, status](const absl::Status& refreshed) mutable {
        const absl::Status again = refreshed.ok() ? submit() : status;
        if (!again.ok()) finish(again);
      })) {
    return;
  }
  finish(status);
}

// Runs `work` on the pool of blocking threads and finishes with its status. For the calls about queues rather than messages. When it
// does not find a queue that another replica may have made, it runs once more after the list of queues was read anew.
grpc::ServerUnaryReactor* RunBlocking(Context& context, grpc::CallbackServerContext* grpc_context,
                                      absl::string_view method,
                                      std::function<absl::Status(absl::Time deadline)> work);

}  // namespace weir::queue::api
