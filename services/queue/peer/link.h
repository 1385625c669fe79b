// One link of GrpcPeers: the state of its stream, what waits to be written, and who waits for an answer. grpc_peers.h has the picture.
//
// Thread-safe. Sinks are called with no lock held. A stream keeps its link alive.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/queue/engine/peers.h"
#include "services/queue/peer/link_options.h"
#include "services/queue/peer/outbox.h"
#include "weir/internal/peer/v1/peer_service.pb.h"

namespace weir::queue::peer {

namespace v1 = ::weir::internal::peer::v1;

class ClientStream;

// Streams that gRPC is not done with yet, and so may still call sinks; and the channels of those that it is done with. A channel must
// not go on one of gRPC's threads: the last channel of the process joins them.
class LiveStreams {
 public:
  void Begin() {
    MutexLock lock(&mu_);
    ++live_;
  }
  void End(std::shared_ptr<grpc::Channel> channel) {
    MutexLock lock(&mu_);
    --live_;
    channels_.push_back(std::move(channel));
  }
  // REQUIRES: not on a thread of gRPC.
  void DropChannels() {
    std::vector<std::shared_ptr<grpc::Channel>> channels;
    MutexLock lock(&mu_);
    channels.swap(channels_);
  }
  void AwaitNone() {
    MutexLock lock(&mu_);
    mu_.Await([this] { return live_ == 0; });
  }

 private:
  Mutex mu_;
  int live_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::shared_ptr<grpc::Channel>> channels_ ABSL_GUARDED_BY(mu_);
};

class Link : public std::enable_shared_from_this<Link> {
 public:
  using Sink = std::variant<engine::ReplySink, engine::AnswerSink, engine::DoneSink>;

  Link(std::string address, const LinkOptions& options, const Clock& clock,
       std::shared_ptr<LiveStreams> live_streams)
      : address_(std::move(address)),
        options_(options),
        clock_(clock),
        live_streams_(std::move(live_streams)) {}

  // A request whose answer `sink` takes. `item` has its id.
  void Request(std::unique_ptr<v1::RequestItem> item, Sink sink);
  // Something that has no answer: it may be lost.
  void Tell(std::unique_ptr<v1::RequestItem> item);
  // No answer by its deadline.
  void Expire(int64_t request);
  // One heartbeat_interval has passed. True: the link has been idle for so long that it may go.
  bool Beat();
  // Ends the stream and answers everything. With `for_ever`, everything that comes later is refused, too.
  void Cut(absl::string_view why, bool for_ever);

  // From the stream. A stream that the link has let go of is not listened to.
  void OnTaken(ClientStream* stream);
  // False: read no more.
  bool OnFrame(ClientStream* stream, v1::LinkResponse& frame);
  void OnWritten(ClientStream* stream);
  void OnEnd(ClientStream* stream, absl::string_view why);

 private:
  enum class State { kIdle, kConnecting, kUp, kLeaving };
  struct Pending {
    Sink sink;
    core::ShardId shard;
    bool written = false;
  };
  using Answers = std::vector<std::pair<Sink, absl::Status>>;

  // Why a request cannot be taken now; opens the stream where that helps.
  absl::Status AdmitLocked(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OpenLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AddLocked(std::unique_ptr<v1::RequestItem> item, size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What to do with the stream after mu_ is released: gRPC serializes in the call that starts a write.
  enum class Next { kNothing, kWrite, kWritesDone };
  Next NextLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void Do(Next next, ClientStream* stream);
  // Lets go of the stream: whoever gets it has to End it.
  ClientStream* LetGoLocked(absl::string_view why, Answers& answers) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // As LetGoLocked, of a stream that failed.
  void EndLocked(absl::string_view why, Answers& answers) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NoteFailureLocked(absl::string_view why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnLeaving(ClientStream* stream);
  void Answer(Pending pending, v1::ResponseItem& item);
  // Gives back what the sink does not take.
  void AnswerCommand(engine::ReplySink& sink, core::ShardId shard, v1::ResponseItem& item);
  absl::Status Unreachable(absl::string_view why) const;
  static void Fail(Answers& answers);

  // Constant after construction.
  const std::string address_;
  const LinkOptions options_;
  const Clock& clock_;
  const std::shared_ptr<LiveStreams> live_streams_;

  Mutex mu_;
  State state_ ABSL_GUARDED_BY(mu_) = State::kIdle;
  bool cut_ ABSL_GUARDED_BY(mu_) = false;
  // Null exactly in kIdle. It is alive while it stands here.
  ClientStream* stream_ ABSL_GUARDED_BY(mu_) = nullptr;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool writes_done_ ABSL_GUARDED_BY(mu_) = false;
  Outbox<v1::LinkRequest, v1::RequestItem, int64_t> outbox_ ABSL_GUARDED_BY(mu_);  // tag: the request
  absl::flat_hash_map<int64_t, Pending> pending_ ABSL_GUARDED_BY(mu_);
  bool heard_ ABSL_GUARDED_BY(mu_) = false;  // since the last beat
  bool heard_ever_ ABSL_GUARDED_BY(mu_) = false;  // on this stream
  bool handing_out_ ABSL_GUARDED_BY(mu_) = false;  // a frame's answers; nothing can be heard meanwhile
  bool heartbeat_queued_ ABSL_GUARDED_BY(mu_) = false;
  int silent_beats_ ABSL_GUARDED_BY(mu_) = 0;
  int idle_beats_ ABSL_GUARDED_BY(mu_) = 0;
  int failures_ ABSL_GUARDED_BY(mu_) = 0;  // in a row
  absl::Duration connecting_since_ ABSL_GUARDED_BY(mu_);
  absl::Duration paused_until_ ABSL_GUARDED_BY(mu_);
  std::string last_failure_ ABSL_GUARDED_BY(mu_);
};

}  // namespace weir::queue::peer
