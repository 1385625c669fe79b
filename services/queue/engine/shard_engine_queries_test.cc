#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/random.h"
#include "services/queue/engine/engine_fixture.h"

namespace weir::queue::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class QueriesTest : public EngineTest {
 protected:
  absl::StatusOr<ShardAnswer> Ask(const QueueInfo& queue, ShardQuery query) {
    std::promise<absl::StatusOr<ShardAnswer>> promise;
    Shard(queue).Ask(std::move(query), [&](absl::StatusOr<ShardAnswer> answer) {
      promise.set_value(std::move(answer));
    });
    return promise.get_future().get();
  }

  PeekAnswer Peek(const QueueInfo& queue, PeekQuery query) {
    query.partition = queue.address.partition;
    return std::get<PeekAnswer>(Ask(queue, std::move(query)).value());
  }

  // Page by page, as "body state": r, f or d.
  std::vector<std::string> PeekAll(const QueueInfo& queue, PeekQuery query) {
    std::vector<std::string> seen;
    while (true) {
      const PeekAnswer answer = Peek(queue, query);
      for (const PeekedMessage& message : answer.messages) {
        constexpr char kStates[] = "?rfd";
        seen.push_back(absl::StrCat(message.content->body, " ",
                                    std::string(1, kStates[static_cast<int>(message.state)])));
      }
      if (!answer.looked_to.has_value()) return seen;
      EXPECT_GT(*answer.looked_to, query.after);
      query.after = *answer.looked_to;
    }
  }

  void SendDelayed(const QueueInfo& queue, const std::string& body) {
    core::Send send{.partition = queue.address.partition, .config = queue.config};
    send.messages.push_back({.content = Content(body), .delay = absl::Minutes(5)});
    Submit(queue, std::move(send)).get();
  }
};

TEST_F(QueriesTest, PeekShowsEveryStateInOrderAndChangesNothing) {
  const auto queue = CreateQueue("orders");
  ASSERT_TRUE(Send(*queue, {"a", "b"}).ok());
  SendDelayed(*queue, "c");
  ASSERT_TRUE(Send(*queue, {"d"}).ok());
  Receive(*queue, 1);
  for (const int limit : {1, 2, 100}) {
    EXPECT_THAT(PeekAll(*queue, {.limit = limit}), ElementsAre("a f", "b r", "c d", "d r"));
  }
  EXPECT_THAT(PeekAll(*queue, {.limit = 1, .in_flight = false, .delayed = false}),
              ElementsAre("b r", "d r"));
  EXPECT_THAT(PeekAll(*queue, {.limit = 1, .ready = false, .delayed = false}), ElementsAre("a f"));
  EXPECT_THAT(Bodies(Receive(*queue, 10)), ElementsAre("b", "d"));
}

