// What SQS promises of standard queues, point by point, as far as the tests beside this one do not show it. FIFO queues have
// queue_fifo_test.cc, dead-letter queues queue_dead_letter_test.cc.
#include <future>

#include "absl/strings/str_cat.h"
#include "tests/integration/queue_fixture.h"

namespace weir::queue {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

int64_t Millis(const google::protobuf::Timestamp& time) { return time.seconds() * 1000 + time.nanos() / 1'000'000; }

class ContractTest : public QueueTest {
 protected:
  v1::Queue Update(const std::string& queue, const std::string& attributes) {
    return Must(&Stub::UpdateQueue, Proto<v1::UpdateQueueRequest>(absl::StrCat(
                                        "queue { name: '", queue, "' } attributes { ", attributes, " }")))
        .queue();
  }
  absl::Status TryCreate(const std::string& queue) {
    return Call(&Stub::CreateQueue, Proto<v1::CreateQueueRequest>(absl::StrCat("queue { name: '", queue, "' }")))
        .status();
  }
  absl::Status TryPurge(const std::string& queue) {
    return Call(&Stub::PurgeQueue, Proto<v1::PurgeQueueRequest>(absl::StrCat("queue { name: '", queue, "' }")))
        .status();
  }
};

// ---- Receives and receipts (1 to 8) ------------------------------------------------------------------------------------

TEST_F(ContractTest, EveryReceiveHasANewHandleAndCountsAlsoWithTimeoutZero) {
  CreateQueue("jobs");
  Send("jobs", "x");
  const auto first = ReceiveWith("jobs", "visibility_timeout {}");
  const auto second = ReceiveWith("jobs", "visibility_timeout {}");
  EXPECT_NE(first[0].receipt_handle(), second[0].receipt_handle());
  EXPECT_EQ(first[0].receive_count(), 1);
  EXPECT_EQ(second[0].receive_count(), 2);
  EXPECT_EQ(Millis(first[0].first_received_at()), Millis(second[0].first_received_at()));
  EXPECT_EQ(Millis(first[0].sent_at()), Millis(second[0].sent_at()));
}

TEST_F(ContractTest, BecomingVisibleDoesNotCountTheNextReceiveDoes) {
  CreateQueue("jobs");
  Send("jobs", "x");
  const auto first = Receive("jobs");
  ASSERT_TRUE(ChangeVisibility("jobs", first[0].receipt_handle(), 0).ok());
  EXPECT_EQ(Counts("jobs"), "1/0/0");
  EXPECT_EQ(Receive("jobs")[0].receive_count(), 2);
}

TEST_F(ContractTest, ExpiredHandleDeletesAMessageThatWasNotReceivedAgain) {
  CreateQueue("jobs");
  Send("jobs", "x");
  const auto received = ReceiveWith("jobs", "visibility_timeout {}");
  EXPECT_EQ(Counts("jobs"), "1/0/0");
  EXPECT_TRUE(Delete("jobs", received[0].receipt_handle()).ok());
  EXPECT_EQ(Counts("jobs"), "0/0/0");
}

TEST_F(ContractTest, VisibilityChangesAfterTheTimeoutHasEnded) {
  CreateQueue("jobs");
  Send("jobs", "x");
  const auto received = ReceiveWith("jobs", "visibility_timeout {}");
  EXPECT_TRUE(ChangeVisibility("jobs", received[0].receipt_handle(), 600).ok());
  EXPECT_EQ(Counts("jobs"), "0/1/0");
}

TEST_F(ContractTest, OlderHandleStillMakesTheMessageVisible) {
  CreateQueue("jobs");
  Send("jobs", "x");
  const auto first = ReceiveWith("jobs", "visibility_timeout {}");
  Receive("jobs");
  EXPECT_EQ(Counts("jobs"), "0/1/0");
  EXPECT_TRUE(ChangeVisibility("jobs", first[0].receipt_handle(), 0).ok());
  EXPECT_EQ(Counts("jobs"), "1/0/0");
}

TEST_F(ContractTest, ChangedVisibilityIsNotRememberedForTheNextReceive) {
  CreateQueue("jobs", "visibility_timeout { seconds: 600 }");
  Send("jobs", "x");
  const auto first = Receive("jobs");
  ASSERT_TRUE(ChangeVisibility("jobs", first[0].receipt_handle(), 0).ok());
  const auto second = Receive("jobs");
  EXPECT_NEAR(static_cast<double>(Millis(second[0].visible_at())),
              static_cast<double>(absl::ToUnixMillis(absl::Now() + absl::Minutes(10))), 60'000);
}

TEST_F(ContractTest, TimeoutComesFromTheRequestThenTheQueueAndZeroIsNoDefault) {
  CreateQueue("jobs", "visibility_timeout { seconds: 600 }");
  Send("jobs", "x");
  const auto hidden_for_s = [&](const std::string& fields) {
    const auto received = ReceiveWith("jobs", fields);
    WEIR_CHECK(received.size() == 1, fields);
    const absl::Time until = absl::FromUnixMillis(Millis(received[0].visible_at()));
    const absl::Time from = absl::Now();
    WEIR_CHECK(ChangeVisibility("jobs", received[0].receipt_handle(), 0).ok(), fields);
    return absl::ToDoubleSeconds(until - from);
  };
  EXPECT_NEAR(hidden_for_s(""), 600, 60);
  EXPECT_NEAR(hidden_for_s("visibility_timeout { seconds: 1200 }"), 1200, 60);
  EXPECT_LE(hidden_for_s("visibility_timeout {}"), 0.1);
}

TEST_F(ContractTest, LongPollDoesNotWaitForMaxMessages) {
  CreateQueue("jobs");
  Send("jobs", "only");
  const absl::Time start = absl::Now();
  EXPECT_THAT(Receive("jobs", 10, /*wait_s=*/20), SizeIs(1));
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

TEST_F(ContractTest, LongPollEndsWhenItsQueueIsDeleted) {
  CreateQueue("jobs");
  auto waiting = std::async(std::launch::async, [this] {
    return Call(&Stub::ReceiveMessages,
                Proto<v1::ReceiveMessagesRequest>("queue { name: 'jobs' } wait_time { seconds: 20 }"))
        .status();
  });
  const absl::Time start = absl::Now();
  Must(&Stub::DeleteQueue, Proto<v1::DeleteQueueRequest>("queue { name: 'jobs' }"));
  EXPECT_EQ(ReasonOf(waiting.get()), ErrorReason::kQueueDoesNotExist);
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

// ---- Queues (25 to 29) -------------------------------------------------------------------------------------------------

TEST_F(ContractTest, NewQueueHasTheDefaultsOfSqs) {
  const v1::QueueAttributes attributes = CreateQueue("jobs").attributes();
  EXPECT_EQ(attributes.visibility_timeout().seconds(), 30);
  EXPECT_EQ(attributes.delay().seconds(), 0);
  EXPECT_EQ(attributes.retention().seconds(), 345'600);
  EXPECT_EQ(attributes.receive_wait_time().seconds(), 0);
  EXPECT_EQ(attributes.maximum_message_bytes(), 1'048'576);
  EXPECT_FALSE(attributes.has_redrive_policy());
  EXPECT_FALSE(attributes.has_redrive_allow_policy());
}

TEST_F(ContractTest, CreateAgainComparesNoTags) {
  auto request = Proto<v1::CreateQueueRequest>("queue { name: 'jobs' } tags { key: 'team' value: 'shop' }");
  EXPECT_THAT(Must(&Stub::CreateQueue, request).queue().tags(), ElementsAre(Pair("team", "shop")));
  (*request.mutable_tags())["team"] = "other";
  const auto again = Must(&Stub::CreateQueue, request);
  EXPECT_FALSE(again.created());
  EXPECT_THAT(again.queue().tags(), ElementsAre(Pair("team", "shop")));
}

TEST_F(ContractTest, DelayThatIsChangedLeavesTheMessagesOfAStandardQueueAsTheyAre) {
  CreateQueue("jobs", "delay { seconds: 900 }");
  Send("jobs", "old");
  Update("jobs", "delay {}");
  Send("jobs", "new");
  EXPECT_EQ(Counts("jobs"), "1/0/1");
  EXPECT_THAT(BodiesOf(Receive("jobs")), ElementsAre("new"));
}

TEST_F(ContractTest, VisibilityTimeoutThatIsChangedHoldsForLaterReceives) {
  CreateQueue("jobs", "visibility_timeout { seconds: 600 }");
  Send("jobs", "1");
  Send("jobs", "2");
  Receive("jobs", 1);
  Update("jobs", "visibility_timeout {}");
  Receive("jobs", 1);
  EXPECT_EQ(Counts("jobs"), "1/1/0");
}

TEST_F(ContractTest, PurgeTakesReadyInFlightAndDelayedAndSparesWhatComesRightAfter) {
  CreateQueue("jobs");
  Send("jobs", "in flight");
  Receive("jobs");
  Send("jobs", "ready");
  Send("jobs", "delayed", /*delay_s=*/900);
  EXPECT_EQ(Counts("jobs"), "1/1/1");
  EXPECT_EQ(Must(&Stub::PurgeQueue, Proto<v1::PurgeQueueRequest>("queue { name: 'jobs' }")).removed_messages(), 3);
  Send("jobs", "after");
  EXPECT_EQ(Counts("jobs"), "1/0/0");
  EXPECT_THAT(BodiesOf(Receive("jobs")), ElementsAre("after"));
}

TEST_F(ContractTest, WithoutTheSixtySecondRulesQueuesAreMadeAgainAndPurgedAtOnce) {
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(TryCreate("jobs").ok());
    EXPECT_TRUE(TryPurge("jobs").ok());
    EXPECT_TRUE(TryPurge("jobs").ok());
    Must(&Stub::DeleteQueue, Proto<v1::DeleteQueueRequest>("queue { name: 'jobs' }"));
  }
}

class SixtySecondRulesTest : public ContractTest {
 protected:
  void SetUp() override {
    server_ = std::make_unique<QueueServerUnderTest>(dsn(), absl::Seconds(10), /*sqs_sixty_second_rules=*/true);
  }
};

TEST_F(SixtySecondRulesTest, SecondPurgeWithinAMinuteIsRefusedAlsoByAnotherProcess) {
  CreateQueue("jobs");
  CreateQueue("other");
  Send("jobs", "x");
  EXPECT_EQ(Must(&Stub::PurgeQueue, Proto<v1::PurgeQueueRequest>("queue { name: 'jobs' }")).removed_messages(), 1);
  Send("jobs", "stays");
  for (int i = 0; i < 2; ++i) {
    const absl::Status again = TryPurge("jobs");
    EXPECT_EQ(ReasonOf(again), ErrorReason::kPurgeInProgress) << again;
    EXPECT_THAT(std::string(again.message()), HasSubstr("every 60 seconds"));
    EXPECT_EQ(Counts("jobs"), "1/0/0");
    StopServer();
    StartServer();
  }
  EXPECT_TRUE(TryPurge("other").ok());
}

TEST_F(SixtySecondRulesTest, DeletedNameIsNotTakenAgainWithinAMinute) {
  CreateQueue("jobs");
  Must(&Stub::DeleteQueue, Proto<v1::DeleteQueueRequest>("queue { name: 'jobs' }"));
  for (int i = 0; i < 2; ++i) {
    const absl::Status again = TryCreate("jobs");
    EXPECT_EQ(ReasonOf(again), ErrorReason::kQueueDeletedRecently) << again;
    EXPECT_THAT(std::string(again.message()), HasSubstr("60 seconds"));
    StopServer();
    StartServer();
  }
  EXPECT_TRUE(TryCreate("other").ok());
}

// ---- Tags --------------------------------------------------------------------------------------------------------------

TEST_F(ContractTest, TagsAreSetAndRemovedByKey) {
  CreateQueue("jobs");
  Must(&Stub::TagQueue, Proto<v1::TagQueueRequest>(
                            "queue { name: 'jobs' } tags { key: 'a' value: '1' } tags { key: 'b' value: '' }"));
  Must(&Stub::TagQueue, Proto<v1::TagQueueRequest>("queue { name: 'jobs' } tags { key: 'a' value: '2' }"));
  EXPECT_THAT(GetQueue("jobs").tags(), UnorderedElementsAre(Pair("a", "2"), Pair("b", "")));
  Must(&Stub::UntagQueue, Proto<v1::UntagQueueRequest>("queue { name: 'jobs' } tag_keys: ['b', 'unknown']"));
  EXPECT_THAT(GetQueue("jobs").tags(), ElementsAre(Pair("a", "2")));
  StopServer();
  StartServer();
  EXPECT_THAT(GetQueue("jobs").tags(), ElementsAre(Pair("a", "2")));
}

TEST_F(ContractTest, FiftyTagsAreTheLimitOfAQueueNotOfACall) {
  CreateQueue("jobs");
  v1::TagQueueRequest request;
  request.mutable_queue()->set_name("jobs");
  for (int i = 0; i < 50; ++i) (*request.mutable_tags())[absl::StrCat("k", i)] = "v";
  Must(&Stub::TagQueue, request);
  const absl::Status more =
      Call(&Stub::TagQueue, Proto<v1::TagQueueRequest>("queue { name: 'jobs' } tags { key: 'more' }")).status();
  EXPECT_EQ(ReasonOf(more), ErrorReason::kInvalidParameterValue) << more;
  EXPECT_THAT(GetQueue("jobs").tags(), SizeIs(50));
}

// ---- Sends and batches (32, 33) ----------------------------------------------------------------------------------------

TEST_F(ContractTest, DelayMayBeAsLongAsTheRetention) {
  CreateQueue("jobs", "retention { seconds: 7200 }");
  Send("jobs", "later", /*delay_s=*/7200);
  EXPECT_EQ(Counts("jobs"), "0/0/1");
  const absl::Status longer = Call(&Stub::SendMessage, Proto<v1::SendMessageRequest>(
                                                          "queue { name: 'jobs' } message { body: 'x' delay {"
                                                          " seconds: 7201 } }"))
                                  .status();
  EXPECT_EQ(ReasonOf(longer), ErrorReason::kInvalidParameterValue);
}

TEST_F(ContractTest, EntryWithAForbiddenCharacterFailsAloneAndOrderIsKept) {
  CreateQueue("jobs");
  const auto response = Must(&Stub::SendMessageBatch, Proto<v1::SendMessageBatchRequest>(R"(
    queue { name: 'jobs' }
    entries { id: 'a' message { body: 'first' } }
    entries { id: 'b' message { body: '\001' } }
    entries { id: 'c' message { body: 'third' } })"));
  ASSERT_EQ(response.failed_size(), 1);
  EXPECT_EQ(response.failed(0).id(), "b");
  EXPECT_EQ(response.failed(0).reason(), common::v1::ERROR_REASON_INVALID_MESSAGE_CONTENTS);
  EXPECT_TRUE(response.failed(0).sender_fault());
  EXPECT_THAT(BodiesOf(Receive("jobs")), ElementsAre("first", "third"));
}

TEST_F(ContractTest, TotalSizeOfABatchIsCheckedBeforeItsEntries) {
  CreateQueue("jobs");
  v1::SendMessageBatchRequest request;
  request.mutable_queue()->set_name("jobs");
  for (const char* id : {"a", "b"}) {
    auto& entry = *request.add_entries();
    entry.set_id(id);
    entry.mutable_message()->set_body(std::string(524'288, '\1'));
  }
  request.mutable_entries(1)->mutable_message()->mutable_body()->push_back('x');
  const absl::Status status = Call(&Stub::SendMessageBatch, request).status();
  EXPECT_EQ(ReasonOf(status), ErrorReason::kBatchTooLong);
  EXPECT_EQ(std::string(status.message()),
            "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.");
}

TEST_F(ContractTest, EntryThatIsTooLargeForTheQueueFailsAlone) {
  CreateQueue("jobs", "maximum_message_bytes: 1024");
  v1::SendMessageBatchRequest request;
  request.mutable_queue()->set_name("jobs");
  for (const int bytes : {1024, 1025}) {
    auto& entry = *request.add_entries();
    entry.set_id(absl::StrCat(bytes));
    entry.mutable_message()->set_body(std::string(bytes, 'x'));
  }
  const auto response = Must(&Stub::SendMessageBatch, request);
  ASSERT_EQ(response.successful_size(), 1);
  EXPECT_EQ(response.successful(0).id(), "1024");
  ASSERT_EQ(response.failed_size(), 1);
  EXPECT_EQ(response.failed(0).id(), "1025");
}

}  // namespace
}  // namespace weir::queue
