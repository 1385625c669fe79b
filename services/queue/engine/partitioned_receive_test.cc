#include "services/queue/engine/partitioned_receive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "libs/base/error.h"

namespace weir::queue::engine {
namespace {

using core::MessageSeq;
using core::PartitionAddress;
using core::PartitionId;
using core::ReceiveReply;
using core::RequestId;
using core::ShardId;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Partitions 1, 2, 3. What is asked waits until the test answers it.
class PartitionedReceiveTest : public testing::Test, protected ReceivePort {
 protected:
  absl::StatusOr<RequestId> Submit(const PartitionAddress& address, core::Receive receive,
                                   ReplySink sink) override {
    EXPECT_EQ(receive.partition, address.partition);
    const int partition = static_cast<int>(address.partition.value());
    if (receive.only_repeat) {
      repeats_asked_.push_back(partition);
      ReceiveReply reply{address.partition, {}};
      if (const auto it = remembered_.find(partition); it != remembered_.end()) reply = it->second;
      sink(std::move(reply));
      return RequestId(100 + partition);
    }
    asked_.push_back(partition);
    if (away_.contains(partition)) return MakeError(ErrorReason::kShardNotOwned, "Away.");
    if (const auto it = at_once_.find(partition); it != at_once_.end()) {
      ReceiveReply reply = std::move(it->second);
      at_once_.erase(it);
      given_back_ += !sink(std::move(reply));
      return RequestId(100 + partition);
    }
    const bool quick = receive.wait_until == absl::InfinitePast();
    if (!quick) shares_[partition] = receive.max_messages;
    (quick ? quick_ : parked_).emplace(partition, std::move(sink));
    return RequestId(100 + partition);
  }
  void Cancel(const PartitionAddress& address, RequestId request) override {
    EXPECT_EQ(request.value(), 100 + address.partition.value());
    cancelled_.push_back(static_cast<int>(address.partition.value()));
  }
  void Release(const PartitionAddress& address, core::ReleaseLease release) override {
    EXPECT_EQ(address.partition, release.partition);
    for (const core::Receipt& receipt : release.receipts) {
      released_.push_back(static_cast<int>(receipt.seq.value()));
    }
  }

  absl::Time Now() const override { return now_; }
  bool IsAtHand(const PartitionAddress& address) override {
    return !not_at_hand_.contains(static_cast<int>(address.partition.value()));
  }
  void Watch(const PartitionAddress&, std::shared_ptr<PartitionedReceive> receive) override {
    watching_ = true;
    if (!grown_.empty()) receive->AddPartitions(grown_);
  }
  void Unwatch(const PartitionAddress&, PartitionedReceive*) override { watching_ = false; }

  static PartitionAddress Address(int i) { return {ShardId(i - 1), PartitionId(i), {}}; }
  static std::vector<PartitionAddress> Addresses(int count) {
    std::vector<PartitionAddress> addresses;
    for (int i = 1; i <= count; ++i) addresses.push_back(Address(i));
    return addresses;
  }

  void Start(bool wait, int32_t max_messages = 10, size_t first = 0, int partitions = 3,
             const std::string& attempt = "") {
    core::Receive receive;
    receive.attempt_id = attempt;
    receive.max_messages = max_messages;
    if (wait) receive.wait_until = absl::InfiniteFuture();
    receive_ = PartitionedReceive::Start(
        *this, Addresses(partitions), first, receive, [this](absl::StatusOr<std::vector<PartitionMessages>> answer) {
          EXPECT_FALSE(answer_.has_value()) << "answered twice";
          answer_ = std::move(answer);
          return client_is_there_;
        });
  }
  // Long polls that have asked all.
  void StartParked(int32_t max_messages = 10) {
    Start(/*wait=*/true, max_messages);
    for (int partition : {1, 2, 3}) AnswerQuick(partition, {});
  }

