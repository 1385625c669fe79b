// What must outlast the server, and what happens while PostgreSQL is away.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <pqxx/pqxx>

#include "absl/strings/str_cat.h"
#include "tests/integration/queue_fixture.h"

namespace weir::queue {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(QueueTest, RestartKeepsMessagesReceiveCountsAndDeletes) {
  CreateQueue("jobs", "maximum_message_bytes: 5000");
  for (int i = 0; i < 30; ++i) Send("jobs", absl::StrCat(i));
  Send("jobs", "delayed", 900);
  const auto deleted = Receive("jobs", 5);
  for (const auto& message : deleted) ASSERT_TRUE(Delete("jobs", message.receipt_handle()).ok());
  const auto held = Receive("jobs", 1);
  const auto seen = ReceiveWith("jobs", "visibility_timeout {}");
  ASSERT_EQ(Counts("jobs"), "24/1/1");

  StopServer();
  StartServer();
  EXPECT_EQ(Counts("jobs"), "24/1/1");
  EXPECT_EQ(GetQueue("jobs").attributes().maximum_message_bytes(), 5000);
  // The receipt of before still holds.
  EXPECT_TRUE(Delete("jobs", held[0].receipt_handle()).ok());
  EXPECT_EQ(Counts("jobs"), "24/0/1");
  std::map<std::string, int> counts;
  while (true) {
    const auto received = Receive("jobs");
    if (received.empty()) break;
    for (const auto& message : received) counts[message.body()] = message.receive_count();
  }
  EXPECT_EQ(counts.size(), 24u);
  EXPECT_EQ(counts[seen[0].body()], 2);
  EXPECT_EQ(counts["29"], 1);
  EXPECT_EQ(counts.count("0"), 0u);
}

TEST_F(QueueTest, RestartKeepsPurgesAndDeletedQueues) {
  CreateQueue("purged");
  CreateQueue("deleted");
  Send("purged", "before");
  Send("deleted", "x");
  Must(&Stub::PurgeQueue, Proto<v1::PurgeQueueRequest>("queue { name: 'purged' }"));
  Send("purged", "after");
  Must(&Stub::DeleteQueue, Proto<v1::DeleteQueueRequest>("queue { name: 'deleted' }"));
  StopServer();
  StartServer();
  EXPECT_THAT(BodiesOf(Receive("purged")), ElementsAre("after"));
  CreateQueue("deleted");
  EXPECT_EQ(Counts("deleted"), "0/0/0");
}

TEST_F(QueueTest, DeepBacklogComesBackInOrder) {
  CreateQueue("jobs");
  constexpr int kMessages = 5'000;  // more than the window that is kept in memory
  for (int i = 0; i < kMessages; i += 10) {
    v1::SendMessageBatchRequest request;
    request.mutable_queue()->set_name("jobs");
    for (int j = i; j < i + 10; ++j) {
      auto& entry = *request.add_entries();
      entry.set_id(absl::StrCat(j));
      entry.mutable_message()->set_body(absl::StrCat(j));
    }
    ASSERT_EQ(Must(&Stub::SendMessageBatch, request).successful_size(), 10);
  }
  StopServer();
  StartServer();
  EXPECT_EQ(Counts("jobs"), absl::StrCat(kMessages, "/0/0"));
  int next = 0;
  while (next < kMessages) {
    const auto received = Receive("jobs", 10, /*wait_s=*/5);
    ASSERT_FALSE(received.empty()) << "after " << next;
    for (const auto& message : received) ASSERT_EQ(message.body(), absl::StrCat(next++));
  }
  EXPECT_THAT(Receive("jobs"), IsEmpty());
}

TEST_F(QueueTest, MessagesPastTheirRetentionAreNeverDelivered) {
  CreateQueue("jobs", "retention { seconds: 60 }");
  Send("jobs", "old");
  StopServer();
  {
    // An hour goes by, as it were.
    pqxx::connection connection(dsn());
    pqxx::work tx(connection);
    for (int shard = 0; shard < 4; ++shard) {
      tx.exec(absl::StrCat("UPDATE shard_000", shard, ".messages_000001 SET sent_at = sent_at - interval '1 hour',",
                           " visible_at = visible_at - interval '1 hour'"));
    }
    tx.commit();
  }
  StartServer();
  Send("jobs", "new");
  EXPECT_THAT(BodiesOf(Receive("jobs")), ElementsAre("new"));
  EXPECT_EQ(Counts("jobs"), "0/1/0");
}

TEST_F(QueueTest, LongerRetentionHoldsForTheMessagesThatAreThere) {
  CreateQueue("jobs", "retention { seconds: 60 }");
  Send("jobs", "x");
  Must(&Stub::UpdateQueue,
       Proto<v1::UpdateQueueRequest>("queue { name: 'jobs' } attributes { retention { seconds: 1209600 } }"));
  StopServer();
  {
    pqxx::connection connection(dsn());
    pqxx::work tx(connection);
    for (int shard = 0; shard < 4; ++shard) {
      tx.exec(absl::StrCat("UPDATE shard_000", shard, ".messages_000001 SET sent_at = sent_at - interval '1 hour',",
                           " visible_at = visible_at - interval '1 hour'"));
    }
    tx.commit();
  }
  StartServer();
  EXPECT_THAT(Receive("jobs"), SizeIs(1));
}

// A PostgreSQL that may die.
class OutageTest : public testing::Test {
 protected:
  void SetUp() override {
    auto postgres = pg::PrivatePostgres::Start({.data_dir = dir_.path()});
    ASSERT_TRUE(postgres.ok()) << postgres.status();
    postgres_ = *std::move(postgres);
    server_ = std::make_unique<QueueServerUnderTest>(postgres_->dsn(), absl::Seconds(2));
    ASSERT_TRUE(server_->Call(&Stub::CreateQueue, Proto<v1::CreateQueueRequest>("queue { name: 'jobs' }")).ok());
    ASSERT_TRUE(Send("before").ok());
  }
  using Stub = QueueServerUnderTest::Stub;

