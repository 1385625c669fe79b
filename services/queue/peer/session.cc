#include "services/queue/peer/session.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/queue/peer/codec.h"
#include "services/queue/peer/server_stream.h"

namespace weir::queue::peer {
namespace {

using core::ShardId;

// A peer bounds what it asks; this is for one that does not. Replies beyond the second are not kept, their messages are given back.
constexpr size_t kRequestsFactor = 2;
constexpr size_t kReplyBytesFactor = 4;
// Longest interval between two heartbeats that a client may announce.
constexpr absl::Duration kHeartbeatMax = absl::Minutes(1);

}  // namespace

void Session::Start(ServerStream* stream) {
  MutexLock lock(&mu_);
  stream_ = stream;
  heartbeat_interval_ = options_.heartbeat_interval;
  GoOnLocked();
}

void Session::Leave() {
  MutexLock lock(&mu_);
  auto item = std::make_unique<Item>();
  item->mutable_leaving();
  AddLocked(std::move(item), ShardId());
}

void Session::Beat(absl::Duration elapsed) {
  MutexLock lock(&mu_);
  if (stream_ == nullptr) return;
  if (reads_done_) {
    // The client cannot ask for them any more.
    auto heartbeat = std::make_unique<Item>();
    heartbeat->mutable_heartbeat();
    AddLocked(std::move(heartbeat), ShardId());
    return;
  }
  if (handling_) return;  // nothing can be heard meanwhile
  silent_for_ += elapsed;
  if (silent_for_ > heartbeat_interval_ * (options_.silent_intervals_max + 1)) stream_->Cut();
}

// ---- What the stream says ---------------------------------------------------------------------------------------------

void Session::OnFrame(v1::LinkRequest& frame) {
  {
    MutexLock lock(&mu_);
    reading_ = false;
    handling_ = true;
    silent_for_ = absl::ZeroDuration();
  }
  for (v1::RequestItem& item : *frame.mutable_items()) Handle(item);
  MutexLock lock(&mu_);
  handling_ = false;
  GoOnLocked();
}

void Session::OnReadsDone() {
  MutexLock lock(&mu_);
  reading_ = false;
  reads_done_ = true;
  GoOnLocked();
}

void Session::OnWritten(bool ok) {
  std::vector<Lost> lost;
  {
    MutexLock lock(&mu_);
    writing_ = false;
    if (!ok) {
      for (int i = 0; i < stream_->frame().items_size(); ++i) {
        NoteLost(stream_->frame().items(i), written_shards_[i], lost);
      }
    }
    GoOnLocked();
  }
  GiveBack(std::move(lost));
}

void Session::OnCancel() {
  std::vector<Lost> lost;
  absl::flat_hash_map<int64_t, ParkedReceive> receives;
  {
    MutexLock lock(&mu_);
    cancelled_ = true;
    outbox_.Remove([&](const Item& item, ShardId shard) {
      NoteLost(item, shard, lost);
      return true;
    });
    // Those whose number is not known yet are cancelled by whoever submits them.
    receives = receives_;
    GoOnLocked();
  }
  for (const auto& [id, receive] : receives) {
    if (receive.host_request == core::RequestId()) continue;
    host_.CancelFromPeer(receive.shard, receive.partition, receive.host_request);
  }
  GiveBack(std::move(lost));
}

void Session::GoOnLocked() {
  if (stream_ == nullptr) return;
  // gRPC's threads handle one frame after the other; a write that was begun ends soon, cancelled or not.
  if (!writing_ && !handling_) {
    const bool all_said = reads_done_ && unanswered_ == 0 && outbox_.empty();
    if (cancelled_ || all_said) {
      std::exchange(stream_, nullptr)->Finish(grpc::Status::OK);
      return;
    }
  }
  if (cancelled_) return;
  if (!writing_ && !outbox_.empty()) {
    writing_ = true;
    written_shards_.clear();
    stream_->frame().Clear();
    outbox_.Fill(options_.frame_bytes_max, stream_->frame(), written_shards_);
    stream_->Write();
  }
  if (!reading_ && !handling_ && !reads_done_ && outbox_.bytes() < options_.pause_reading_bytes) {
    reading_ = true;
    stream_->Read();
  }
}

// ---- What is asked ----------------------------------------------------------------------------------------------------

void Session::Handle(v1::RequestItem& item) {
  const ShardId shard(item.shard());
  switch (item.item_case()) {
    case v1::RequestItem::kHello: {
      const absl::Duration interval = absl::Nanoseconds(item.hello().heartbeat_interval_ns());
      MutexLock lock(&mu_);
      if (interval > absl::ZeroDuration()) heartbeat_interval_ = std::min(interval, kHeartbeatMax);
      return;
    }
    case v1::RequestItem::kSubmit:
      return Submit(item.id(), shard, *item.mutable_submit());
    case v1::RequestItem::kCancel:
      return Cancel(item.cancel().request());
    case v1::RequestItem::kQuery:
      return Query(item.id(), shard, item.query());
    case v1::RequestItem::kAnnounce:
      return Announce(item.id(), item.announce());
    case v1::RequestItem::kOffer:
      return host_.OfferedByPeer(shard);
    case v1::RequestItem::kHeartbeat: {
      auto heartbeat = std::make_unique<Item>();
      heartbeat->mutable_heartbeat();
      MutexLock lock(&mu_);
      AddLocked(std::move(heartbeat), ShardId());
      return;
    }
    case v1::RequestItem::ITEM_NOT_SET:
      break;
  }
  BeginRequest();
  Refuse(item.id(), MakeError(ErrorReason::kInvalidParameterValue,
                              "Another replica asked for something that this version does not know."));
}

void Session::BeginRequest() {
  MutexLock lock(&mu_);
  ++unanswered_;
}

void Session::Submit(int64_t id, ShardId shard, v1::Submit& submit) {
  const engine::SubmitTerms terms{.registry_version = submit.registry_version(),
                                  .epoch = core::Epoch(submit.epoch())};
  absl::StatusOr<core::Command> command =
      DecodeCommand(std::move(*submit.mutable_command()), clock_.Now());
  if (id == 0) {
    if (command.ok()) host_.SubmitFromPeer(shard, terms, *std::move(command), nullptr);
    return;
  }
  BeginRequest();
  if (!command.ok()) return Refuse(id, command.status());
  if (std::holds_alternative<core::Receive>(*command)) {
    return SubmitReceive(id, shard, terms, *std::move(command));
  }
  host_.SubmitFromPeer(shard, terms, *std::move(command), SinkFor(id, shard));
}

void Session::SubmitReceive(int64_t id, ShardId shard, const engine::SubmitTerms& terms,
                            core::Command command) {
  const core::PartitionId partition = std::get<core::Receive>(command).partition;
  bool too_many = false;
  {
    MutexLock lock(&mu_);
    too_many = unanswered_ > kRequestsFactor * options_.requests_max;
    if (!too_many) receives_[id] = {shard, partition, core::RequestId()};
  }
  if (too_many) {
    return Refuse(id, MakeError(ErrorReason::kOverloaded,
                                absl::StrCat("Another replica has more than ",
                                             kRequestsFactor * options_.requests_max,
                                             " requests under way.")));
  }
  const core::RequestId request =
      host_.SubmitFromPeer(shard, terms, std::move(command), SinkFor(id, shard));
  bool abandoned = false;
  {
    MutexLock lock(&mu_);
    const auto it = receives_.find(id);
    if (it == receives_.end()) return;
    it->second.host_request = request;
    abandoned = cancelled_;
  }
  if (abandoned) host_.CancelFromPeer(shard, partition, request);
}

engine::ReplySink Session::SinkFor(int64_t id, ShardId shard) {
  return [session = shared_from_this(), id, shard](const core::Reply& reply) {
    return session->Reply(id, shard, reply);
  };
}

void Session::Cancel(int64_t id) {
  ParkedReceive receive;
  {
    MutexLock lock(&mu_);
    const auto it = receives_.find(id);
    if (it == receives_.end()) return;
    receive = it->second;
  }
  if (receive.host_request == core::RequestId()) return;
  host_.CancelFromPeer(receive.shard, receive.partition, receive.host_request);
}

void Session::Query(int64_t id, ShardId shard, const v1::Query& query) {
  BeginRequest();
  absl::StatusOr<engine::ShardQuery> decoded = DecodeQuery(query);
  if (!decoded.ok()) return Refuse(id, decoded.status());
  host_.QueryFromPeer(shard, *std::move(decoded), DecodeDeadline(query.deadline_for_ns(), clock_.Now()),
                      [session = shared_from_this(), id](absl::StatusOr<engine::ShardAnswer> answer) {
                        if (!answer.ok()) return session->Refuse(id, answer.status());
                        auto item = std::make_unique<Item>();
                        item->set_id(id);
                        EncodeAnswer(*answer, *item->mutable_answer());
                        session->Answer(std::move(item));
                      });
}

void Session::Announce(int64_t id, const v1::Announce& announce) {
  BeginRequest();
  host_.AnnouncedByPeer(announce.registry_version(),
                        DecodeDeadline(announce.deadline_for_ns(), clock_.Now()),
                        [session = shared_from_this(), id](const absl::Status& done) {
                          if (!done.ok()) return session->Refuse(id, done);
                          auto item = std::make_unique<Item>();
                          item->set_id(id);
                          item->mutable_done();
                          session->Answer(std::move(item));
                        });
}

// ---- What is answered -------------------------------------------------------------------------------------------------

bool Session::Reply(int64_t id, ShardId shard, const core::Reply& reply) {
  auto item = std::make_unique<Item>();
  item->set_id(id);
  EncodeReply(reply, *item->mutable_reply());
  return Answer(std::move(item), shard);
}

bool Session::Answer(std::unique_ptr<Item> item, ShardId shard) {
  MutexLock lock(&mu_);
  --unanswered_;
  receives_.erase(item->id());
  if (stream_ == nullptr || cancelled_) {
    GoOnLocked();
    return false;
  }
  const bool too_much = outbox_.bytes() > kReplyBytesFactor * options_.pause_reading_bytes &&
                        item->reply().has_receive();
  if (too_much) {
    EncodeStatus(MakeError(ErrorReason::kOverloaded,
                           absl::StrCat("More than ", outbox_.bytes(),
                                        " bytes of replies to another replica are waiting.")),
                 *item->mutable_error());
  }
  AddLocked(std::move(item), shard);
  return !too_much;
}

void Session::Refuse(int64_t id, const absl::Status& status) {
  auto item = std::make_unique<Item>();
  item->set_id(id);
  EncodeStatus(status, *item->mutable_error());
  Answer(std::move(item));
}

void Session::AddLocked(std::unique_ptr<Item> item, ShardId shard) {
  if (stream_ == nullptr || cancelled_) return;
  const size_t bytes = item->ByteSizeLong();
  outbox_.Add(std::move(item), bytes, shard);
  GoOnLocked();
}

void Session::NoteLost(const Item& item, ShardId shard, std::vector<Lost>& lost) {
  if (!item.reply().has_receive() || item.reply().receive().messages().empty()) return;
  const v1::ReceiveReply& receive = item.reply().receive();
  core::ReleaseLease release{.partition = core::PartitionId(receive.partition()), .receipts = {}};
  for (const v1::ReceiveReply::Entry& message : receive.messages()) {
    release.receipts.push_back({core::MessageSeq(message.seq()), message.receive_count()});
  }
  lost.push_back({shard, std::move(release)});
}

void Session::GiveBack(std::vector<Lost> lost) {
  for (Lost& reply : lost) host_.SubmitFromPeer(reply.shard, {}, std::move(reply.release), nullptr);
}

}  // namespace weir::queue::peer