TEST_F(QueriesTest, PeekReadsADeepBacklogAndContentsThatAreNotInMemory) {
  Restart({.content_cache_bytes = 0, .refill_messages = 100});
  const auto queue = CreateQueue("orders");
  std::vector<std::string> expected;
  for (int i = 0; i < 5'000; i += 10) {
    std::vector<std::string> bodies;
    for (int j = i; j < i + 10; ++j) bodies.push_back(absl::StrCat(j));
    ASSERT_TRUE(Send(*queue, bodies).ok());
  }
  const auto received = Receive(*queue, 10);
  for (int i = 0; i < 5'000; ++i) expected.push_back(absl::StrCat(i, i < 10 ? " f" : " r"));
  EXPECT_EQ(PeekAll(*queue, {.limit = 100}), expected);
  EXPECT_EQ(PeekAll(*queue, {.limit = 100'000}), expected);  // more than a peek gives
  EXPECT_EQ(Peek(*queue, {.limit = 100'000}).messages.size(), 256u);
  EXPECT_EQ(Peek(*queue, {.limit = 100, .bytes_max = 1}).messages.size(), 1u);
  EXPECT_EQ(PeekAll(*queue, {.limit = 100, .bytes_max = 3'000}), expected);

  // The same from the store alone, where most is untouched.
  Delete(*queue, received);
  Restart();
  const auto again = engine_->registry().FindByArn(queue->arn);
  expected.erase(expected.begin(), expected.begin() + 10);
  EXPECT_EQ(PeekAll(*again, {.limit = 70}), expected);
}

TEST_F(QueriesTest, PeekOfAnEmptyQueueHasNothing) {
  const auto queue = CreateQueue("orders");
  const PeekAnswer answer = Peek(*queue, {.limit = 10});
  EXPECT_THAT(answer.messages, IsEmpty());
  EXPECT_FALSE(answer.looked_to.has_value());
}

TEST_F(QueriesTest, StatsComeInTheOrderOfTheQuestion) {
  const auto queue = CreateQueue("orders");
  ASSERT_TRUE(Send(*queue, {"a", "b"}).ok());
  Receive(*queue, 1);
  const auto answer = Ask(*queue, StatsQuery{{core::PartitionId(999), queue->address.partition}});
  const auto& stats = std::get<StatsAnswer>(answer.value()).stats;
  ASSERT_EQ(stats.size(), 2u);
  EXPECT_EQ(stats[0].ready, 0);
  EXPECT_EQ(stats[1].ready, 1);
  EXPECT_EQ(stats[1].in_flight, 1);
}

TEST_F(QueriesTest, StoppedShardRefusesAtOnce) {
  const auto queue = CreateQueue("orders");
  ShardEngine& shard = Shard(*queue);
  engine_->Stop();
  std::promise<absl::Status> told;
  shard.Ask(StatsQuery{}, [&](absl::StatusOr<ShardAnswer> answer) { told.set_value(answer.status()); });
  EXPECT_EQ(ReasonOf(told.get_future().get()), ErrorReason::kShuttingDown);
}

TEST_F(QueriesTest, PeekThatTheStoreFailsIsToldAndTheShardIsReadAnew) {
  Restart({.content_cache_bytes = 0});
  const auto queue = CreateQueue("orders");
  ASSERT_TRUE(Send(*queue, {"a"}).ok());
  faults_.ScriptCalls(store::FaultPoint::kRead, {store::CallFault::kFailed});
  const auto answer = Ask(*queue, PeekQuery{.partition = queue->address.partition, .limit = 10});
  EXPECT_EQ(ReasonOf(answer.status()), ErrorReason::kStoreUnavailable);
  while (!Ask(*queue, StatsQuery{}).ok()) std::this_thread::yield();
  EXPECT_THAT(PeekAll(*queue, {.limit = 10}), ElementsAre("a r"));
}

TEST_F(QueriesTest, GroupsNameTheMessageThatBlocksThemAlsoWhenItIsNotInMemory) {
  Restart({.content_cache_bytes = 0});
  const auto queue = CreateQueue("orders.fifo", {.fifo = true});
  core::Send send{.partition = queue->address.partition, .config = queue->config};
  for (const char* body : {"a1", "a2", "b1", "c1"}) {
    auto content = std::make_shared<core::MessageContent>(*Content(body));
    content->message_id = RandomUuid();
    content->message_group_id = std::string(1, body[0]);
    content->deduplication_id = body;
    send.messages.push_back({.content = std::move(content)});
  }
  const std::string first = send.messages[0].content->message_id;
  Submit(*queue, std::move(send)).get();
  Receive(*queue, 1);
  const auto ask = [&](GroupsQuery query) {
    query.partition = queue->address.partition;
    return std::get<GroupsAnswer>(Ask(*queue, std::move(query)).value());
  };
  const GroupsAnswer page = ask({.limit = 2});
  ASSERT_EQ(page.groups.size(), 2u);
  EXPECT_EQ(page.groups[0].status.group, "a");
  EXPECT_EQ(page.groups[0].blocker_id, first);
  EXPECT_EQ(page.groups[1].status.group, "b");
  EXPECT_EQ(page.groups[1].blocker_id, "");
  EXPECT_EQ(page.looked_to, "b");
  const GroupsAnswer rest = ask({.after = "b", .limit = 2});
  ASSERT_EQ(rest.groups.size(), 1u);
  EXPECT_FALSE(rest.looked_to.has_value());
  EXPECT_EQ(ask({.limit = 10, .blocked_only = true}).groups.size(), 1u);
}

}  // namespace
}  // namespace weir::queue::engine
