// A bidirectional stream under gRPC's callback API, as an object: it is created by the handler, and deletes itself when gRPC is done
// with it. This class keeps gRPC's rules (one read and one write at a time, one end, nothing after it); a subclass says what a
// request means and what there is to answer.
//
//     kOpen ──client closes: OK────────────┐
//       │  ──End(status), Drain────────────┼──► ending ──answers written, nothing under way──► Finish
//       └──broken: CANCELLED, no answers───┘
//
// Things happen on many threads: requests come on gRPC's, replies on the shards'. All state is guarded by mu_, which is held for short
// moments only. Whoever changed the state calls Proceed, which begins whatever can begin now: a write of all the answers that there
// are by then, work of the subclass, a read, the end. One thread at a time does so; another that comes meanwhile leaves its change to
// it. So all answers that came while a write was under way travel in the next one.
//
// Every command that was handed on and will call back counts as under way (BeginOperation … Settle), and the object lives until all
// have: a callback may use `this` until its Settle.
#pragma once

#include <google/protobuf/arena.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "libs/base/error.h"
#include "libs/base/mutex.h"
#include "libs/grpcx/open_streams.h"
#include "libs/grpcx/rpc_metrics.h"
#include "libs/grpcx/status.h"

namespace weir::grpcx {

template <typename Request, typename Response>
class StreamCall : public grpc::ServerBidiReactor<Request, Response>, private OpenStreams::Stream {
 public:
  // References must outlive the stream.
  StreamCall(StreamMetrics& metrics, OpenStreams& streams) : metrics_(metrics), streams_(streams) {
    metrics_.Opened();
  }

  // Begins to read. The handler calls it once the object is complete.
  void Start() {
    const bool accepted = streams_.Add(*this);
    mu_.Lock();
    if (!accepted) EndLocked(ShuttingDown());
    ProceedAndUnlock();
  }

 protected:
  // ---- What a subclass says. None may block; those marked "locked" are called with mu_ held. ----

  // A request has come; never two at a time. It may be taken apart.
  virtual void OnRequest(Request& request) = 0;
  // Before each: the request has to wait for something. True: `go_on` is called once, on any thread, and OnRequest follows.
  virtual bool PutOff(const Request&, std::function<void()> /*go_on*/) { return false; }
  // Whether to read a further request now: this is the flow control. Locked.
  virtual bool MayRead() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) = 0;
  // Sets aside what is to be answered, for Encode. False: nothing. Locked.
  virtual bool TakeAnswers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) = 0;
  // Fills in the response with what was set aside.
  virtual void Encode(Response& response) = 0;
  // Whether there is something else to do now. True: Work is called. Locked.
  virtual bool WantsWork() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return false; }
  virtual void Work() {}
  // The stream begins to end: is called once, Locked. What is under way should be cut short.
  virtual void OnEnding() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {}

  // ---- What it may call. ----

  // No more requests; the stream ends with `status` once what is under way has been answered. The first status counts. Locked.
  void EndLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (ending_.has_value()) return;
    ending_ = status;
    OnEnding();
  }
  bool ending() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return ending_.has_value(); }
  // Something that will end in Settle has begun. Locked.
  void BeginOperation() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { ++operations_; }
  // Changes the state by `change`, which is called with mu_ held, and ends an operation. `this` may be gone afterwards.
  template <typename Change>
  void Settle(Change change) {
    mu_.Lock();
    change();
    --operations_;
    ProceedAndUnlock();
  }

  StreamMetrics& metrics() { return metrics_; }

  Mutex mu_;

 private:
  enum class Action { kNone, kWrite, kWork, kRead, kFinish };

  static absl::Status ShuttingDown() {
    return MakeError(ErrorReason::kShuttingDown, "This server is stopping; open the stream again.");
  }

  Action NextAction() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!broken_ && !writing_ && TakeAnswers()) {
      writing_ = true;
      return Action::kWrite;
    }
    if (WantsWork()) return Action::kWork;
    if (!ending_.has_value() && !reading_ && MayRead()) {
      reading_ = true;
      return Action::kRead;
    }
    return ending_.has_value() && !writing_ && operations_ == 0 ? Action::kFinish : Action::kNone;
  }

  // Does what can be done, then releases mu_. `this` may be gone afterwards.
  void ProceedAndUnlock() ABSL_UNLOCK_FUNCTION(mu_) {
    if (acting_) return mu_.Unlock();
    acting_ = true;
    while (true) {
      const Action action = NextAction();
      if (action == Action::kNone) {
        acting_ = false;
        return mu_.Unlock();
      }
      const absl::Status status = ending_.value_or(absl::OkStatus());
      mu_.Unlock();
      if (action == Action::kFinish) {
        // acting_ stays, so nothing is begun any more.
        metrics_.Finished(status.code());
        return this->Finish(ToGrpcStatus(status));
      }
      Do(action);
      mu_.Lock();
    }
  }

  void Do(Action action) {
    if (action == Action::kWork) return Work();
    if (action == Action::kRead) {
      request_arena_.Reset();
      request_ = google::protobuf::Arena::CreateMessage<Request>(&request_arena_);
      return this->StartRead(request_);
    }
    response_arena_.Reset();
    response_ = google::protobuf::Arena::CreateMessage<Response>(&response_arena_);
    Encode(*response_);
    this->StartWrite(response_);
  }

  void OnReadDone(bool ok) final {
    mu_.Lock();
    if (!ok || ending_.has_value()) {
      reading_ = false;
      EndLocked(absl::OkStatus());
      return ProceedAndUnlock();
    }
    BeginOperation();
    mu_.Unlock();
    if (!PutOff(*request_, [this] { TakeRequest(); })) TakeRequest();
  }

  void TakeRequest() {
    OnRequest(*request_);
    Settle([this] { reading_ = false; });
  }

  void OnWriteDone(bool ok) final {
    mu_.Lock();
    writing_ = false;
    if (!ok) Break();
    ProceedAndUnlock();
  }

  void OnCancel() final {
    mu_.Lock();
    Break();
    ProceedAndUnlock();
  }

  void Break() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    broken_ = true;
    EndLocked(absl::CancelledError("The stream is broken, or was cancelled by the client."));
  }

  void Drain() final {
    mu_.Lock();
    EndLocked(ShuttingDown());
    ProceedAndUnlock();
  }

  void OnDone() final {
    streams_.Remove(*this);
    delete this;
  }

  StreamMetrics& metrics_;
  OpenStreams& streams_;

  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mu_);
  bool broken_ ABSL_GUARDED_BY(mu_) = false;   // nobody reads answers any more
  bool reading_ ABSL_GUARDED_BY(mu_) = false;  // until OnRequest has returned
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool acting_ ABSL_GUARDED_BY(mu_) = false;   // a thread is in ProceedAndUnlock's loop
  int operations_ ABSL_GUARDED_BY(mu_) = 0;

  // Touched by whoever reads, and whoever writes.
  google::protobuf::Arena request_arena_;
  Request* request_ = nullptr;
  google::protobuf::Arena response_arena_;
  Response* response_ = nullptr;
};

}  // namespace weir::grpcx
