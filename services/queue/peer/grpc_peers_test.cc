// Both sides of a link in one process, over a real connection that can be cut and blocked.
#include "services/queue/peer/grpc_peers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/grpcx/server.h"
#include "services/queue/peer/peer_service.h"
#include "tests/support/tcp_proxy.h"

namespace weir::queue::peer {
namespace {

using core::MessageSeq;
using core::PartitionId;
using core::RequestId;
using core::ShardId;
using testing::Each;
using testing::ElementsAre;
using testing::Gt;
using testing::SizeIs;

const ShardId kShard(3);
const PartitionId kPartition(7);
constexpr absl::Duration kLong = absl::Seconds(20);

core::ContentPtr Content(const std::string& body) {
  return std::make_shared<core::MessageContent>(core::MessageContent{.message_id = "id", .body = body});
}

core::Send Send(const std::string& body) {
  core::Send send{.partition = kPartition, .config = nullptr, .messages = {}};
  send.messages.push_back({Content(body), std::nullopt});
  return send;
}

core::Receive LongPoll() {
  core::Receive receive{.partition = kPartition, .config = nullptr};
  receive.wait_until = absl::Now() + absl::Minutes(1);
  return receive;
}

core::ReceiveReply Message(const std::string& body) {
  return {kPartition, {{.seq = MessageSeq(5), .receive_count = 2, .content = Content(body)}}};
}

// Sends are answered with a number that rises, or kept; receives are parked.
class FakeHost final : public engine::PeerHost {
 public:
  RequestId SubmitFromPeer(ShardId shard, const engine::SubmitTerms& terms, core::Command command,
                           engine::ReplySink sink) override {
    if (shard != kShard) {
      sink(MakeError(ErrorReason::kShardNotOwned, "Not here."));
      return RequestId();
    }
    RequestId request;
    core::Reply reply;
    {
      MutexLock lock(&mu_);
      terms_ = terms;
      request = RequestId(next_++);
      if (auto* release = std::get_if<core::ReleaseLease>(&command)) {
        releases_.push_back(*release);
        return request;
      }
      if (auto* receive = std::get_if<core::Receive>(&command)) {
        parked_.emplace(request, std::move(sink));
        wait_until_ = receive->wait_until;
        return request;
      }
      bodies_.push_back(std::get<core::Send>(command).messages[0].content->body);
      if (keeping_) {
        kept_.push_back(std::move(sink));
        return request;
      }
      reply = core::SendReply{{MessageSeq(static_cast<int64_t>(bodies_.size()))}, {}};
    }
    sink(std::move(reply));
    return RequestId();
  }
  void CancelFromPeer(ShardId, PartitionId, RequestId request) override {
    engine::ReplySink sink;
    {
      MutexLock lock(&mu_);
      ++cancels_;
      const auto it = parked_.find(request);
      if (it == parked_.end()) return;
      sink = std::move(it->second);
      parked_.erase(it);
    }
    sink(core::ReceiveReply{});
  }
  void QueryFromPeer(ShardId shard, engine::ShardQuery query, absl::Time deadline,
                     engine::AnswerSink sink) override {
    MutexLock lock(&mu_);
    query_deadline_ = deadline;
    if (std::holds_alternative<engine::PeekQuery>(query)) {
      unanswered_ = std::move(sink);
      return;
    }
    engine::StatsAnswer answer;
    answer.stats.resize(std::get<engine::StatsQuery>(query).partitions.size());
    sink(std::move(answer));
  }
  void AnnouncedByPeer(int64_t registry_version, absl::Time, engine::DoneSink done) override {
    done(registry_version == 4 ? absl::OkStatus() : MakeError(ErrorReason::kStoreUnavailable, "Away."));
  }
  void OfferedByPeer(ShardId shard) override {
    MutexLock lock(&mu_);
    offered_ = shard;
  }