  absl::Status Send(const std::string& body, absl::Duration timeout = absl::Seconds(10)) {
    return server_->Call(&Stub::SendMessage,
                         Proto<v1::SendMessageRequest>(
                             absl::StrCat("queue { name: 'jobs' } message { body: '", body, "' }")), timeout)
        .status();
  }
  template <typename Try>
  absl::Status Eventually(Try attempt) {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    absl::Status status = attempt();
    while (!status.ok() && absl::Now() < deadline) status = attempt();
    return status;
  }

  TempDir dir_;
  std::unique_ptr<pg::PrivatePostgres> postgres_;
  std::unique_ptr<QueueServerUnderTest> server_;
};

TEST_F(OutageTest, CallsAreUnavailableWithAReasonAndTheServiceRecoversByItself) {
  auto polling = std::async(std::launch::async, [this] {
    return server_->Call(&Stub::ReceiveMessages,
                         Proto<v1::ReceiveMessagesRequest>(
                             "queue { name: 'jobs' } max_messages: 10 wait_time { seconds: 20 }"));
  });
  ASSERT_TRUE(polling.get().ok());

  postgres_->KillHard();
  const auto is_told = AnyOf(ErrorReason::kStoreUnavailable, ErrorReason::kOutcomeUnknown,
                             ErrorReason::kShardRecovering);
  for (int i = 0; i < 5; ++i) {
    const absl::Time start = absl::Now();
    const absl::Status send = Send("during");
    EXPECT_TRUE(absl::IsUnavailable(send)) << send;
    EXPECT_THAT(ReasonOf(send), is_told) << send;
    const absl::Status create =
        server_->Call(&Stub::CreateQueue, Proto<v1::CreateQueueRequest>("queue { name: 'new' }"), absl::Seconds(10))
            .status();
    EXPECT_TRUE(absl::IsUnavailable(create)) << create;
    EXPECT_THAT(ReasonOf(create), is_told) << create;
    const absl::Status receive =
        server_->Call(&Stub::ReceiveMessages, Proto<v1::ReceiveMessagesRequest>("queue { name: 'jobs' }"),
                      absl::Seconds(10))
            .status();
    EXPECT_TRUE(absl::IsUnavailable(receive)) << receive;
    EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  }

  ASSERT_TRUE(postgres_->StartAgain().ok());
  EXPECT_TRUE(Eventually([&] { return Send("after"); }).ok());
  EXPECT_TRUE(Eventually([&] {
                return server_->Call(&Stub::CreateQueue, Proto<v1::CreateQueueRequest>("queue { name: 'new' }"))
                    .status();
              }).ok());
  // "before" is held by the receive of before; "during" was refused, never in doubt, as the server was gone already or was not.
  const auto stats =
      server_->Call(&Stub::GetQueue, Proto<v1::GetQueueRequest>("queue { name: 'jobs' }"));
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->queue().stats().in_flight(), 1);
  EXPECT_EQ(stats->queue().stats().ready(), 1);
}

