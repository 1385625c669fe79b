// Three replicas over one PostgreSQL stand in for each other: whichever is asked, the owner answers; one that is told to stop hands its
// shards over and no request fails; the shards of one that is killed are served again when its lease has run out. After each,
// `weir cluster status` tells who serves what.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/mutex.h"
#include "libs/grpcx/channel.h"
#include "tests/fault/load.h"
#include "tests/fault/test_cluster.h"
#include "tests/support/pg_fixture.h"
#include "weir/queue/v1/queue_service.grpc.pb.h"

namespace weir {
namespace {

namespace q = queue::v1;
using nlohmann::json;
using testing::Each;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Stub = q::QueueService::Stub;

constexpr int kReplicas = 3;
constexpr int kShards = 6;
constexpr int kLeaseSeconds = 6;  // the default
constexpr absl::Duration kLimit = absl::Seconds(30);

std::unique_ptr<Stub> Connect(const std::string& address) {
  return q::QueueService::NewStub(grpcx::MakeChannel(address, {.own_connection = true}));
}

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + kLimit));
}

void CreateQueue(Stub& stub, const std::string& queue) {
  grpc::ClientContext context;
  SetDeadline(context);
  q::CreateQueueRequest request;
  request.mutable_queue()->set_name(queue);
  q::CreateQueueResponse response;
  EXPECT_EQ(ErrorName(stub.CreateQueue(&context, request, &response)), "OK");
}

grpc::Status Send(Stub& stub, const std::string& queue, const std::string& body) {
  grpc::ClientContext context;
  SetDeadline(context);
  q::SendMessageRequest request;
  request.mutable_queue()->set_name(queue);
  request.mutable_message()->set_body(body);
  q::SendMessageResponse response;
  return stub.SendMessage(&context, request, &response);
}

// The body of the next message, deleted; or what went wrong.
std::string Take(Stub& stub, const std::string& queue) {
  grpc::ClientContext context;
  SetDeadline(context);
  q::ReceiveMessagesRequest request;
  request.mutable_queue()->set_name(queue);
  request.mutable_wait_time()->set_seconds(20);
  q::ReceiveMessagesResponse response;
  const grpc::Status received = stub.ReceiveMessages(&context, request, &response);
  if (!received.ok() || response.messages().empty()) return absl::StrCat("nothing: ", ErrorName(received));
  grpc::ClientContext delete_context;
  SetDeadline(delete_context);
  q::DeleteMessageRequest remove;
  remove.mutable_queue()->set_name(queue);
  remove.set_receipt_handle(response.messages(0).receipt_handle());
  q::DeleteMessageResponse removed;
  const grpc::Status deleted = stub.DeleteMessage(&delete_context, remove, &removed);
  return deleted.ok() ? response.messages(0).body() : absl::StrCat("not deleted: ", ErrorName(deleted));
}

void ProduceTwo(Stub& stub, const std::string& queue) {
  grpc::ClientContext context;
  SetDeadline(context);
  const auto stream = stub.Produce(&context);
  q::ProduceRequest request;
  request.mutable_start()->mutable_queue()->set_name(queue);
  request.add_messages()->set_body("one");
  request.add_messages()->set_body("two");
  EXPECT_TRUE(stream->Write(request));
  stream->WritesDone();
  int sent = 0;
  for (q::ProduceResponse response; stream->Read(&response);) {
    for (const q::ProduceResult& result : response.results()) sent += result.has_sent() ? 1 : 0;
  }
  EXPECT_EQ(sent, 2);
  EXPECT_EQ(ErrorName(stream->Finish()), "OK");
}

// Receives and deletes everything that comes to a queue, over one stream.
class Consumer {
 public:
  Consumer(Stub& stub, const std::string& queue) {
    SetDeadline(context_);
    stream_ = stub.Consume(&context_);
    q::ConsumeRequest request;
    request.mutable_start()->mutable_queue()->set_name(queue);
    // What the killed replica had received comes again soon.
    request.mutable_start()->mutable_visibility_timeout()->set_seconds(2);
    request.set_add_credit(1'000);
    EXPECT_TRUE(stream_->Write(request));
    reader_ = std::thread([this] { ReadAll(); });
  }
  ~Consumer() {
    context_.TryCancel();
    reader_.join();
    (void)stream_->Finish();
  }
  // Those of `bodies` that have not come, and been deleted for good as far as is known, in time: what is not deleted when the stream ends
  // comes again.
  std::set<std::string> AwaitAll(std::set<std::string> bodies) {
    MutexLock lock(&mu_);
    const auto all_here = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return ended_ || std::includes(bodies_.begin(), bodies_.end(), bodies.begin(), bodies.end());
    };
    mu_.AwaitWithTimeout(all_here, kLimit);
    for (const std::string& body : bodies_) bodies.erase(body);
    return bodies;
  }