  static ReceiveReply Reply(int partition, const std::vector<int>& seqs) {
    ReceiveReply reply{PartitionId(partition), {}};
    for (const int seq : seqs) reply.messages.push_back({.seq = MessageSeq(seq), .receive_count = 1});
    return reply;
  }
  bool AnswerQuick(int partition, const std::vector<int>& seqs) {
    return Answer(quick_, partition, Reply(partition, seqs));
  }
  bool AnswerParked(int partition, const std::vector<int>& seqs) {
    return Answer(parked_, partition, Reply(partition, seqs));
  }
  bool Answer(std::map<int, ReplySink>& sinks, int partition, core::Reply reply) {
    ReplySink sink = std::move(sinks.at(partition));
    sinks.erase(partition);
    return sink(std::move(reply));
  }
  // The seqs of the answer.
  std::vector<int> Received() {
    std::vector<int> seqs;
    if (!answer_.has_value() || !answer_->ok()) {
      ADD_FAILURE() << "not answered, or with an error";
      return seqs;
    }
    for (const PartitionMessages& reply : **answer_) {
      for (const auto& message : reply.messages) seqs.push_back(static_cast<int>(message.seq.value()));
    }
    return seqs;
  }

  std::shared_ptr<PartitionedReceive> receive_;
  std::optional<absl::StatusOr<std::vector<PartitionMessages>>> answer_;
  bool client_is_there_ = true;
  std::set<int> away_;
  std::set<int> not_at_hand_;
  absl::Time now_ = absl::UnixEpoch();
  std::map<int, int> shares_;  // of the messages, of those that were parked at
  std::vector<PartitionAddress> grown_;  // what the queue has when it is watched
  bool watching_ = false;
  std::map<int, ReceiveReply> remembered_;  // what the attempt got
  std::vector<int> repeats_asked_;
  std::map<int, ReceiveReply> at_once_;
  std::vector<int> asked_;
  std::vector<int> cancelled_;
  std::vector<int> released_;
  int given_back_ = 0;
  std::map<int, ReplySink> quick_;
  std::map<int, ReplySink> parked_;
};

TEST_F(PartitionedReceiveTest, AsksInTurnUntilOneHasMessages) {
  Start(/*wait=*/false, 10, /*first=*/1);
  AnswerQuick(2, {});
  EXPECT_TRUE(AnswerQuick(3, {7}));
  EXPECT_THAT(asked_, ElementsAre(2, 3));
  EXPECT_THAT(Received(), ElementsAre(7));
}

TEST_F(PartitionedReceiveTest, EmptyQueueIsAnsweredAtOnceWithoutWait) {
  Start(/*wait=*/false);
  for (int partition : {1, 2, 3}) AnswerQuick(partition, {});
  EXPECT_THAT(Received(), IsEmpty());
}

TEST_F(PartitionedReceiveTest, WaitsAtAllAndTakesTheFirst) {
  StartParked();
  EXPECT_FALSE(answer_.has_value());
  EXPECT_TRUE(AnswerParked(2, {5}));
  EXPECT_THAT(cancelled_, ElementsAre(1, 3));
  EXPECT_FALSE(answer_.has_value()) << "the others may have had messages, too";
  AnswerParked(1, {});
  AnswerParked(3, {});
  EXPECT_THAT(Received(), ElementsAre(5));
}

TEST_F(PartitionedReceiveTest, WhatOthersHadInTheSameMomentComesAlong) {
  StartParked();
  EXPECT_TRUE(AnswerParked(2, {5, 6}));
  EXPECT_TRUE(AnswerParked(1, {7}));
  AnswerParked(3, {});
  EXPECT_THAT(Received(), ElementsAre(5, 6, 7));
}

TEST_F(PartitionedReceiveTest, ParksWithAShareAtEachSoThatAllThatComesIsDelivered) {
  StartParked(/*max_messages=*/5);
  EXPECT_EQ(shares_, (std::map<int, int>{{1, 2}, {2, 2}, {3, 1}}));
  EXPECT_TRUE(AnswerParked(2, {5, 6}));
  EXPECT_TRUE(AnswerParked(3, {7}));
  EXPECT_TRUE(AnswerParked(1, {8, 9}));
  EXPECT_THAT(Received(), ElementsAre(5, 6, 7, 8, 9));
}

TEST_F(PartitionedReceiveTest, FewerMessagesThanPartitionsAreWaitedForInTurns) {
  StartParked(/*max_messages=*/2);
  EXPECT_THAT(asked_, ElementsAre(1, 2, 3, 1, 2));
  EXPECT_EQ(shares_, (std::map<int, int>{{1, 1}, {2, 1}}));
  now_ += absl::Milliseconds(100);
  AnswerParked(2, {});
  AnswerParked(1, {});
  EXPECT_THAT(asked_, ElementsAre(1, 2, 3, 1, 2, 3, 1));
  EXPECT_TRUE(AnswerParked(3, {5}));
  EXPECT_THAT(cancelled_, ElementsAre(1));
  EXPECT_TRUE(AnswerParked(1, {6}));
  EXPECT_THAT(Received(), ElementsAre(5, 6));
}

TEST_F(PartitionedReceiveTest, TurnsLeaveOutThoseThatAreAway) {
  not_at_hand_ = {1};
  Start(/*wait=*/true, /*max_messages=*/1);
  for (int partition : {2, 3}) AnswerQuick(partition, {});
  for (const int next : {2, 3, 2}) {
    EXPECT_EQ(asked_.back(), next);
    now_ += absl::Milliseconds(100);
    AnswerParked(next, {});
  }
}

TEST_F(PartitionedReceiveTest, WaitThatIsEndedBeforeItsTurnIsOverIsNotBegunAgain) {
  StartParked(/*max_messages=*/1);
  AnswerParked(1, {});
  EXPECT_THAT(Received(), IsEmpty());
}

TEST_F(PartitionedReceiveTest, ErrorOfAllTurnsIsTheAnswer) {
  StartParked(/*max_messages=*/1);
  away_ = {1, 2};
  Answer(parked_, 1, MakeError(ErrorReason::kShardNotOwned, "Away."));
  EXPECT_FALSE(answer_.has_value()) << "the third may have messages";
  Answer(parked_, 3, MakeError(ErrorReason::kShardNotOwned, "Away."));
  ASSERT_TRUE(answer_.has_value());
  EXPECT_EQ(ReasonOf(answer_->status()), ErrorReason::kShardNotOwned);
}

TEST_F(PartitionedReceiveTest, FullReceiveWaitsForNobody) {
  StartParked(/*max_messages=*/3);
  EXPECT_TRUE(AnswerParked(2, {5}));
  EXPECT_TRUE(AnswerParked(1, {6}));
  EXPECT_TRUE(AnswerParked(3, {7}));
  EXPECT_THAT(Received(), ElementsAre(5, 6, 7));
}

TEST_F(PartitionedReceiveTest, OneThatAnswersWhileTheOthersAreBeingParkedSparesThem) {
  Start(/*wait=*/true);
  AnswerQuick(1, {});
  AnswerQuick(2, {});
  at_once_[1] = Reply(1, {9});
  AnswerQuick(3, {});
  EXPECT_THAT(asked_, ElementsAre(1, 2, 3, 1));
  EXPECT_THAT(Received(), ElementsAre(9));
  EXPECT_EQ(given_back_, 0);
}

TEST_F(PartitionedReceiveTest, LongPollEndsEmptyWhenAllHave) {
  StartParked();
  AnswerParked(1, {});
  AnswerParked(2, {});
  EXPECT_FALSE(answer_.has_value());
  AnswerParked(3, {});
  EXPECT_THAT(Received(), IsEmpty());
}

TEST_F(PartitionedReceiveTest, PartitionThatIsAwayHidesNoOther) {
  away_ = {1};
  Start(/*wait=*/true);
  AnswerQuick(2, {});
  AnswerQuick(3, {});
  EXPECT_TRUE(AnswerParked(3, {4}));
  AnswerParked(2, {});
  EXPECT_THAT(Received(), ElementsAre(4));
}

TEST_F(PartitionedReceiveTest, ErrorOfAllIsTheAnswer) {
  away_ = {1, 2, 3};
  Start(/*wait=*/true);
  ASSERT_TRUE(answer_.has_value());
  EXPECT_EQ(ReasonOf(answer_->status()), ErrorReason::kShardNotOwned);
}

TEST_F(PartitionedReceiveTest, DeletedQueueEndsALongPoll) {
  StartParked();
  for (int partition : {1, 2, 3}) {
    Answer(parked_, partition, MakeError(ErrorReason::kQueueDoesNotExist, "Gone."));
  }
  ASSERT_TRUE(answer_.has_value());
  EXPECT_EQ(ReasonOf(answer_->status()), ErrorReason::kQueueDoesNotExist);
}

TEST_F(PartitionedReceiveTest, CancelledLongPollTakesNothingMore) {
  StartParked();
  receive_->Cancel();
  EXPECT_THAT(cancelled_, ElementsAre(1, 2, 3));
  EXPECT_FALSE(AnswerParked(1, {6})) << "it was on its way";
  AnswerParked(2, {});
  AnswerParked(3, {});
  EXPECT_THAT(Received(), IsEmpty());
}

TEST_F(PartitionedReceiveTest, CancelWhileItAsksEndsIt) {
  Start(/*wait=*/true);
  receive_->Cancel();
  AnswerQuick(1, {});
  EXPECT_THAT(asked_, ElementsAre(1));
  EXPECT_THAT(Received(), IsEmpty());
}

TEST_F(PartitionedReceiveTest, WhatWasTakenForAClientThatIsGoneIsReleased) {
  client_is_there_ = false;
  StartParked();
  EXPECT_TRUE(AnswerParked(1, {6}));
  EXPECT_TRUE(AnswerParked(2, {7, 8}));
  AnswerParked(3, {});
  EXPECT_THAT(released_, ElementsAre(6, 7, 8));
}

TEST_F(PartitionedReceiveTest, QueueWithOnePartitionIsAskedOnce) {
  Start(/*wait=*/true, 10, 0, /*partitions=*/1);
  EXPECT_THAT(asked_, ElementsAre(1));
  EXPECT_TRUE(AnswerParked(1, {6}));
  EXPECT_THAT(Received(), ElementsAre(6));
  EXPECT_FALSE(watching_);
}

TEST_F(PartitionedReceiveTest, PartitionKnownToBeAwayIsNotAskedInTurn) {
  not_at_hand_ = {1};
  Start(/*wait=*/false);
  AnswerQuick(2, {});
  AnswerQuick(3, {});
  EXPECT_THAT(asked_, ElementsAre(2, 3));
  EXPECT_THAT(Received(), IsEmpty());
}

TEST_F(PartitionedReceiveTest, PartitionKnownToBeAwayIsParkedAt) {
  not_at_hand_ = {1};
  Start(/*wait=*/true);
  AnswerQuick(2, {});
  AnswerQuick(3, {});
  EXPECT_THAT(asked_, ElementsAre(2, 3, 1, 2, 3));
  EXPECT_TRUE(AnswerParked(1, {4}));
  AnswerParked(2, {});
  AnswerParked(3, {});
  EXPECT_THAT(Received(), ElementsAre(4));
}

TEST_F(PartitionedReceiveTest, WhenAllAreAwayAllAreAskedAtOnce) {
  not_at_hand_ = {1, 2, 3};
  Start(/*wait=*/false);
  EXPECT_THAT(asked_, ElementsAre(1, 2, 3));
  AnswerQuick(3, {4});
  AnswerQuick(1, {});
  AnswerQuick(2, {});
  EXPECT_THAT(Received(), ElementsAre(4));
}

TEST_F(PartitionedReceiveTest, PartitionThatComesWhileItIsParkedIsParkedAtToo) {
  StartParked();
  ASSERT_TRUE(watching_);
  receive_->AddPartitions(Addresses(4));
  receive_->AddPartitions(Addresses(4));
  EXPECT_THAT(cancelled_, ElementsAre(1, 2, 3));
  for (int partition : {1, 2, 3}) Answer(parked_, partition, absl::CancelledError());
  EXPECT_THAT(asked_, ElementsAre(1, 2, 3, 1, 2, 3, 1, 2, 3, 4));
  EXPECT_EQ(shares_.at(4), 2);
  EXPECT_TRUE(AnswerParked(4, {9}));
  for (int partition : {1, 2, 3}) AnswerParked(partition, {});
  EXPECT_THAT(Received(), ElementsAre(9));
  EXPECT_FALSE(watching_);
}

TEST_F(PartitionedReceiveTest, PartitionThatComesAsTheTimeEndsLeavesTheAnswerEmpty) {
  StartParked();
  receive_->AddPartitions(Addresses(4));
  now_ = absl::InfiniteFuture();
  for (int partition : {1, 2, 3}) Answer(parked_, partition, absl::CancelledError());
  EXPECT_THAT(Received(), IsEmpty());
}

TEST_F(PartitionedReceiveTest, PartitionThatCameBeforeItWasWatchedIsParkedAtToo) {
  grown_ = Addresses(2);
  Start(/*wait=*/true, 10, 0, /*partitions=*/1);
  EXPECT_THAT(asked_, testing::UnorderedElementsAre(1, 2));
  EXPECT_TRUE(AnswerParked(2, {9}));
  AnswerParked(1, {});
  EXPECT_THAT(Received(), ElementsAre(9));
}

TEST_F(PartitionedReceiveTest, PartitionThatComesAfterTheEndIsLeftAlone) {
  Start(/*wait=*/true, /*max_messages=*/1, 0, /*partitions=*/1);
  AnswerParked(1, {9});
  receive_->AddPartitions(Addresses(2));
  EXPECT_THAT(asked_, ElementsAre(1));
}

TEST_F(PartitionedReceiveTest, AttemptGetsWhatItGotBefore) {
  remembered_[2] = Reply(2, {5});
  remembered_[3] = Reply(3, {8});
  Start(/*wait=*/true, 10, 0, 3, "attempt");
  EXPECT_THAT(Received(), ElementsAre(5, 8));
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(PartitionedReceiveTest, AttemptThatNobodyRemembersIsAReceive) {
  Start(/*wait=*/false, 10, 0, 3, "attempt");
  EXPECT_THAT(repeats_asked_, ElementsAre(1, 2, 3));
  AnswerQuick(1, {4});
  EXPECT_THAT(asked_, ElementsAre(1));
  EXPECT_THAT(Received(), ElementsAre(4));
}

// Answers, cancels and the client's end from different threads: every message is delivered, refused or released, once.
TEST(PartitionedReceiveRaceTest, NoMessageIsLostBetweenPartitions) {
  class Port final : public ReceivePort {
   public:
    absl::StatusOr<RequestId> Submit(const PartitionAddress& address, core::Receive receive,
                                     ReplySink sink) override {
      if (receive.wait_until == absl::InfinitePast()) {
        sink(ReceiveReply{address.partition, {}});
        return RequestId(1);
      }
      MutexLock lock(&mu_);
      sinks_.emplace_back(address.partition, std::move(sink));
      return RequestId(1);
    }
    void Cancel(const PartitionAddress&, RequestId) override {}
    bool IsAtHand(const PartitionAddress&) override { return true; }
    absl::Time Now() const override { return absl::UnixEpoch(); }
    void Watch(const PartitionAddress&, std::shared_ptr<PartitionedReceive>) override {}
    void Unwatch(const PartitionAddress&, PartitionedReceive*) override {}
    void Release(const PartitionAddress&, core::ReleaseLease release) override {
      released_.fetch_add(static_cast<int>(release.receipts.size()));
    }
    Mutex mu_;
    std::vector<std::pair<PartitionId, ReplySink>> sinks_ ABSL_GUARDED_BY(mu_);
    std::atomic<int> released_{0};
  };
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    Port port;
    std::vector<PartitionAddress> partitions;
    for (int i = 1; i <= 4; ++i) partitions.push_back({ShardId(i), PartitionId(i), {}});
    core::Receive receive;
    receive.wait_until = absl::InfiniteFuture();
    const int parked = static_cast<int>(1 + random() % 4);
    receive.max_messages = parked;
    const bool client_stays = random() % 2 == 0;
    std::atomic<int> delivered{0};
    std::atomic<int> answers{0};
    auto started = PartitionedReceive::Start(
        port, partitions, 0, receive, [&](absl::StatusOr<std::vector<PartitionMessages>> answer) {
          ++answers;
          if (!client_stays) return false;
          for (const PartitionMessages& reply : *answer) delivered += static_cast<int>(reply.messages.size());
          return true;
        });
    std::atomic<int> refused{0};
    std::vector<std::thread> threads;
    std::vector<std::pair<PartitionId, ReplySink>> sinks;
    {
      MutexLock lock(&port.mu_);
      sinks = std::move(port.sinks_);
    }
    ASSERT_THAT(sinks, SizeIs(parked));
    for (auto& [partition, sink] : sinks) {
      threads.emplace_back([&, partition = partition, sink = std::move(sink)]() mutable {
        ReceiveReply reply{partition, {{.seq = MessageSeq(1), .receive_count = 1}}};
        if (!sink(std::move(reply))) ++refused;
      });
    }
    if (round % 3 == 0) threads.emplace_back([&] { started->Cancel(); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(answers, 1);
    EXPECT_EQ(delivered + refused + port.released_, parked);
  }
}

}  // namespace
}  // namespace weir::queue::engine
