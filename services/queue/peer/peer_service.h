// The answering side of the links between replicas: hands what peers ask to the engine::PeerHost, and writes its answers back.
//
// A session lives as long as its stream, and longer if the host still owes it answers: their sinks keep it alive. When its stream
// ends, its parked receives are cancelled, and messages in replies that were not written are given back.
//
// Thread-safe. No reaction blocks; sinks encode on the host's thread.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/queue/engine/peers.h"
#include "services/queue/peer/link_options.h"
#include "weir/internal/peer/v1/peer_service.grpc.pb.h"

namespace weir::queue::peer {

class Session;

class PeerService final : public internal::peer::v1::PeerService::CallbackService {
 public:
  // `host` and `clock` must outlive the server that this is registered with.
  PeerService(engine::PeerHost& host, LinkOptions options, const Clock& clock = SystemClock());
  ~PeerService() override;  // REQUIRES: its server has ended

  // Peers send nothing more, and their streams end once what they have sent is answered. REQUIRES: the host answers parked receives
  // then, as it does when it stops.
  void Leave();

  grpc::ServerBidiReactor<internal::peer::v1::LinkRequest, internal::peer::v1::LinkResponse>* Link(
      grpc::CallbackServerContext* context) override;

 private:
  std::vector<std::shared_ptr<Session>> Sessions();
  void RunTimer();

  // Constant after construction.
  engine::PeerHost& host_;
  const LinkOptions options_;
  const Clock& clock_;

  Mutex mu_;
  CondVar timer_changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool leaving_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::weak_ptr<Session>> sessions_ ABSL_GUARDED_BY(mu_);
  std::thread timer_;
};

}  // namespace weir::queue::peer