  // Sends are not answered until AnswerKept.
  void Keep() {
    MutexLock lock(&mu_);
    keeping_ = true;
  }
  void AnswerKept() {
    std::vector<engine::ReplySink> kept;
    {
      MutexLock lock(&mu_);
      keeping_ = false;
      kept = std::exchange(kept_, {});
    }
    for (auto& sink : kept) sink(core::SendReply{{MessageSeq(1)}, {}});
  }
  // What the sink of a parked receive says to it.
  bool AnswerParked(const core::ReceiveReply& reply) {
    engine::ReplySink sink;
    {
      MutexLock lock(&mu_, [this] { return !parked_.empty(); });
      sink = std::move(parked_.begin()->second);
      parked_.erase(parked_.begin());
    }
    return sink(reply);
  }
  template <typename Condition>
  bool Await(Condition condition) {
    MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout([&] { return condition(*this); }, kLong);
  }

  Mutex mu_;
  int64_t next_ = 1;
  bool keeping_ = false;
  int cancels_ = 0;
  engine::SubmitTerms terms_;
  std::vector<std::string> bodies_;
  std::vector<engine::ReplySink> kept_;
  std::map<RequestId, engine::ReplySink> parked_;
  std::vector<core::ReleaseLease> releases_;
  absl::Time wait_until_;
  absl::Time query_deadline_;
  engine::AnswerSink unanswered_;
  std::optional<ShardId> offered_;
};

// A server with a fake host, and a client that reaches it through a proxy.
class GrpcPeersTest : public testing::Test {
 protected:
  GrpcPeersTest() {
    // Silence is noticed after two seconds, and a busy machine is not taken for it.
    options_.heartbeat_interval = absl::Milliseconds(300);
    options_.silent_intervals_max = 6;
    options_.connect_timeout = absl::Seconds(1);
    StartServer("127.0.0.1:0");
    proxy_ = TcpProxy::Start(server_->address()).value();
    StartClient();
  }
  ~GrpcPeersTest() override {
    peers_.reset();
    StopServer();
  }

  void StartServer(const std::string& address) {
    service_ = std::make_unique<PeerService>(host_, options_);
    server_ = std::make_unique<grpcx::Server>(
        grpcx::ServerOptions{.address = address, .max_message_bytes = kFrameBytesLimit});
    server_->AddService(*service_);
    server_->BeforeDrain([this] {
      service_->Leave();
      host_.AnswerKept();
    });
    const absl::Status started = server_->Start();
    ASSERT_TRUE(started.ok()) << started;
  }
  void StopServer() {
    if (server_ != nullptr) server_->Stop();
    server_.reset();
    service_.reset();
  }
  void StartClient() { peers_ = std::make_unique<GrpcPeers>(options_); }

  std::future<core::Reply> SubmitTo(const std::string& address, core::Command command,
                                    ShardId shard = kShard) {
    auto promise = std::make_shared<std::promise<core::Reply>>();
    auto future = promise->get_future();
    last_ = peers_->Submit(address, shard, {.registry_version = 4, .epoch = core::Epoch(5)},
                           std::move(command), [promise](core::Reply reply) {
                             promise->set_value(std::move(reply));  // throws if it comes twice
                             return true;
                           });
    return future;
  }
  std::future<core::Reply> Submit(core::Command command) {
    return SubmitTo(proxy_->address(), std::move(command));
  }
  static ErrorReason ReasonFor(std::future<core::Reply> reply) {
    const core::Reply got = reply.get();
    const auto* status = std::get_if<absl::Status>(&got);
    return status == nullptr ? ErrorReason::kUnspecified : ReasonOf(*status);
  }
  // Until the link is up again: it is refused for a moment after a failure.
  core::Reply SubmitUntilDone(const std::string& body) {
    while (true) {
      core::Reply reply = Submit(Send(body)).get();
      if (!std::holds_alternative<absl::Status>(reply)) return reply;
    }
  }