TEST_F(OutageTest, RestartOfPostgresIsSurvivedWithoutLoss) {
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(Eventually([&] { return Send("x"); }).ok());
    ASSERT_TRUE(postgres_->Stop().ok());
    ASSERT_TRUE(postgres_->StartAgain().ok());
  }
  absl::StatusOr<v1::GetQueueResponse> queue;
  ASSERT_TRUE(Eventually([&] {
                queue = server_->Call(&Stub::GetQueue, Proto<v1::GetQueueRequest>("queue { name: 'jobs' }"));
                return queue.status();
              }).ok());
  EXPECT_GE(queue->queue().stats().ready(), 11);
}

// Stops PostgreSQL with all its processes as long as it lives: connections stay open, and nothing answers.
class StalledPostgres {
 public:
  StalledPostgres() {
    // The postmaster first, so that no further process is made.
    Stop(TestPostgres().pid());
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "stat");
      std::string stat;
      std::getline(file, stat);  // nothing of a process that is gone
      const size_t name_end = stat.rfind(')');  // "PID (NAME) STATE PARENT …"
      if (name_end == std::string::npos) continue;
      if (std::atoi(stat.c_str() + name_end + 4) == TestPostgres().pid()) Stop(std::atoi(stat.c_str()));
    }
  }
  ~StalledPostgres() {
    for (const pid_t pid : pids_) kill(pid, SIGCONT);
  }

 private:
  void Stop(pid_t pid) {
    WEIR_CHECK(kill(pid, SIGSTOP) == 0);
    pids_.push_back(pid);
  }
  std::vector<pid_t> pids_;
};

TEST_F(QueueTest, CallsEndInTimeWhilePostgresStallsAndRecoverAfterwards) {
  CreateQueue("jobs");
  Send("jobs", "before");
  v1::SendMessageRequest request;
  request.mutable_queue()->set_name("jobs");
  request.mutable_message()->set_body("meanwhile");
  {
    StalledPostgres stalled;
    const absl::Status status = Call(&Stub::SendMessage, request, absl::Seconds(6)).status();
    EXPECT_THAT(ReasonOf(status), AnyOf(ErrorReason::kStoreUnavailable, ErrorReason::kOutcomeUnknown)) << status;
  }
  // By itself, within this time.
  const absl::Time until = absl::Now() + absl::Seconds(30);
  absl::Status status = absl::UnknownError("not called");
  while (!status.ok() && absl::Now() < until) status = Call(&Stub::SendMessage, request, absl::Seconds(6)).status();
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(QueueTest, StopEndsWhilePostgresStalls) {
  CreateQueue("jobs");
  StalledPostgres stalled;
  const absl::Time begin = absl::Now();
  StopServer();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(15));
}

}  // namespace
}  // namespace weir::queue
