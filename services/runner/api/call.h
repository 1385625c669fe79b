// What every call of the runner service has in common.
//
// A call is an object that lives from the arrival of its request until gRPC is done with it (OnDone deletes it). All wait for the
// store, so they run on a pool of threads; those that run a function then go on to a pool that has a thread for every slot.
#pragma once

#include <atomic>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/grpcx/rpc_metrics.h"
#include "libs/grpcx/unary_call.h"
#include "libs/runtime/thread_pool.h"
#include "services/runner/engine/invoker.h"
#include "services/runner/logs/log_feed.h"
#include "services/runner/logs/log_writer.h"
#include "services/runner/mappings/mapping_manager.h"
#include "services/runner/mappings/queue_client.h"
#include "services/runner/store/runner_store.h"

namespace weir::runner::api {

// GetFunctionLogs streams at a time. The pool of streams has room for as many.
inline constexpr int kStreamsMax = 1'000;

// Shared by all calls; outlives them.
struct Context {
  store::FunctionStore& functions;
  store::MappingStore& mapping_store;
  store::LogStore& logs;
  engine::Invoker& invoker;
  mappings::MappingManager& mappings;
  mappings::QueueClient& queues;
  logs::LogWriter& log_writer;
  logs::LogFeed& log_feed;
  runtime::ThreadPool& blocking;     // for calls that wait for the store
  runtime::ThreadPool& invocations;  // for those that hold a slot
  runtime::ThreadPool& streams;      // for those that read logs
  grpcx::RpcMetrics& metrics;
  const Clock& clock;
  std::atomic<int> open_streams{0};
};

// Runs `work` on the pool of blocking threads and finishes with its status.
grpc::ServerUnaryReactor* RunBlocking(Context& context, grpc::CallbackServerContext* grpc_context,
                                      absl::string_view method,
                                      std::function<absl::Status(absl::Time deadline)> work);

absl::Status TooManyCalls();

}  // namespace weir::runner::api
