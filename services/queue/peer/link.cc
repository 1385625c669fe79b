#include "services/queue/peer/link.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <random>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/grpcx/channel.h"
#include "libs/observe/log.h"
#include "services/queue/peer/codec.h"
#include "weir/internal/peer/v1/peer_service.grpc.pb.h"

namespace weir::queue::peer {
namespace {

using core::ShardId;

constexpr int64_t kNoRequest = 0;
constexpr int64_t kHeartbeatTag = -1;

// Of `full`, between a half and all: peers that lost the same replica do not come back in step.
absl::Duration Jittered(absl::Duration full) {
  thread_local std::minstd_rand random(std::random_device{}());
  return full * std::uniform_real_distribution<double>(0.5, 1.0)(random);
}

absl::Status Unreadable(absl::string_view why) {
  return MakeError(ErrorReason::kInternal,
                   absl::StrCat("The answer of another replica cannot be read: ", why));
}

}  // namespace

// The stream as gRPC sees it. Deletes itself when gRPC is done with it and the link has let go of it. The link's hold keeps it alive
// meanwhile.
class ClientStream final : public grpc::ClientBidiReactor<v1::LinkRequest, v1::LinkResponse> {
 public:
  ClientStream(std::shared_ptr<Link> link, std::shared_ptr<LiveStreams> live,
               const std::string& address)
      : link_(std::move(link)),
        live_(std::move(live)),
        // A connection of its own: a new one finds out at once whether the peer is back, and has no back-off but the link's.
        channel_(grpcx::MakeChannel(address, {.own_connection = true})),
        stub_(v1::PeerService::NewStub(channel_)) {
    live_->Begin();
    stub_->async()->Link(&context_, this);
    AddHold();
    StartRead(&response_);
    StartCall();
  }

  // What is being written; the link's while it writes nothing.
  v1::LinkRequest& frame() { return request_; }
  void Write() {
    StartWrite(&request_);
    RemoveHold();
  }
  void WritesDone() {
    StartWritesDone();
    RemoveHold();
  }
  // REQUIRES: the link has let go of it.
  void End() {
    context_.TryCancel();
    RemoveHold();
  }

  void OnReadInitialMetadataDone(bool ok) override {
    if (ok) link_->OnTaken(this);
  }
  void OnReadDone(bool ok) override {
    if (!ok) {
      link_->OnEnd(this, "the connection ended");
    } else if (link_->OnFrame(this, response_)) {
      response_.Clear();
      StartRead(&response_);
    }
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return link_->OnEnd(this, "the connection ended");
    link_->OnWritten(this);
  }
  void OnDone(const grpc::Status&) override {
    const std::shared_ptr<LiveStreams> live = live_;
    std::shared_ptr<grpc::Channel> channel = channel_;
    delete this;
    live->End(std::move(channel));
  }