 private:
  void ReadAll() {
    std::map<int64_t, std::string> held;  // by delivery
    for (q::ConsumeResponse response; stream_->Read(&response);) {
      q::ConsumeRequest request;
      request.set_add_credit(response.deliveries_size());
      for (const q::Delivery& delivery : response.deliveries()) {
        request.add_delete_(delivery.delivery_id());
        held[delivery.delivery_id()] = delivery.message().body();
      }
      if (response.deliveries_size() > 0 && !stream_->Write(request)) break;
      MutexLock lock(&mu_);
      for (const int64_t delivery : response.deleted()) bodies_.insert(held[delivery]);
      // A delete whose answer died with the replica may be done, and then the message does not come again.
      for (const q::ConsumeFailure& failure : response.failures()) {
        if (failure.failure().reason() == common::v1::ERROR_REASON_OUTCOME_UNKNOWN) bodies_.insert(held[failure.delivery_id()]);
      }
    }
    MutexLock lock(&mu_);
    ended_ = true;
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<q::ConsumeRequest, q::ConsumeResponse>> stream_;
  std::thread reader_;
  Mutex mu_;
  std::set<std::string> bodies_ ABSL_GUARDED_BY(mu_);
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
};

// Sends to a queue, one message after the other. When its replica takes no connection any more it goes on with the next one.
class Producer {
 public:
  Producer(std::vector<std::string> addresses, std::string queue, std::string prefix)
      : addresses_(std::move(addresses)), queue_(std::move(queue)), prefix_(std::move(prefix)) {
    thread_ = std::thread([this] { SendAll(); });
  }
  ~Producer() { Stop(); }
  void Stop() {
    stop_.store(true);
    if (thread_.joinable()) thread_.join();
  }
  int answered() const { return answered_.load(); }

  // REQUIRES: stopped.
  const std::set<std::string>& sent() const { return sent_; }
  const std::vector<std::string>& failures() const { return failures_; }
  absl::Duration slowest() const { return slowest_; }

 private:
  void SendAll() {
    size_t replica = 0;
    auto stub = Connect(addresses_[replica]);
    for (int i = 0; !stop_.load(); ++i) {
      const std::string body = absl::StrCat(prefix_, i);
      const absl::Time start = absl::Now();
      grpc::Status status = Send(*stub, queue_, body);
      while (IsDisconnected(status) && replica + 1 < addresses_.size()) {
        stub = Connect(addresses_[++replica]);
        status = Send(*stub, queue_, body);
      }
      slowest_ = std::max(slowest_, absl::Now() - start);
      if (status.ok()) {
        sent_.insert(body);
        answered_.fetch_add(1);
      } else {
        failures_.push_back(absl::StrCat(ErrorName(status), ": ", status.error_message()));
      }
    }
  }
  // gRPC's own word, so the service has not had the request: it takes no connection, or the request came while it closed the port.
  static bool IsDisconnected(const grpc::Status& status) {
    return ErrorName(status) == "CANCELLED" || (status.error_code() == grpc::StatusCode::UNAVAILABLE &&
                                                absl::StrContains(status.error_message(), "failed to connect"));
  }

