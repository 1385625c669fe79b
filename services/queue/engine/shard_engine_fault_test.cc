// What the engine makes of a store that fails: nothing that was answered is lost, nothing is answered that is not so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/queue/engine/engine_fixture.h"

namespace weir::queue::engine {
namespace {

using store::AppendFault;
using testing::ElementsAre;
using testing::IsEmpty;

class EngineFaultTest : public EngineTest {
 protected:
  // The answer once the shard serves again after a fault.
  core::ReceiveReply ReceiveAgain(const QueueInfo& queue, int max,
                                  absl::Duration wait = absl::ZeroDuration()) {
    while (true) {
      const core::Reply reply = Submit(queue, ReceiveCommand(queue, max, wait)).get();
      if (const auto* received = std::get_if<core::ReceiveReply>(&reply)) return *received;
      std::this_thread::yield();
    }
  }

  core::PartitionStats StatsAgain(const QueueInfo& queue) {
    while (true) {
      const auto stats = engine_->Stats(queue, Soon());
      if (stats.ok()) return *stats;
      std::this_thread::yield();
    }
  }

  QueueInfoPtr CreateQueueAtOnceVisible(const std::string& name) {
    store::QueueAttributes attributes;
    attributes.visibility_timeout = absl::ZeroDuration();
    return CreateQueue(name, attributes);
  }
};

TEST_F(EngineFaultTest, SendInDoubtIsToldSoAndTheTruthIsRead) {
  const auto queue = CreateQueue("orders");
  const core::Epoch before = Shard(*queue).epoch();
  faults_.ScriptAppends({AppendFault::kInDoubtWritten});
  EXPECT_EQ(ReasonOf(Send(*queue, {"written"})), ErrorReason::kOutcomeUnknown);
  EXPECT_THAT(Bodies(ReceiveAgain(*queue, 10)), ElementsAre("written"));
  EXPECT_GT(Shard(*queue).epoch(), before);

  faults_.ScriptAppends({AppendFault::kInDoubtNotWritten});
  EXPECT_EQ(ReasonOf(Send(*queue, {"not written"})), ErrorReason::kOutcomeUnknown);
  EXPECT_THAT(Bodies(ReceiveAgain(*queue, 10)), IsEmpty());
}

TEST_F(EngineFaultTest, RejectedSendIsToldThatNothingWasChanged) {
  const auto queue = CreateQueue("orders");
  faults_.ScriptAppends({AppendFault::kRejected});
  EXPECT_EQ(ReasonOf(Send(*queue, {"a"})), ErrorReason::kStoreUnavailable);
  EXPECT_THAT(Bodies(ReceiveAgain(*queue, 10)), IsEmpty());
  EXPECT_TRUE(Send(*queue, {"b"}).ok());
}

TEST_F(EngineFaultTest, ReceiveCountsOnlyWhenItsRowIsThere) {
  const auto queue = CreateQueueAtOnceVisible("orders");
  ASSERT_TRUE(Send(*queue, {"a"}).ok());
  faults_.ScriptAppends({AppendFault::kInDoubtNotWritten});
  EXPECT_TRUE(std::holds_alternative<absl::Status>(Submit(*queue, ReceiveCommand(*queue, 1)).get()));
  EXPECT_EQ(ReceiveAgain(*queue, 1).messages.at(0).receive_count, 1);
  faults_.ScriptAppends({AppendFault::kInDoubtWritten});
  EXPECT_TRUE(std::holds_alternative<absl::Status>(Submit(*queue, ReceiveCommand(*queue, 1)).get()));
  EXPECT_EQ(ReceiveAgain(*queue, 1).messages.at(0).receive_count, 3);
}

TEST_F(EngineFaultTest, LostShardEndsLongPolls) {
  const auto queue = CreateQueue("orders");
  auto waiting = Submit(*queue, ReceiveCommand(*queue, 1, absl::Seconds(20)));
  const auto other = CreateQueue("other");
  ASSERT_EQ(Stats(*queue).waiting_receives, 1);
  faults_.ScriptAppends({AppendFault::kRejected});
  ASSERT_FALSE(Send(*queue, {"a"}).ok());
  EXPECT_TRUE(absl::IsUnavailable(std::get<absl::Status>(waiting.get())));
}

TEST_F(EngineFaultTest, FencedShardStopsServingUntilItIsFreeAgain) {
  const auto queue = CreateQueue("orders");
  ASSERT_TRUE(Send(*queue, {"a"}).ok());
  const core::ShardId shard = queue->address.shard;
  ASSERT_TRUE(store_.RenewReplica({"other", "", absl::Hours(1)}, Soon()).ok());
  ASSERT_TRUE(store_.ReleaseReplica("local", Soon()).ok());
  const auto theirs = store_.AcquireShard(shard, "other", Soon());
  ASSERT_TRUE(theirs.ok()) << theirs.status();

  EXPECT_EQ(ReasonOf(Send(*queue, {"b"})), ErrorReason::kShardNotOwned);
  EXPECT_TRUE(absl::IsUnavailable(Send(*queue, {"c"})));

  ASSERT_TRUE(store_.ReleaseReplica("other", Soon()).ok());
  EXPECT_THAT(Bodies(ReceiveAgain(*queue, 10)), ElementsAre("a"));
  EXPECT_GT(Shard(*queue).epoch(), *theirs);
}

TEST_F(EngineFaultTest, ShardThatCannotBeReadIsTriedAgain) {
  const auto queue = CreateQueue("orders");
  ASSERT_TRUE(Send(*queue, {"a"}).ok());
  faults_.ScriptCalls(store::FaultPoint::kLease, {store::CallFault::kFailed});
  faults_.ScriptCalls(store::FaultPoint::kOpen, {store::CallFault::kFailed});
  faults_.ScriptCalls(store::FaultPoint::kRead, {store::CallFault::kFailed});
  faults_.ScriptAppends({AppendFault::kRejected});
  ASSERT_FALSE(Send(*queue, {"b"}).ok());
  EXPECT_THAT(Bodies(ReceiveAgain(*queue, 10)), ElementsAre("a"));
}

TEST_F(EngineFaultTest, ReadThatFailsAfterTheCommitLeavesTheOutcomeOpen) {
  Restart({.content_cache_bytes = 1});  // so that every receive reads
  const auto queue = CreateQueue("orders");
  ASSERT_TRUE(Send(*queue, {"a"}).ok());
  faults_.ScriptCalls(store::FaultPoint::kRead, {store::CallFault::kFailed});
  const core::Reply reply = Submit(*queue, ReceiveCommand(*queue, 1)).get();
  EXPECT_EQ(ReasonOf(std::get<absl::Status>(reply)), ErrorReason::kOutcomeUnknown);
  EXPECT_EQ(StatsAgain(*queue).in_flight, 1);
}

TEST_F(EngineFaultTest, FullMailboxRefusesAtOnce) {
  Restart({.mailbox_items_max = 2});
  const auto queue = CreateQueue("orders");
  const auto send = [&](const std::string& body) {
    return core::Send{.partition = queue->address.partition,
                      .config = queue->config,
                      .messages = {{.content = Content(body)}}};
  };
  faults_.HoldAppends();
  std::vector<std::future<core::Reply>> accepted;
  accepted.push_back(Submit(*queue, send("commits")));
  faults_.AwaitHeldAppend();
  accepted.push_back(Submit(*queue, send("waits")));
  accepted.push_back(Submit(*queue, send("waits too")));
  const core::Reply refused = Submit(*queue, send("no room")).get();
  EXPECT_EQ(ReasonOf(std::get<absl::Status>(refused)), ErrorReason::kOverloaded);
  EXPECT_TRUE(absl::IsResourceExhausted(std::get<absl::Status>(refused)));
  faults_.ResumeAppends();
  for (auto& reply : accepted) EXPECT_TRUE(std::holds_alternative<core::SendReply>(reply.get()));
  EXPECT_EQ(Stats(*queue).ready, 3);
}

// ---- Moves between shards ---------------------------------------------------------------------------------------------------

// The first fault meets the commit at the destination, the second the one at the source.
class MoveFaultTest : public EngineFaultTest,
                      public testing::WithParamInterface<std::tuple<AppendFault, AppendFault>> {};

TEST_P(MoveFaultTest, NeitherLosesNorDoublesTheMessage) {
  const auto dlq = CreateQueue("dlq");
  QueueInfoPtr queue;
  for (int i = 0; queue == nullptr || queue->address.shard == dlq->address.shard; ++i) {
    store::QueueAttributes attributes;
    attributes.visibility_timeout = absl::ZeroDuration();
    attributes.redrive_policy = {dlq->arn, 1};
    queue = CreateQueue("orders" + std::to_string(i), attributes);
  }
  ASSERT_TRUE(Send(*queue, {"poison"}).ok());
  ASSERT_EQ(Receive(*queue, 1).messages.size(), 1u);
  faults_.ScriptAppends({std::get<0>(GetParam()), std::get<1>(GetParam())});
  // Whatever goes wrong, somebody goes on receiving.
  while (true) {
    ReceiveAgain(*queue, 1, absl::Milliseconds(50));
    const core::PartitionStats stats = StatsAgain(*queue);
    if (stats.ready + stats.in_flight == 0) break;
  }
  EXPECT_THAT(Bodies(ReceiveAgain(*dlq, 10)), ElementsAre("poison"));
  EXPECT_EQ(StatsAgain(*dlq).ready, 0);
  Restart();
  EXPECT_EQ(StatsAgain(*queue).ready + StatsAgain(*queue).in_flight, 0);
  EXPECT_EQ(StatsAgain(*dlq).ready + StatsAgain(*dlq).in_flight, 1);
}

using Faults = std::tuple<AppendFault, AppendFault>;

INSTANTIATE_TEST_SUITE_P(
    All, MoveFaultTest,
    testing::Values(Faults(AppendFault::kNone, AppendFault::kNone),
                    Faults(AppendFault::kNone, AppendFault::kRejected),
                    Faults(AppendFault::kNone, AppendFault::kInDoubtWritten),
                    Faults(AppendFault::kNone, AppendFault::kInDoubtNotWritten),
                    Faults(AppendFault::kNone, AppendFault::kFenced),
                    Faults(AppendFault::kRejected, AppendFault::kNone),
                    Faults(AppendFault::kInDoubtWritten, AppendFault::kNone),
                    Faults(AppendFault::kInDoubtNotWritten, AppendFault::kNone),
                    Faults(AppendFault::kInDoubtWritten, AppendFault::kInDoubtNotWritten)));

// ---- Copies of segments ---------------------------------------------------------------------------------------------------

TEST_F(EngineFaultTest, CopyThatBreaksOffAnywhereNeitherLosesNorDoublesAMessage) {
  const ShardOptions options{.segment_rows_max = 50, .segments_max = 2, .copy_rows = 4};
  for (const AppendFault fault : {AppendFault::kInDoubtWritten, AppendFault::kInDoubtNotWritten}) {
    for (size_t appends = 100; appends < 180; appends += 3) {
      Restart(options);
      const std::string name = absl::StrCat(appends, "-", static_cast<int>(fault));
      const auto idle = CreateQueue("idle-" + name);
      QueueInfoPtr busy = CreateQueue("busy-" + name);
      for (int i = 1; busy->address.shard != idle->address.shard; ++i) {
        busy = CreateQueue(absl::StrCat("busy-", name, "-", i));
      }
      std::vector<std::string> bodies;
      for (int i = 0; i < 40; ++i) bodies.push_back(absl::StrCat(name, "-", i));
      ASSERT_TRUE(Send(*idle, bodies).ok());
      std::vector<AppendFault> script(appends, AppendFault::kNone);
      script.push_back(fault);
      faults_.ScriptAppends(script);
      for (int i = 0; i < 70; ++i) {
        if (!Send(*busy, {"x"}).ok()) continue;
        core::Delete command{.partition = busy->address.partition};
        for (const auto& message : ReceiveAgain(*busy, 10).messages) {
          command.receipts.push_back({message.seq, message.receive_count});
        }
        Submit(*busy, std::move(command)).get();  // may fail as well
      }
      faults_.Heal();
      EXPECT_EQ(StatsAgain(*idle).ready, 40) << name;
      std::vector<std::string> left;
      for (int i = 0; i < 10; ++i) {
        for (const std::string& body : Bodies(ReceiveAgain(*idle, 10))) left.push_back(body);
      }
      EXPECT_THAT(left, testing::UnorderedElementsAreArray(bodies)) << name;
      ASSERT_TRUE(engine_->DeleteQueue(*idle, Soon()).ok());
      ASSERT_TRUE(engine_->DeleteQueue(*busy, Soon()).ok());
    }
  }
}

// ---- All at once ------------------------------------------------------------------------------------------------------------

TEST_F(EngineFaultTest, WhatWasAnsweredHoldsThroughRandomFaults) {
  Restart({.content_cache_bytes = 2'000, .segment_rows_max = 60, .segments_max = 2,
           .copy_rows = 3});
  const auto queue = CreateQueueAtOnceVisible("orders");
  faults_.SetChances({.rejected = 0.03,
                      .in_doubt_written = 0.03,
                      .in_doubt_not_written = 0.03,
                      .open = 0.1,
                      .read = 0.03,
                      .segment = 0.1});
  std::set<std::string> accepted, perhaps, deleted;
  for (int i = 0; i < 300; ++i) {
    const std::string body = std::to_string(i);
    const absl::Status sent = Send(*queue, {body});
    if (sent.ok()) accepted.insert(body);
    if (ReasonOf(sent) == ErrorReason::kOutcomeUnknown) perhaps.insert(body);
    if (i % 2 == 0) continue;
    for (const auto& message : ReceiveAgain(*queue, 1).messages) {
      const std::string& received = message.content->body;
      EXPECT_TRUE(accepted.contains(received) || perhaps.contains(received)) << received;
      EXPECT_FALSE(deleted.contains(received)) << received;
      const core::Reply reply = Submit(*queue, core::Delete{.partition = queue->address.partition,
                                                            .receipts = {{message.seq,
                                                                          message.receive_count}}})
                                    .get();
      const auto* outcome = std::get_if<core::DeleteReply>(&reply);
      if (outcome != nullptr && outcome->outcomes[0] == core::DeleteOutcome::kDeleted) {
        deleted.insert(received);
      } else {
        accepted.erase(received);  // may be gone or not
        perhaps.insert(received);
      }
    }
  }
  faults_.Heal();
  EXPECT_GT(faults_.injected(), 10);
  std::set<std::string> left;
  while (StatsAgain(*queue).ready > 0) {
    const auto received = ReceiveAgain(*queue, 10);
    for (const std::string& body : Bodies(received)) EXPECT_TRUE(left.insert(body).second) << body;
    Delete(*queue, received);
  }
  for (const std::string& body : deleted) EXPECT_FALSE(left.contains(body)) << body;
  for (const std::string& body : accepted) {
    EXPECT_TRUE(left.contains(body) || deleted.contains(body)) << body << " is lost";
  }
}

}  // namespace
}  // namespace weir::queue::engine