  LinkOptions options_;
  FakeHost host_;
  std::unique_ptr<PeerService> service_;
  std::unique_ptr<grpcx::Server> server_;
  std::unique_ptr<TcpProxy> proxy_;
  std::unique_ptr<GrpcPeers> peers_;
  RequestId last_;
};

TEST_F(GrpcPeersTest, CommandIsAnsweredByThePeer) {
  const core::Reply reply = Submit(Send("hello")).get();
  EXPECT_THAT(std::get<core::SendReply>(reply).seqs, ElementsAre(MessageSeq(1)));
  EXPECT_THAT(host_.bodies_, ElementsAre("hello"));
  EXPECT_EQ(host_.terms_.registry_version, 4);
  EXPECT_EQ(host_.terms_.epoch, core::Epoch(5));
  EXPECT_NE(last_.value() & (int64_t{1} << 61), 0);
}

TEST_F(GrpcPeersTest, ErrorOfThePeerComesBack) {
  EXPECT_EQ(ReasonFor(SubmitTo(proxy_->address(), Send("a"), ShardId(99))),
            ErrorReason::kShardNotOwned);
  EXPECT_EQ(ReasonFor(Submit(core::Tick{})), ErrorReason::kInternal);
}

TEST_F(GrpcPeersTest, CommandsArriveInTheirOrder) {
  std::vector<std::future<core::Reply>> replies;
  std::vector<std::string> bodies;
  for (int i = 0; i < 3'000; ++i) {
    bodies.push_back(absl::StrCat(i));
    replies.push_back(Submit(Send(bodies.back())));
  }
  for (int i = 0; i < 3'000; ++i) {
    EXPECT_THAT(std::get<core::SendReply>(replies[i].get()).seqs, ElementsAre(MessageSeq(i + 1)));
  }
  EXPECT_EQ(host_.bodies_, bodies);
}

TEST_F(GrpcPeersTest, TenThousandRequestsWaitAtOnce) {
  constexpr size_t kRequests = 10'000;
  host_.Keep();
  std::vector<std::future<core::Reply>> replies;
  for (size_t i = 0; i < kRequests; ++i) replies.push_back(Submit(Send("x")));
  ASSERT_TRUE(host_.Await([](FakeHost& host) { return host.kept_.size() == kRequests; }));
  host_.AnswerKept();
  for (auto& reply : replies) EXPECT_TRUE(std::holds_alternative<core::SendReply>(reply.get()));
}

TEST_F(GrpcPeersTest, LargeMessagesPass) {
  const std::string body(1 << 20, 'b');
  ASSERT_TRUE(std::holds_alternative<core::SendReply>(Submit(Send(body)).get()));
  EXPECT_EQ(host_.bodies_.at(0), body);

  auto received = Submit(LongPoll());
  core::ReceiveReply ten{kPartition, {}};
  for (int i = 0; i < 10; ++i) ten.messages.push_back(Message(body).messages[0]);
  EXPECT_TRUE(host_.AnswerParked(ten));
  EXPECT_THAT(std::get<core::ReceiveReply>(received.get()).messages, SizeIs(10));
}

TEST_F(GrpcPeersTest, LongPollEndsInThePeersTime) {
  auto received = Submit(LongPoll());
  EXPECT_TRUE(host_.AnswerParked(Message("m")));
  const core::ReceiveReply reply = std::get<core::ReceiveReply>(received.get());
  EXPECT_EQ(reply.messages.at(0).content->body, "m");
  EXPECT_GT(host_.wait_until_, absl::Now() + absl::Seconds(30));
}

TEST_F(GrpcPeersTest, CancelledReceiveIsAnsweredSoon) {
  auto received = Submit(LongPoll());
  peers_->Cancel(proxy_->address(), kShard, kPartition, last_);
  EXPECT_THAT(std::get<core::ReceiveReply>(received.get()).messages, SizeIs(0));
  EXPECT_EQ(host_.cancels_, 1);
}

TEST_F(GrpcPeersTest, MessagesThatNobodyTakesAreGivenBack) {
  peers_->Submit(proxy_->address(), kShard, {}, LongPoll(), [](const core::Reply&) { return false; });
  EXPECT_TRUE(host_.AnswerParked(Message("m")));
  ASSERT_TRUE(host_.Await([](FakeHost& host) { return !host.releases_.empty(); }));
  EXPECT_EQ(host_.releases_[0].partition, kPartition);
  ASSERT_THAT(host_.releases_[0].receipts, SizeIs(1));
  EXPECT_EQ(host_.releases_[0].receipts[0].seq, MessageSeq(5));
  EXPECT_EQ(host_.releases_[0].receipts[0].receive_count, 2);
}

TEST_F(GrpcPeersTest, ParkedReceivesEndWithTheirClient) {
  std::vector<std::future<core::Reply>> received;
  for (int i = 0; i < 10; ++i) received.push_back(Submit(LongPoll()));
  ASSERT_TRUE(host_.Await([](FakeHost& host) { return host.parked_.size() == 10; }));
  peers_.reset();
  EXPECT_TRUE(host_.Await([](FakeHost& host) { return host.cancels_ == 10; }));
  for (auto& reply : received) EXPECT_EQ(ReasonFor(std::move(reply)), ErrorReason::kOutcomeUnknown);
}

TEST_F(GrpcPeersTest, ReplyToAClientThatIsGoneIsNotTaken) {
  host_.Keep();
  auto sent = Submit(Send("a"));
  ASSERT_TRUE(host_.Await([](FakeHost& host) { return host.kept_.size() == 1; }));
  auto received = Submit(LongPoll());
  ASSERT_TRUE(host_.Await([](FakeHost& host) { return host.parked_.size() == 1; }));
  engine::ReplySink sink;
  {
    MutexLock lock(&host_.mu_);
    sink = std::move(host_.parked_.begin()->second);
    host_.parked_.clear();
  }
  peers_.reset();
  ASSERT_TRUE(host_.Await([](FakeHost& host) { return host.cancels_ == 1; }));
  EXPECT_FALSE(sink(Message("m")));
}

TEST_F(GrpcPeersTest, QueriesAreAnswered) {
  std::promise<absl::StatusOr<engine::ShardAnswer>> answer;
  peers_->Query(proxy_->address(), kShard, engine::StatsQuery{{kPartition, kPartition}},
                absl::Now() + absl::Seconds(50), [&](auto got) { answer.set_value(std::move(got)); });
  const absl::StatusOr<engine::ShardAnswer> got = answer.get_future().get();
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_THAT(std::get<engine::StatsAnswer>(*got).stats, SizeIs(2));
  EXPECT_GT(host_.query_deadline_, absl::Now() + absl::Seconds(10));
}

TEST_F(GrpcPeersTest, QueryEndsAtItsDeadline) {
  std::promise<absl::StatusOr<engine::ShardAnswer>> answer;
  peers_->Query(proxy_->address(), kShard, engine::PeekQuery{.partition = kPartition},
                absl::Now() + absl::Milliseconds(50), [&](auto got) { answer.set_value(std::move(got)); });
  EXPECT_EQ(ReasonOf(answer.get_future().get().status()), ErrorReason::kDeadlineExceeded);
  // The late answer finds nobody.
  ASSERT_TRUE(host_.Await([](FakeHost& host) { return host.unanswered_ != nullptr; }));
  host_.unanswered_(engine::PeekAnswer{});
  EXPECT_TRUE(std::holds_alternative<core::SendReply>(Submit(Send("a")).get()));
}

TEST_F(GrpcPeersTest, AnnouncementsAndOffersArrive) {
  std::promise<absl::Status> known;
  std::promise<absl::Status> failed;
  peers_->Announce(proxy_->address(), 4, absl::InfiniteFuture(), [&](auto s) { known.set_value(s); });
  peers_->Announce(proxy_->address(), 5, absl::InfiniteFuture(), [&](auto s) { failed.set_value(s); });
  EXPECT_EQ(known.get_future().get(), absl::OkStatus());
  EXPECT_EQ(ReasonOf(failed.get_future().get()), ErrorReason::kStoreUnavailable);
  peers_->Offer(proxy_->address(), kShard);
  EXPECT_TRUE(host_.Await([](FakeHost& host) { return host.offered_ == kShard; }));
}

// ---- What goes wrong --------------------------------------------------------------------------------------------------

TEST_F(GrpcPeersTest, TooMuchUnderWayIsRefused) {
  options_.requests_max = 2;
  StartClient();
  host_.Keep();
  auto first = Submit(Send("a"));
  auto second = Submit(Send("b"));
  EXPECT_EQ(ReasonFor(Submit(Send("c"))), ErrorReason::kOverloaded);
  ASSERT_TRUE(host_.Await([](FakeHost& host) { return host.kept_.size() == 2; }));
  host_.AnswerKept();
  first.get();
  second.get();
  EXPECT_TRUE(std::holds_alternative<core::SendReply>(Submit(Send("d")).get()));
}

TEST_F(GrpcPeersTest, PeerThatIsNotThereWasSurelyNotAsked) {
  const std::string address = server_->address();
  StopServer();
  EXPECT_EQ(ReasonFor(SubmitTo(address, Send("a"))), ErrorReason::kShardNotOwned);
  EXPECT_EQ(ReasonFor(SubmitTo(address, Send("b"))), ErrorReason::kShardNotOwned);
}

TEST_F(GrpcPeersTest, BrokenLinkLeavesTheOutcomeUnknownAndComesBack) {
  ASSERT_TRUE(std::holds_alternative<core::SendReply>(Submit(Send("a")).get()));
  host_.Keep();
  std::vector<std::future<core::Reply>> replies;
  for (int i = 0; i < 100; ++i) replies.push_back(Submit(Send("x")));
  ASSERT_TRUE(host_.Await([](FakeHost& host) { return host.kept_.size() == 100; }));
  proxy_->Cut();
  for (auto& reply : replies) EXPECT_EQ(ReasonFor(std::move(reply)), ErrorReason::kOutcomeUnknown);
  host_.AnswerKept();
  // It was heard, so it is tried again without a pause.
  EXPECT_TRUE(std::holds_alternative<core::SendReply>(Submit(Send("y")).get()));
}

TEST_F(GrpcPeersTest, PeerThatStopsAnswersWhatItWasAsked) {
  host_.Keep();
  std::vector<std::future<core::Reply>> replies;
  for (int i = 0; i < 100; ++i) replies.push_back(Submit(Send("x")));
  ASSERT_TRUE(host_.Await([](FakeHost& host) { return host.kept_.size() == 100; }));
  const std::string address = server_->address();
  StopServer();
  for (auto& reply : replies) EXPECT_TRUE(std::holds_alternative<core::SendReply>(reply.get()));
  EXPECT_EQ(ReasonFor(Submit(Send("y"))), ErrorReason::kShardNotOwned);

  StartServer(address);
  SubmitUntilDone("z");
  EXPECT_EQ(host_.bodies_.back(), "z");
}

// Sends under way all the time while the server stops and starts: none is lost without a word.
TEST_F(GrpcPeersTest, RestartsAreToldToEachRequestOnce) {
  std::atomic<bool> stop{false};
  std::vector<std::future<core::Reply>> replies;
  std::thread sender([&] {
    while (!stop.load()) {
      replies.push_back(Submit(Send("x")));
      if (replies.size() % 64 == 0) replies.back().wait();
    }
  });
  const std::string address = server_->address();
  for (int i = 0; i < 5; ++i) {
    StopServer();
    StartServer(address);
    size_t before = 0;
    {
      MutexLock lock(&host_.mu_);
      before = host_.bodies_.size();
    }
    EXPECT_TRUE(host_.Await([&](FakeHost& host) { return host.bodies_.size() > before; }));
  }
  stop = true;
  sender.join();
  size_t done = 0;
  for (auto& reply : replies) {
    const core::Reply got = reply.get();
    const auto* status = std::get_if<absl::Status>(&got);
    if (status == nullptr) {
      ++done;
    } else {
      EXPECT_EQ(ReasonOf(*status), ErrorReason::kShardNotOwned)
          << *status << ": a peer that stops answers all that it was asked";
    }
  }
  EXPECT_EQ(done, host_.bodies_.size());
}

TEST_F(GrpcPeersTest, AnswersThatTakeLongToHandOutAreNoSilence) {
  auto parked = Submit(LongPoll());
  // As the sinks of thousands of answers do on a busy machine.
  Notification never;
  Notification done;
  const absl::Duration beyond = options_.heartbeat_interval * (options_.silent_intervals_max + 3);
  peers_->Submit(proxy_->address(), kShard, {.registry_version = 4, .epoch = core::Epoch(5)}, Send("x"),
                 [&](const core::Reply&) {
                   never.WaitForNotificationWithTimeout(beyond);
                   done.Notify();
                   return true;
                 });
  done.WaitForNotification();
  ASSERT_EQ(parked.wait_for(std::chrono::seconds(0)), std::future_status::timeout) << "It was given up.";
  EXPECT_TRUE(host_.AnswerParked(Message("m")));
  EXPECT_TRUE(std::holds_alternative<core::ReceiveReply>(parked.get()));
}

TEST_F(GrpcPeersTest, SilentPeerIsGivenUp) {
  ASSERT_TRUE(std::holds_alternative<core::SendReply>(Submit(Send("a")).get()));
  auto received = Submit(LongPoll());
  ASSERT_TRUE(host_.Await([](FakeHost& host) { return host.parked_.size() == 1; }));
  const absl::Time blocked_at = absl::Now();
  proxy_->Block(TcpProxy::Way::kBoth);
  EXPECT_EQ(ReasonFor(std::move(received)), ErrorReason::kOutcomeUnknown);
  EXPECT_LT(absl::Now() - blocked_at, absl::Seconds(5));
  // The other side notices too.
  EXPECT_TRUE(host_.Await([](FakeHost& host) { return host.cancels_ == 1; }));
  // What comes in the partition was surely not done.
  EXPECT_EQ(ReasonFor(Submit(Send("b"))), ErrorReason::kShardNotOwned);
  proxy_->Cut();
  proxy_->Heal();
  SubmitUntilDone("c");
}

TEST_F(GrpcPeersTest, ListenerThatNeverAnswersIsGivenUp) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 8), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const absl::Time asked_at = absl::Now();
  EXPECT_EQ(ReasonFor(SubmitTo(absl::StrCat("127.0.0.1:", ntohs(address.sin_port)), Send("a"))),
            ErrorReason::kShardNotOwned);
  EXPECT_LT(absl::Now() - asked_at, absl::Seconds(5));
  close(listener);
}