  const std::vector<std::string> addresses_;
  const std::string queue_;
  const std::string prefix_;
  std::atomic<bool> stop_{false};
  std::atomic<int> answered_{0};
  std::set<std::string> sent_;
  std::vector<std::string> failures_;
  absl::Duration slowest_;
  std::thread thread_;
};

// The cluster is made once; each test begins with all replicas at their share.
class ReplicasStandInTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = std::make_unique<TempDir>();
    auto started = TestCluster::Start({.folder = dir_->path(),
                                       .replicas = kReplicas,
                                       .shards = kShards,
                                       .lease_seconds = kLeaseSeconds});
    ASSERT_TRUE(started.ok()) << started.status();
    cluster_ = *std::move(started);
    MakeQueues();
  }
  static void TearDownTestSuite() {
    cluster_.reset();
    dir_.reset();
  }
  void SetUp() override {
    const absl::Status healed = cluster_->Heal();
    ASSERT_TRUE(healed.ok()) << healed;
    ASSERT_TRUE(AwaitOwners({2, 2, 2})) << ClusterStatus(0).dump(2);
    for (int i = 0; i < kReplicas; ++i) stubs_.push_back(Connect(cluster_->address(i)));
  }

  // One on each shard: the first whose message shows there.
  static void MakeQueues() {
    const auto stub = Connect(cluster_->address(0));
    std::set<size_t> used;
    for (int i = 0; used.size() < kShards; ++i) {
      const std::string queue = absl::StrCat("queue-", i);
      CreateQueue(*stub, queue);
      ASSERT_TRUE(Send(*stub, queue, "first").ok());
      ASSERT_EQ(Take(*stub, queue), "first");
      const json status = ClusterStatus(0);
      for (size_t shard = 0; shard < kShards; ++shard) {
        const json& load = status["shards"][shard]["load"];
        const bool is_used = load.is_object() && load["rows"] > 0;
        if (is_used && used.insert(shard).second) queues_.push_back(queue);
      }
    }
  }

  // As `weir cluster status` prints it.
  static json ClusterStatus(int replica) {
    const std::string line = absl::StrCat("WEIR_QUEUE_ENDPOINT=", cluster_->address(replica),
                                          " " WEIR_BIN_DIR "/weir cluster status --output json 2>&1");
    std::FILE* pipe = popen(line.c_str(), "r");
    std::array<char, 4096> buffer;
    std::string out;
    for (size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) out.append(buffer.data(), n);
    pclose(pipe);
    return json::parse(out, nullptr, false);
  }
  // How many shards each replica serves; whatever else they are is counted under "".
  static std::map<std::string, int> Served(const json& status) {
    std::map<std::string, int> served;
    if (!status.is_object()) return served;
    for (const json& shard : status["shards"]) {
      ++served[shard["state"] == "SERVING" ? shard["owner"].get<std::string>() : ""];
    }
    return served;
  }
  // Waits until each replica serves so many, as the last one says.
  static bool AwaitOwners(const std::vector<int>& counts) {
    std::map<std::string, int> wanted;
    for (int i = 0; i < kReplicas; ++i) {
      if (counts[static_cast<size_t>(i)] > 0) wanted[cluster_->name(i)] = counts[static_cast<size_t>(i)];
    }
    const absl::Time deadline = absl::Now() + kLimit;
    while (absl::Now() < deadline) {
      if (Served(ClusterStatus(kReplicas - 1)) == wanted) return true;
      if (!cluster_->Run(absl::Milliseconds(20)).ok()) return false;
    }
    return false;
  }

  // Sends by way of all replicas to queues on every shard while `strike` puts an end to the first; `first_too`: also by way of that
  // one, whose clients go elsewhere when it takes no more connections. Answers the longest time that a send took.
  absl::Duration SendThrough(const std::function<void()>& strike, bool first_too, std::vector<std::string>& failures) {
    std::vector<std::unique_ptr<Consumer>> consumers;
    std::vector<std::unique_ptr<Producer>> producers;
    for (const std::string& queue : queues_) {
      consumers.push_back(std::make_unique<Consumer>(*stubs_[2], queue));
      for (int i = first_too ? 0 : 1; i < kReplicas; ++i) {
        std::vector<std::string> addresses = {cluster_->address(i)};
        if (i == 0) addresses.push_back(cluster_->address(1));
        producers.push_back(std::make_unique<Producer>(
            std::move(addresses), queue, absl::StrCat(absl::ToUnixMillis(absl::Now()), "-", i, "-")));
      }
    }
    AwaitAnswers(producers, 20);
    strike();
    AwaitAnswers(producers, 20);
    absl::Duration slowest;
    for (auto& producer : producers) {
      producer->Stop();
      slowest = std::max(slowest, producer->slowest());
      failures.insert(failures.end(), producer->failures().begin(), producer->failures().end());
    }
    for (size_t i = 0; i < producers.size(); ++i) {
      Consumer& consumer = *consumers[i * consumers.size() / producers.size()];
      EXPECT_THAT(consumer.AwaitAll(producers[i]->sent()), IsEmpty());
    }
    return slowest;
  }
  // Each gets so many more.
  static void AwaitAnswers(const std::vector<std::unique_ptr<Producer>>& producers, int count) {
    const absl::Time deadline = absl::Now() + kLimit;
    for (const auto& producer : producers) {
      const int wanted = producer->answered() + count;
      while (producer->answered() < wanted) {
        ASSERT_LT(absl::Now(), deadline) << "Sends are not answered any more.";
        ASSERT_TRUE(cluster_->Run(absl::Milliseconds(1)).ok());
      }
    }
  }

  // The first replica's shards have new owners and higher epochs, the others' are as before.
  static void ExpectTakenFromFirst(const json& before, const json& after) {
    EXPECT_THAT(Served(after), UnorderedElementsAre(testing::Pair("replica-1", 3), testing::Pair("replica-2", 3)));
    for (size_t i = 0; i < kShards; ++i) {
      const json& was = before["shards"][i];
      const json& is = after["shards"][i];
      EXPECT_EQ(is["number"], i);
      if (was["owner"] == "replica-0") {
        EXPECT_GT(is["epoch"], was["epoch"]);
      } else {
        EXPECT_EQ(is["epoch"], was["epoch"]);
        EXPECT_EQ(is["owner"], was["owner"]);
      }
    }
  }

  static inline std::unique_ptr<TempDir> dir_;
  static inline std::unique_ptr<TestCluster> cluster_;
  static inline std::vector<std::string> queues_;
  std::vector<std::unique_ptr<Stub>> stubs_;
};

