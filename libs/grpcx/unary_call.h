// A unary call under gRPC's callback API, as an object: it is created by the handler, finishes once, and deletes itself when gRPC is
// done with it.
//
// Finish may be called from any thread, also inside the constructor; afterwards the object may only be touched by OnDone (and, until
// the handler has returned, by the handler). A subclass that overrides OnCancel must not block in it. Measures itself.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/grpcx/rpc_metrics.h"

namespace weir::grpcx {

class UnaryCall : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(grpc::CallbackServerContext* context, MethodMetrics& metrics);

  // Calls without a deadline of their own get this one, so that nothing waits for ever.
  static constexpr absl::Duration kDefaultTimeout = absl::Seconds(30);

 protected:
  // REQUIRES: called once.
  void Finish(const absl::Status& status);
  // When the client stops waiting.
  absl::Time deadline() const { return deadline_; }

 private:
  void OnDone() final { delete this; }
  // Lets gRPC call OnDone and OnCancel where it stands rather than hand each to a thread of its executor, which costs two thread
  // switches a call. So OnCancel must be as short as OnDone is: no blocking. (gRPC calls this "not API"; at worst, a later version
  // ignores it.)
  bool InternalInlineable() final { return true; }

  MethodMetrics& metrics_;
  const absl::Time started_at_;
  absl::Time deadline_;
};

}  // namespace weir::grpcx
