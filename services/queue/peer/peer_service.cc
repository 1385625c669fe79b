#include "services/queue/peer/peer_service.h"

#include <algorithm>

#include "services/queue/peer/server_stream.h"
#include "services/queue/peer/session.h"

namespace weir::queue::peer {

PeerService::PeerService(engine::PeerHost& host, LinkOptions options, const Clock& clock)
    : host_(host), options_(options), clock_(clock), timer_([this] { RunTimer(); }) {}

PeerService::~PeerService() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    timer_changed_.SignalAll();
  }
  timer_.join();
}

void PeerService::Leave() {
  {
    MutexLock lock(&mu_);
    leaving_ = true;
  }
  for (const auto& session : Sessions()) session->Leave();
}

grpc::ServerBidiReactor<v1::LinkRequest, v1::LinkResponse>* PeerService::Link(
    grpc::CallbackServerContext* context) {
  auto session = std::make_shared<Session>(host_, options_, clock_);
  auto* stream = new ServerStream(context, session);
  bool leaving = false;
  {
    MutexLock lock(&mu_);
    leaving = leaving_;
    std::erase_if(sessions_, [](const auto& other) { return other.expired(); });
    sessions_.push_back(session);
  }
  if (leaving) session->Leave();
  return stream;
}

std::vector<std::shared_ptr<Session>> PeerService::Sessions() {
  std::vector<std::shared_ptr<Session>> sessions;
  MutexLock lock(&mu_);
  for (const std::weak_ptr<Session>& weak : sessions_) {
    if (auto session = weak.lock()) sessions.push_back(std::move(session));
  }
  return sessions;
}

void PeerService::RunTimer() {
  absl::Duration beat_at = clock_.Monotonic() + options_.heartbeat_interval;
  absl::Duration last_beat = clock_.Monotonic();
  while (true) {
    {
      MutexLock lock(&mu_);
      if (stopping_) return;
      const absl::Duration now = clock_.Monotonic();
      if (now < beat_at) {
        timer_changed_.WaitWithTimeout(&mu_, beat_at - now);
        continue;
      }
    }
    const absl::Duration now = clock_.Monotonic();
    // If this process was stopped meanwhile, the others were not silent for so long.
    const absl::Duration elapsed = std::min(now - last_beat, 2 * options_.heartbeat_interval);
    for (const auto& session : Sessions()) session->Beat(elapsed);
    last_beat = now;
    beat_at = now + options_.heartbeat_interval;
  }
}

}  // namespace weir::queue::peer
