// One worker's end of the Lambda Runtime API: HTTP/1.1 on a loopback port of its own, so that
// AWS_LAMBDA_RUNTIME_API=host:port is all that a runtime client needs.
//
//            Deliver           /response, /error            /next
//   parked ----------> busy ------------------> answered ---------> parked
//
// A worker begins as if it had answered. A request that does not fit the state gets 403
// InvalidStateTransition, one about another invocation 400 InvalidRequestID. /next is parked
// without any timeout. Everything runs on the thread of the io_context.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace boost::asio {
class io_context;
}

namespace weir::runner::engine {

inline constexpr size_t kPayloadBytesMax = size_t{6} << 20;

struct RuntimeEvent {
  std::string request_id;
  std::string function_arn;
  std::string trace_id;
  int64_t deadline_unix_millis = 0;
  std::string payload;
};

// What the worker did. Called on the io_context's thread.
class RuntimeApiListener {
 public:
  virtual ~RuntimeApiListener() = default;
  // It wants an event: Deliver may be called, now or later.
  virtual void OnNext() = 0;
  virtual void OnResponse(std::string payload) = 0;
  // `handled`: the function itself reported the error as its answer.
  virtual void OnError(std::string payload, bool handled) = 0;
  // The function did not load.
  virtual void OnInitError(std::string payload) = 0;
};

class RuntimeApi {
 public:
  virtual ~RuntimeApi() = default;
  virtual uint16_t port() const = 0;
  // REQUIRES: OnNext was called, and no event was delivered since.
  virtual void Deliver(RuntimeEvent event) = 0;
  // Closes every connection; the listener is not called any more. May be called twice.
  virtual void Close() = 0;
};

// Listens on a free port. `listener` must live until Close.
absl::StatusOr<std::shared_ptr<RuntimeApi>> StartRuntimeApi(boost::asio::io_context& io,
                                                            RuntimeApiListener& listener);

}  // namespace weir::runner::engine
