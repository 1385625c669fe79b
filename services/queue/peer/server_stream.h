// A session's stream as gRPC sees it. Deletes itself when gRPC is done with it, which is after the session has finished it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <utility>

#include "services/queue/peer/session.h"
#include "weir/internal/peer/v1/peer_service.pb.h"

namespace weir::queue::peer {

class ServerStream final : public grpc::ServerBidiReactor<v1::LinkRequest, v1::LinkResponse> {
 public:
  ServerStream(grpc::CallbackServerContext* context, std::shared_ptr<Session> session)
      : context_(context), session_(std::move(session)) {
    // The client sends nothing before it has seen it.
    StartSendInitialMetadata();
    session_->Start(this);
  }

  // What is being written; the session's while it writes nothing.
  v1::LinkResponse& frame() { return response_; }
  void Write() { StartWrite(&response_); }
  void Read() { StartRead(&request_); }
  void Cut() { context_->TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return session_->OnReadsDone();
    session_->OnFrame(request_);
  }
  void OnWriteDone(bool ok) override { session_->OnWritten(ok); }
  void OnCancel() override { session_->OnCancel(); }
  void OnDone() override { delete this; }

 private:
  grpc::CallbackServerContext* const context_;
  const std::shared_ptr<Session> session_;
  v1::LinkRequest request_;
  v1::LinkResponse response_;
};

}  // namespace weir::queue::peer