TEST_F(GrpcPeersTest, ForgottenPeerIsAskedNothingMore) {
  auto received = Submit(LongPoll());
  ASSERT_TRUE(host_.Await([](FakeHost& host) { return host.parked_.size() == 1; }));
  peers_->Forget(proxy_->address());
  EXPECT_EQ(ReasonFor(std::move(received)), ErrorReason::kOutcomeUnknown);
  EXPECT_TRUE(host_.Await([](FakeHost& host) { return host.cancels_ == 1; }));
  EXPECT_TRUE(std::holds_alternative<core::SendReply>(Submit(Send("a")).get())) << "it came back";
}

TEST_F(GrpcPeersTest, IdleLinkIsClosedAndOpensAgain) {
  options_.idle_timeout = absl::Milliseconds(300);
  options_.heartbeat_interval = absl::Milliseconds(20);
  options_.silent_intervals_max = 1'000;
  StartClient();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(std::holds_alternative<core::SendReply>(Submit(Send("a")).get()));
    const absl::Time deadline = absl::Now() + kLong;
    while (proxy_->connections() > 0 && absl::Now() < deadline) std::this_thread::yield();
    EXPECT_EQ(proxy_->connections(), 0);
  }
}

TEST_F(GrpcPeersTest, StoppedClientRefuses) {
  peers_->Stop();
  EXPECT_EQ(ReasonFor(Submit(Send("a"))), ErrorReason::kShardNotOwned);
}

}  // namespace
}  // namespace weir::queue::peer