TEST_F(ReplicasStandInTest, WhicheverIsAskedTheOwnerAnswers) {
  for (const std::string& queue : queues_) {
    for (size_t i = 0; i < kReplicas; ++i) {
      auto waiting = std::async(std::launch::async, [&] { return Take(*stubs_[i], queue); });
      EXPECT_EQ(ErrorName(Send(*stubs_[(i + 1) % kReplicas], queue, "x")), "OK");
      EXPECT_EQ(waiting.get(), "x");
      ProduceTwo(*stubs_[i], queue);
      Consumer consumer(*stubs_[(i + 2) % kReplicas], queue);
      EXPECT_THAT(consumer.AwaitAll({"one", "two"}), IsEmpty());
    }
  }
  const json status = ClusterStatus(1);
  EXPECT_EQ(status["replica"], "replica-1");
  ASSERT_EQ(status["replicas"].size(), static_cast<size_t>(kReplicas));
  for (const json& replica : status["replicas"]) {
    EXPECT_EQ(replica["alive"], true);
    EXPECT_EQ(replica["shards"], 2);
  }
}

// It could not be told of the queue, and has not looked yet.
TEST_F(ReplicasStandInTest, QueueThatWasMadeElsewhereIsFoundByEveryCall) {
  const auto try_on_another = [&](const std::string& queue, const std::function<void()>& call) {
    TcpProxy& proxy = cluster_->from_peers(2);
    proxy.Block(TcpProxy::Way::kBoth);
    CreateQueue(*stubs_[0], queue);
    call();
    proxy.Heal();
  };
  try_on_another("made-for-groups", [&] {
    grpc::ClientContext context;
    SetDeadline(context);
    q::ListMessageGroupsRequest request;
    request.mutable_queue()->set_name("made-for-groups");
    q::ListMessageGroupsResponse response;
    EXPECT_EQ(ErrorName(stubs_[2]->ListMessageGroups(&context, request, &response)), "OK");
  });
  try_on_another("made-for-produce", [&] { ProduceTwo(*stubs_[2], "made-for-produce"); });
  try_on_another("made-for-consume", [&] {
    Consumer consumer(*stubs_[2], "made-for-consume");
    EXPECT_EQ(ErrorName(Send(*stubs_[2], "made-for-consume", "x")), "OK");
    EXPECT_THAT(consumer.AwaitAll({"x"}), IsEmpty());
  });
}

TEST_F(ReplicasStandInTest, NoRequestFailsWhenOneIsToldToStop) {
  const json before = ClusterStatus(1);
  std::vector<std::string> failures;
  const absl::Duration slowest = SendThrough(
      [] {
        const absl::Status ended = cluster_->Interrupt(0);
        EXPECT_TRUE(ended.ok()) << ended;
      },
      /*first_too=*/true, failures);
  std::printf("the slowest send over a graceful stop took %s\n", absl::FormatDuration(slowest).c_str());
  EXPECT_THAT(failures, IsEmpty());
  EXPECT_LT(slowest, absl::Seconds(3));
  ExpectTakenFromFirst(before, ClusterStatus(1));
}

TEST_F(ReplicasStandInTest, ShardsOfOneThatIsKilledAreTakenOver) {
  const json before = ClusterStatus(1);
  std::vector<std::string> failures;
  const absl::Duration slowest = SendThrough([] { cluster_->Kill(0); }, /*first_too=*/false, failures);
  std::printf("the slowest send over kill -9 took %s\n", absl::FormatDuration(slowest).c_str());
  // Those that it had taken and not answered.
  EXPECT_THAT(failures, Each(testing::StartsWith("UNAVAILABLE OUTCOME_UNKNOWN")));
  EXPECT_LT(slowest, absl::Seconds(10));
  ExpectTakenFromFirst(before, ClusterStatus(1));
}

}  // namespace
}  // namespace weir