 private:
  const std::shared_ptr<Link> link_;
  const std::shared_ptr<LiveStreams> live_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::PeerService::Stub> stub_;
  grpc::ClientContext context_;
  v1::LinkRequest request_;
  v1::LinkResponse response_;
};

// ---- What is asked ----------------------------------------------------------------------------------------------------

void Link::Request(std::unique_ptr<v1::RequestItem> item, Sink sink) {
  const size_t bytes = item->ByteSizeLong();
  Next next = Next::kNothing;
  ClientStream* stream = nullptr;
  Answers refused;
  {
    MutexLock lock(&mu_);
    absl::Status admitted = AdmitLocked(bytes);
    if (admitted.ok() && state_ == State::kLeaving) admitted = Unreachable("it is stopping");
    if (!admitted.ok()) {
      refused.emplace_back(std::move(sink), std::move(admitted));
    } else {
      pending_.emplace(item->id(), Pending{std::move(sink), ShardId(item->shard())});
      AddLocked(std::move(item), bytes);
      next = NextLocked();
      stream = stream_;
    }
  }
  Do(next, stream);
  Fail(refused);
}

void Link::Tell(std::unique_ptr<v1::RequestItem> item) {
  const size_t bytes = item->ByteSizeLong();
  Next next = Next::kNothing;
  ClientStream* stream = nullptr;
  {
    MutexLock lock(&mu_);
    if (!AdmitLocked(bytes).ok() || writes_done_) return;
    AddLocked(std::move(item), bytes);
    next = NextLocked();
    stream = stream_;
  }
  Do(next, stream);
}

absl::Status Link::AdmitLocked(size_t bytes) {
  if (cut_) return Unreachable("it is not a replica any more, or this server is stopping");
  if (pending_.size() >= options_.requests_max ||
      outbox_.bytes() + bytes > options_.queued_bytes_max) {
    return MakeError(ErrorReason::kOverloaded,
                     absl::StrCat("The replica at ", address_, " has ", options_.requests_max,
                                  " requests to answer, or ", options_.queued_bytes_max,
                                  " bytes are to be sent to it; slow down and try again."));
  }
  if (state_ == State::kIdle) {
    if (clock_.Monotonic() < paused_until_) return Unreachable(last_failure_);
    OpenLocked();
  }
  return absl::OkStatus();
}

void Link::OpenLocked() {
  state_ = State::kConnecting;
  connecting_since_ = clock_.Monotonic();
  heard_ever_ = heard_ = handing_out_ = false;
  silent_beats_ = 0;
  auto hello = std::make_unique<v1::RequestItem>();
  hello->mutable_hello()->set_heartbeat_interval_ns(
      absl::ToInt64Nanoseconds(options_.heartbeat_interval));
  AddLocked(std::move(hello), 0);
  stream_ = new ClientStream(shared_from_this(), live_streams_, address_);
}

void Link::AddLocked(std::unique_ptr<v1::RequestItem> item, size_t bytes) {
  idle_beats_ = 0;
  const int64_t tag = item->has_heartbeat() ? kHeartbeatTag : item->id();
  outbox_.Add(std::move(item), bytes, tag);
}

Link::Next Link::NextLocked() {
  if (state_ != State::kUp && state_ != State::kLeaving) return Next::kNothing;
  if (writing_ || writes_done_) return Next::kNothing;
  if (outbox_.empty()) {
    if (state_ == State::kUp) return Next::kNothing;
    writes_done_ = true;
    stream_->AddHold();
    return Next::kWritesDone;
  }
  std::vector<int64_t> tags;
  stream_->frame().Clear();
  outbox_.Fill(options_.frame_bytes_max, stream_->frame(), tags);
  for (const int64_t tag : tags) {
    if (tag == kHeartbeatTag) heartbeat_queued_ = false;
    if (tag <= kNoRequest) continue;
    const auto it = pending_.find(tag);
    if (it != pending_.end()) it->second.written = true;
  }
  writing_ = true;
  stream_->AddHold();
  return Next::kWrite;
}

void Link::Do(Next next, ClientStream* stream) {
  if (next == Next::kWrite) stream->Write();
  if (next == Next::kWritesDone) stream->WritesDone();
}

// ---- What the stream says ---------------------------------------------------------------------------------------------

void Link::OnTaken(ClientStream* stream) {
  Next next = Next::kNothing;
  {
    MutexLock lock(&mu_);
    if (stream != stream_) return;
    state_ = State::kUp;
    next = NextLocked();
  }
  Do(next, stream);
}

void Link::OnWritten(ClientStream* stream) {
  Next next = Next::kNothing;
  {
    MutexLock lock(&mu_);
    if (stream != stream_) return;
    writing_ = false;
    next = NextLocked();
  }
  Do(next, stream);
}

bool Link::OnFrame(ClientStream* stream, v1::LinkResponse& frame) {
  bool leaving = false;
  std::vector<std::pair<Pending, v1::ResponseItem*>> answered;
  {
    MutexLock lock(&mu_);
    if (stream != stream_) return false;
    heard_ = heard_ever_ = handing_out_ = true;
    failures_ = 0;
    for (v1::ResponseItem& item : *frame.mutable_items()) {
      if (item.has_leaving()) leaving = true;
      // One that is not there was answered by its deadline.
      const auto it = pending_.find(item.id());
      if (it == pending_.end()) continue;
      answered.emplace_back(std::move(it->second), &item);
      pending_.erase(it);
    }
  }
  for (auto& [pending, item] : answered) Answer(std::move(pending), *item);
  {
    MutexLock lock(&mu_);
    if (stream == stream_) handing_out_ = false;
  }
  if (leaving) OnLeaving(stream);
  return true;
}

void Link::OnLeaving(ClientStream* stream) {
  Answers refused;
  Next next = Next::kNothing;
  {
    MutexLock lock(&mu_);
    if (stream != stream_ || state_ != State::kUp) return;
    state_ = State::kLeaving;
    outbox_.Remove([&](const v1::RequestItem& item, int64_t) {
      const auto it = pending_.find(item.id());
      if (it == pending_.end()) return item.id() != kNoRequest;
      refused.emplace_back(std::move(it->second.sink), Unreachable("it is stopping"));
      pending_.erase(it);
      return true;
    });
    next = NextLocked();
  }
  Do(next, stream);
  Fail(refused);
}

void Link::OnEnd(ClientStream* stream, absl::string_view why) {
  Answers answers;
  {
    MutexLock lock(&mu_);
    if (stream != stream_) return;
    EndLocked(why, answers);
  }
  stream->End();
  Fail(answers);
}

// ---- Time and ends ----------------------------------------------------------------------------------------------------

bool Link::Beat() {
  Answers answers;
  bool ended = false;
  Next next = Next::kNothing;
  ClientStream* stream = nullptr;
  {
    MutexLock lock(&mu_);
    stream = stream_;
    const bool idle = pending_.empty() && outbox_.empty() && !writing_;
    idle_beats_ = idle ? idle_beats_ + 1 : 0;
    const bool long_idle = idle_beats_ * options_.heartbeat_interval >= options_.idle_timeout;
    if (state_ == State::kIdle) return long_idle;
    const bool heard = std::exchange(heard_, false) || handing_out_;
    silent_beats_ = heard ? 0 : silent_beats_ + 1;
    if (state_ == State::kConnecting) {
      silent_beats_ = 0;
      if (clock_.Monotonic() - connecting_since_ >= options_.connect_timeout) {
        EndLocked("it takes no connection in time", answers);
      }
    } else if (silent_beats_ >= options_.silent_intervals_max) {
      EndLocked("it is silent", answers);
    } else if (long_idle) {
      LetGoLocked("there was nothing to do", answers);
    } else if (state_ == State::kUp && !std::exchange(heartbeat_queued_, true)) {
      auto heartbeat = std::make_unique<v1::RequestItem>();
      heartbeat->mutable_heartbeat();
      const int idle_beats = idle_beats_;
      AddLocked(std::move(heartbeat), 0);
      idle_beats_ = idle_beats;
      next = NextLocked();
    }
    ended = stream_ == nullptr;
  }
  Do(next, stream);
  if (ended) stream->End();
  Fail(answers);
  return false;
}

void Link::Expire(int64_t request) {
  Answers expired;
  {
    MutexLock lock(&mu_);
    const auto it = pending_.find(request);
    if (it == pending_.end()) return;
    expired.emplace_back(std::move(it->second.sink),
                         MakeError(ErrorReason::kDeadlineExceeded,
                                   absl::StrCat("The replica at ", address_, " did not answer in time.")));
    pending_.erase(it);
  }
  Fail(expired);
}

void Link::Cut(absl::string_view why, bool for_ever) {
  Answers answers;
  ClientStream* stream = nullptr;
  {
    MutexLock lock(&mu_);
    cut_ = cut_ || for_ever;
    stream = LetGoLocked(why, answers);
  }
  if (stream != nullptr) stream->End();
  Fail(answers);
}

ClientStream* Link::LetGoLocked(absl::string_view why, Answers& answers) {
  for (auto& [request, pending] : std::exchange(pending_, {})) {
    // A question that was not answered may be asked elsewhere; only of a command it matters whether it was carried out.
    const bool doubtful =
        pending.written && std::holds_alternative<engine::ReplySink>(pending.sink);
    answers.emplace_back(
        std::move(pending.sink),
        doubtful ? MakeError(ErrorReason::kOutcomeUnknown,
                             absl::StrCat("The replica at ", address_, " has not answered, and ", why,
                                          ": the request may or may not have been carried out."))
                 : Unreachable(why));
  }
  outbox_ = {};
  state_ = State::kIdle;
  writing_ = writes_done_ = heartbeat_queued_ = false;
  return std::exchange(stream_, nullptr);
}

void Link::EndLocked(absl::string_view why, Answers& answers) {
  if (state_ == State::kConnecting || !heard_ever_) {
    NoteFailureLocked(why);
  } else if (state_ == State::kUp || !pending_.empty()) {
    observe::Log(observe::Level::kWarning, "the link to another replica broke",
                 {{"address", address_},
                  {"why", std::string(why)},
                  {"unanswered", absl::StrCat(pending_.size())}});
  }
  LetGoLocked(why, answers);
}

void Link::NoteFailureLocked(absl::string_view why) {
  last_failure_ = std::string(why);
  const absl::Duration pause = options_.retry_min * (1 << std::min(failures_, 10));
  paused_until_ = clock_.Monotonic() + Jittered(std::min(pause, options_.retry_max));
  if (++failures_ == 1) {
    observe::Log(observe::Level::kWarning, "another replica cannot be reached",
                 {{"address", address_}, {"why", last_failure_}});
  }
}

absl::Status Link::Unreachable(absl::string_view why) const {
  return MakeError(ErrorReason::kShardNotOwned,
                   absl::StrCat("The replica at ", address_, " cannot be reached: ", why, "."));
}

// ---- Answers ----------------------------------------------------------------------------------------------------------

void Link::Fail(Answers& answers) {
  for (auto& [sink, status] : answers) {
    std::visit([&status = status](auto& take) { take(status); }, sink);
  }
}

void Link::Answer(Pending pending, v1::ResponseItem& item) {
  if (item.has_error()) {
    Answers answers;
    answers.emplace_back(std::move(pending.sink), DecodeStatus(item.error()));
    return Fail(answers);
  }
  if (auto* sink = std::get_if<engine::ReplySink>(&pending.sink)) {
    return AnswerCommand(*sink, pending.shard, item);
  }
  if (auto* sink = std::get_if<engine::AnswerSink>(&pending.sink)) {
    absl::StatusOr<engine::ShardAnswer> answer = DecodeAnswer(std::move(*item.mutable_answer()));
    return (*sink)(answer.ok() ? std::move(answer) : Unreadable(answer.status().message()));
  }
  std::get<engine::DoneSink>(pending.sink)(
      item.has_done() ? absl::OkStatus() : Unreadable("it does not belong to the request."));
}

void Link::AnswerCommand(engine::ReplySink& sink, ShardId shard, v1::ResponseItem& item) {
  absl::StatusOr<core::Reply> reply = DecodeReply(std::move(*item.mutable_reply()));
  if (!reply.ok()) {
    sink(Unreadable(reply.status().message()));
    return;
  }
  const auto* received = std::get_if<core::ReceiveReply>(&*reply);
  if (received == nullptr) {
    sink(*std::move(reply));
    return;
  }
  core::ReleaseLease release{.partition = received->partition, .receipts = {}};
  for (const core::ReceivedMessage& message : received->messages) {
    release.receipts.push_back({message.seq, message.receive_count});
  }
  if (sink(*std::move(reply)) || release.receipts.empty()) return;
  auto give_back = std::make_unique<v1::RequestItem>();
  give_back->set_shard(shard.value());
  // It travels, so it is encoded.
  (void)EncodeCommand(release, clock_.Now(), *give_back->mutable_submit()->mutable_command());
  Tell(std::move(give_back));
}

}  // namespace weir::queue::peer
