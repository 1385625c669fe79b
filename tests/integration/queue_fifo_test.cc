// FIFO queues as clients see them: order by group, deduplication, receipts that end, dead letters, attempts.
#include <algorithm>
#include <future>
#include <map>

#include "absl/strings/str_cat.h"
#include "tests/integration/queue_fixture.h"

namespace weir::queue {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class FifoTest : public QueueTest {
 protected:
  v1::Queue CreateFifo(const std::string& name, const std::string& more = "") {
    return CreateQueue(name, absl::StrCat("fifo_queue: true ", more));
  }
  // "" for no deduplication id.
  static v1::SendMessageRequest Request(const std::string& queue, const std::string& body,
                                        const std::string& group, const std::string& id) {
    v1::SendMessageRequest request;
    request.mutable_queue()->set_name(queue);
    request.mutable_message()->set_body(body);
    request.mutable_message()->set_message_group_id(group);
    request.mutable_message()->set_message_deduplication_id(id);
    return request;
  }
  v1::SentMessage SendTo(const std::string& group, const std::string& body, std::string id = "") {
    if (id.empty()) id = body;
    return Must(&Stub::SendMessage, Request("jobs.fifo", body, group, id)).message();
  }
  std::vector<v1::MessageGroup> Groups(const std::string& queue, const std::string& more = "") {
    const auto response =
        Must(&Stub::ListMessageGroups, Proto<v1::ListMessageGroupsRequest>(
                                           absl::StrCat("queue { name: '", queue, "' } ", more)));
    return {response.groups().begin(), response.groups().end()};
  }
};

// ---- Queues (24, 25, 26) -----------------------------------------------------------------------------------------------

TEST_F(FifoTest, QueueIsAnsweredWithTheDefaultsOfItsType) {
  const v1::QueueAttributes attributes = CreateFifo("jobs.fifo").attributes();
  EXPECT_TRUE(attributes.fifo_queue());
  EXPECT_TRUE(attributes.has_content_based_deduplication());
  EXPECT_FALSE(attributes.content_based_deduplication());
  EXPECT_EQ(attributes.deduplication_scope(), v1::DEDUPLICATION_SCOPE_QUEUE);
  EXPECT_EQ(attributes.fifo_throughput_limit(), v1::FIFO_THROUGHPUT_LIMIT_PER_QUEUE);
  const v1::QueueAttributes standard = CreateQueue("jobs").attributes();
  EXPECT_FALSE(standard.has_fifo_queue());
  EXPECT_FALSE(standard.has_content_based_deduplication());
  EXPECT_EQ(standard.deduplication_scope(), v1::DEDUPLICATION_SCOPE_UNSPECIFIED);
}

TEST_F(FifoTest, CreateAgainWithTheSameOrNoAttributesFindsTheQueue) {
  CreateFifo("jobs.fifo", "content_based_deduplication: true");
  for (const std::string attributes :
       {"", "fifo_queue: true", "fifo_queue: true content_based_deduplication: true"}) {
    EXPECT_FALSE(Must(&Stub::CreateQueue, Proto<v1::CreateQueueRequest>(absl::StrCat(
                                              "queue { name: 'jobs.fifo' } attributes { ", attributes, " }")))
                     .created());
  }
  const absl::Status status =
      Call(&Stub::CreateQueue, Proto<v1::CreateQueueRequest>("queue { name: 'jobs.fifo' } attributes {"
                                                             " content_based_deduplication: false }"))
          .status();
  EXPECT_EQ(ReasonOf(status), ErrorReason::kQueueAlreadyExists);
  EXPECT_EQ(MetadataOf(status)["attribute"], "content_based_deduplication");
}

TEST_F(FifoTest, TypeMayNotBeChanged) {
  CreateFifo("jobs.fifo");
  const absl::Status status =
      Call(&Stub::UpdateQueue,
           Proto<v1::UpdateQueueRequest>("queue { name: 'jobs.fifo' } attributes { fifo_queue: false }"))
          .status();
  EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidAttributeValue);
  EXPECT_THAT(std::string(status.message()), HasSubstr("not supported"));
}

// ---- Sends (20, 21, 22, 23, 33) ----------------------------------------------------------------------------------------

TEST_F(FifoTest, GroupThatIsMissingIsAMissingParameterOfAMessageAndInvalidatesAWholeBatch) {
  CreateFifo("jobs.fifo");
  const absl::Status one = Call(&Stub::SendMessage, Request("jobs.fifo", "x", "", "d")).status();
  EXPECT_EQ(ReasonOf(one), ErrorReason::kMissingParameter) << one;
  const absl::Status batch =
      Call(&Stub::SendMessageBatch, Proto<v1::SendMessageBatchRequest>(R"(
             queue { name: 'jobs.fifo' }
             entries { id: 'a' message { body: 'x' message_group_id: 'g' message_deduplication_id: '1' } }
             entries { id: 'b' message { body: 'y' message_deduplication_id: '2' } })"))
          .status();
  EXPECT_EQ(ReasonOf(batch), ErrorReason::kInvalidParameterValue) << batch;
  EXPECT_EQ(Counts("jobs.fifo"), "0/0/0");
}

TEST_F(FifoTest, DeduplicationIdIsNeededUnlessItIsMadeOfTheBody) {
  CreateFifo("jobs.fifo");
  const absl::Status one = Call(&Stub::SendMessage, Request("jobs.fifo", "x", "g", "")).status();
  EXPECT_EQ(ReasonOf(one), ErrorReason::kInvalidParameterValue);
  EXPECT_THAT(std::string(one.message()), HasSubstr("content_based_deduplication"));
  const absl::Status batch =
      Call(&Stub::SendMessageBatch,
           Proto<v1::SendMessageBatchRequest>("queue { name: 'jobs.fifo' } entries { id: 'a' message {"
                                              " body: 'x' message_group_id: 'g' } }"))
          .status();
  EXPECT_EQ(ReasonOf(batch), ErrorReason::kInvalidParameterValue) << batch;
  Must(&Stub::UpdateQueue, Proto<v1::UpdateQueueRequest>("queue { name: 'jobs.fifo' } attributes {"
                                                         " content_based_deduplication: true }"));
  Must(&Stub::SendMessage, Request("jobs.fifo", "x", "g", ""));
}

TEST_F(FifoTest, DelayOfAMessageIsRefusedAndZeroMeansTheQueues) {
  CreateFifo("jobs.fifo", "delay { seconds: 900 }");
  auto request = Request("jobs.fifo", "x", "g", "1");
  request.mutable_message()->mutable_delay()->set_seconds(2);
  const absl::Status status = Call(&Stub::SendMessage, request).status();
  EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(MetadataOf(status)["field"], "message.delay");
  request.mutable_message()->mutable_delay()->set_seconds(0);
  Must(&Stub::SendMessage, request);
  EXPECT_EQ(Counts("jobs.fifo"), "0/0/1");
}

TEST_F(FifoTest, DelayThatIsChangedHoldsForTheMessagesThatWait) {
  CreateFifo("jobs.fifo", "delay { seconds: 900 }");
  SendTo("g", "x");
  Must(&Stub::UpdateQueue,
       Proto<v1::UpdateQueueRequest>("queue { name: 'jobs.fifo' } attributes { delay { seconds: 0 } }"));
  EXPECT_THAT(BodiesOf(Receive("jobs.fifo", 1, /*wait_s=*/20)), ElementsAre("x"));
}

TEST_F(FifoTest, MessageArrivesWithItsGroupIdAndSequenceNumber) {
  CreateFifo("jobs.fifo");
  const v1::SentMessage sent = SendTo("g", "x", "d");
  EXPECT_EQ(sent.sequence_number().size(), 20u);
  const auto received = Receive("jobs.fifo");
  ASSERT_THAT(received, SizeIs(1));
  EXPECT_EQ(received[0].message_group_id(), "g");
  EXPECT_EQ(received[0].message_deduplication_id(), "d");
  EXPECT_EQ(received[0].sequence_number(), sent.sequence_number());
  EXPECT_EQ(received[0].message_id(), sent.message_id());
}

TEST_F(FifoTest, SequenceNumbersRiseAlsoWithinABatch) {
  CreateFifo("jobs.fifo");
  const std::string before = SendTo("g", "before").sequence_number();
  const auto response = Must(&Stub::SendMessageBatch, Proto<v1::SendMessageBatchRequest>(R"(
    queue { name: 'jobs.fifo' }
    entries { id: 'a' message { body: 'x' message_group_id: 'g' message_deduplication_id: '1' } }
    entries { id: 'b' message { body: '\001' message_group_id: 'g' message_deduplication_id: '2' } }
    entries { id: 'c' message { body: 'z' message_group_id: 'h' message_deduplication_id: '3' } })"));
  ASSERT_EQ(response.successful_size(), 2);
  ASSERT_EQ(response.failed_size(), 1);
  EXPECT_EQ(response.failed(0).reason(), common::v1::ERROR_REASON_INVALID_MESSAGE_CONTENTS);
  EXPECT_LT(before, response.successful(0).message().sequence_number());
  EXPECT_LT(response.successful(0).message().sequence_number(),
            response.successful(1).message().sequence_number());
  EXPECT_THAT(BodiesOf(Receive("jobs.fifo")), ElementsAre("before", "x", "z"));
}

TEST_F(FifoTest, DuplicateIsAnsweredWithTheFirstMessageAlsoAfterItsDeleteAndARestart) {
  CreateFifo("jobs.fifo");
  const v1::SentMessage first = SendTo("g", "first", "d");
  const auto received = Receive("jobs.fifo");
  ASSERT_TRUE(Delete("jobs.fifo", received[0].receipt_handle()).ok());
  for (int i = 0; i < 2; ++i) {
    const v1::SentMessage again = SendTo("g", "second", "d");
    EXPECT_EQ(again.message_id(), first.message_id());
    EXPECT_EQ(again.sequence_number(), first.sequence_number());
    EXPECT_THAT(Receive("jobs.fifo"), IsEmpty());
    StopServer();
    StartServer();
  }
}

TEST_F(FifoTest, ContentBasedIdIsTheDigestOfTheBodySoAnExplicitOneMayEqualIt) {
  CreateFifo("jobs.fifo", "content_based_deduplication: true");
  auto request = Request("jobs.fifo", "hello", "g", "");
  const auto first = Must(&Stub::SendMessage, request).message();
  auto& attribute = (*request.mutable_message()->mutable_message_attributes())["a"];
  attribute.set_data_type("String");
  attribute.set_string_value("ignored by the digest");
  EXPECT_EQ(Must(&Stub::SendMessage, request).message().message_id(), first.message_id());
  const auto explicit_id = Must(&Stub::SendMessage,
                                Request("jobs.fifo", "another body", "g",
                                        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"));
  EXPECT_EQ(explicit_id.message().message_id(), first.message_id());
  EXPECT_NE(Must(&Stub::SendMessage, Request("jobs.fifo", "hello", "g", "explicit-wins")).message().message_id(),
            first.message_id());
}

TEST_F(FifoTest, ScopeSaysWhetherAnotherGroupIsADuplicate) {
  CreateFifo("jobs.fifo");
  EXPECT_EQ(SendTo("a", "x", "d").message_id(), SendTo("b", "y", "d").message_id());
  CreateFifo("groups.fifo", "deduplication_scope: DEDUPLICATION_SCOPE_MESSAGE_GROUP");
  const auto a = Must(&Stub::SendMessage, Request("groups.fifo", "x", "a", "d")).message();
  const auto b = Must(&Stub::SendMessage, Request("groups.fifo", "y", "b", "d")).message();
  EXPECT_NE(a.message_id(), b.message_id());
  EXPECT_EQ(Must(&Stub::SendMessage, Request("groups.fifo", "z", "a", "d")).message().message_id(), a.message_id());
}

TEST_F(FifoTest, PurgeForgetsWhatWasSent) {
  CreateFifo("jobs.fifo");
  const v1::SentMessage first = SendTo("g", "x", "d");
  Must(&Stub::PurgeQueue, Proto<v1::PurgeQueueRequest>("queue { name: 'jobs.fifo' }"));
  EXPECT_NE(SendTo("g", "x", "d").message_id(), first.message_id());
  EXPECT_THAT(Receive("jobs.fifo"), SizeIs(1));
}

// ---- Receives (10, 17, 18, 19) -----------------------------------------------------------------------------------------

TEST_F(FifoTest, ReceiveIsFilledFromOneGroupFirst) {
  CreateFifo("jobs.fifo");
  SendTo("g1", "1");
  SendTo("g2", "2");
  SendTo("g1", "3");
  SendTo("g1", "4");
  EXPECT_THAT(BodiesOf(Receive("jobs.fifo", 10)), ElementsAre("1", "3", "4", "2"));
}

TEST_F(FifoTest, GroupGoesToTheBackAfterAReceive) {
  CreateFifo("jobs.fifo");
  for (const char* body : {"a1", "b1", "a2", "b2"}) SendTo(std::string(1, body[0]), body);
  const auto first = Receive("jobs.fifo", 1);
  EXPECT_THAT(BodiesOf(first), ElementsAre("a1"));
  ASSERT_TRUE(Delete("jobs.fifo", first[0].receipt_handle()).ok());
  EXPECT_THAT(BodiesOf(Receive("jobs.fifo", 1)), ElementsAre("b1"));
}

TEST_F(FifoTest, GroupInFlightIsBlockedUntilAllOfItIsDeletedAndThenWakesAWaiter) {
  CreateFifo("jobs.fifo");
  for (const char* body : {"1", "2", "3"}) SendTo("g", body);
  const auto first = Receive("jobs.fifo", 2);
  ASSERT_THAT(BodiesOf(first), ElementsAre("1", "2"));
  SendTo("g", "4");
  EXPECT_THAT(Receive("jobs.fifo"), IsEmpty()) << "a new send does not unblock";
  ASSERT_TRUE(Delete("jobs.fifo", first[0].receipt_handle()).ok());
  EXPECT_THAT(Receive("jobs.fifo"), IsEmpty()) << "one is still in flight";
  auto waiting = std::async(std::launch::async, [this] { return Receive("jobs.fifo", 10, /*wait_s=*/20); });
  ASSERT_TRUE(Delete("jobs.fifo", first[1].receipt_handle()).ok());
  EXPECT_THAT(BodiesOf(waiting.get()), ElementsAre("3", "4"));
}

TEST_F(FifoTest, MessageThatIsMadeVisibleIsDeliveredThoughALaterOneIsInFlight) {
  CreateFifo("jobs.fifo");
  for (const char* body : {"1", "2", "3"}) SendTo("g", body);
  const auto received = Receive("jobs.fifo", 2);
  ASSERT_TRUE(ChangeVisibility("jobs.fifo", received[0].receipt_handle(), 0).ok());
  const auto again = Receive("jobs.fifo");
  EXPECT_THAT(BodiesOf(again), ElementsAre("1"));
  EXPECT_EQ(again[0].receive_count(), 2);
  ASSERT_TRUE(ChangeVisibility("jobs.fifo", received[1].receipt_handle(), 0).ok());
  EXPECT_THAT(Receive("jobs.fifo"), IsEmpty()) << "an earlier one is in flight";
}

TEST_F(FifoTest, BlockedMessagesCountAsReady) {
  CreateFifo("jobs.fifo");
  for (const char* body : {"1", "2", "3"}) SendTo("g", body);
  Receive("jobs.fifo", 1);
  EXPECT_EQ(Counts("jobs.fifo"), "2/1/0");
  EXPECT_EQ(GetQueue("jobs.fifo").stats().blocked(), 2);
}

TEST_F(FifoTest, RepeatedAttemptGetsTheSameMessagesWithTheSameHandles) {
  CreateFifo("jobs.fifo");
  SendTo("g", "1");
  SendTo("g", "2");
  const std::string attempt = "max_messages: 1 receive_request_attempt_id: 'a1'";
  const auto first = ReceiveWith("jobs.fifo", attempt);
  const auto again = ReceiveWith("jobs.fifo", attempt);
  ASSERT_THAT(BodiesOf(again), ElementsAre("1"));
  EXPECT_EQ(again[0].receipt_handle(), first[0].receipt_handle());
  EXPECT_EQ(again[0].receive_count(), 1);
  ASSERT_TRUE(Delete("jobs.fifo", first[0].receipt_handle()).ok());
  EXPECT_THAT(BodiesOf(ReceiveWith("jobs.fifo", attempt)), ElementsAre("2")) << "something has changed since";
}

// ---- Receipts (4, 5) ---------------------------------------------------------------------------------------------------

TEST_F(FifoTest, ExpiredHandleDoesNotDelete) {
  CreateFifo("jobs.fifo");
  SendTo("g", "x");
  const auto received = ReceiveWith("jobs.fifo", "visibility_timeout {}");
  const absl::Status status = Delete("jobs.fifo", received[0].receipt_handle());
  EXPECT_EQ(ReasonOf(status), ErrorReason::kReceiptHandleExpired) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("has expired"));
  EXPECT_EQ(Counts("jobs.fifo"), "1/0/0");

  v1::DeleteMessageBatchRequest batch;
  batch.mutable_queue()->set_name("jobs.fifo");
  batch.add_entries()->set_id("old");
  batch.mutable_entries(0)->set_receipt_handle(received[0].receipt_handle());
  batch.add_entries()->set_id("new");
  batch.mutable_entries(1)->set_receipt_handle(Receive("jobs.fifo")[0].receipt_handle());
  const auto response = Must(&Stub::DeleteMessageBatch, batch);
  ASSERT_EQ(response.failed_size(), 1);
  EXPECT_EQ(response.failed(0).id(), "old");
  EXPECT_EQ(response.failed(0).reason(), common::v1::ERROR_REASON_RECEIPT_HANDLE_EXPIRED);
  ASSERT_EQ(response.successful_size(), 1);
  EXPECT_EQ(response.successful(0).id(), "new");
  EXPECT_EQ(Counts("jobs.fifo"), "0/0/0");
}

TEST_F(FifoTest, HandleWhoseTimeoutWasExtendedDeletes) {
  CreateFifo("jobs.fifo", "visibility_timeout { seconds: 1 }");
  SendTo("g", "x");
  const auto received = Receive("jobs.fifo");
  ASSERT_TRUE(ChangeVisibility("jobs.fifo", received[0].receipt_handle(), 600).ok());
  EXPECT_THAT(Receive("jobs.fifo", 1, /*wait_s=*/2), IsEmpty());
  EXPECT_TRUE(Delete("jobs.fifo", received[0].receipt_handle()).ok());
  EXPECT_EQ(Counts("jobs.fifo"), "0/0/0");
}

// ---- Dead letters (13, 14) ---------------------------------------------------------------------------------------------

TEST_F(FifoTest, DeadLetterQueueMustBeOfTheSameType) {
  CreateQueue("standard-dead");
  CreateFifo("dead.fifo");
  const std::string arn = "arn:aws:sqs:us-east-1:000000000000:";
  const auto create = [&](const std::string& name, const std::string& type, const std::string& target) {
    return Call(&Stub::CreateQueue,
                Proto<v1::CreateQueueRequest>(absl::StrCat(
                    "queue { name: '", name, "' } attributes { ", type, " redrive_policy { dead_letter_queue_arn: '",
                    arn, target, "' max_receive_count: 1 } }")))
        .status();
  };
  EXPECT_EQ(ReasonOf(create("jobs.fifo", "fifo_queue: true", "standard-dead")),
            ErrorReason::kDeadLetterTargetInvalid);
  EXPECT_EQ(ReasonOf(create("jobs", "", "dead.fifo")), ErrorReason::kDeadLetterTargetInvalid);
  EXPECT_TRUE(create("jobs.fifo", "fifo_queue: true", "dead.fifo").ok());
}

TEST_F(FifoTest, DeadLetterKeepsItsGroupAndIdAndUnblocksTheGroup) {
  // Over several names, so that both are on one shard, and on two.
  for (int i = 0; i < 4; ++i) {
    const std::string dead = absl::StrCat("dead-", i, ".fifo");
    const std::string jobs = absl::StrCat("jobs-", i, ".fifo");
    CreateFifo(dead);
    CreateFifo(jobs, absl::StrCat("redrive_policy { dead_letter_queue_arn: 'arn:aws:sqs:us-east-1:000000000000:", dead,
                                  "' max_receive_count: 1 }"));
    // The dead-letter queue knows this id already: it must not swallow what is moved there.
    Must(&Stub::SendMessage, Request(dead, "its own", "other", "poison"));
    Must(&Stub::SendMessage, Request(jobs, "poison", "g", "poison"));
    Must(&Stub::SendMessage, Request(jobs, "next", "g", "next"));
    ASSERT_THAT(BodiesOf(ReceiveWith(jobs, "max_messages: 1 visibility_timeout {}")), ElementsAre("poison"));
    std::vector<v1::ReceivedMessage> next = Receive(jobs, 1, /*wait_s=*/20);
    ASSERT_THAT(BodiesOf(next), ElementsAre("next")) << jobs;
    std::map<std::string, v1::ReceivedMessage> moved;
    while (moved.size() < 2) {
      for (const v1::ReceivedMessage& message : Receive(dead, 10, /*wait_s=*/20)) moved[message.body()] = message;
    }
    EXPECT_EQ(moved["poison"].message_group_id(), "g");
    EXPECT_EQ(moved["poison"].message_deduplication_id(), "poison");
    EXPECT_EQ(moved["poison"].receive_count(), 2);
  }
}

TEST_F(FifoTest, MoveTaskNeedsADestinationOfTheSameType) {
  CreateFifo("dead.fifo");
  CreateFifo("jobs.fifo",
             "redrive_policy { dead_letter_queue_arn: 'arn:aws:sqs:us-east-1:000000000000:dead.fifo'"
             " max_receive_count: 1 }");
  CreateQueue("standard");
  const absl::Status status =
      Call(&Stub::StartMessageMoveTask,
           Proto<v1::StartMessageMoveTaskRequest>(
               "source { name: 'dead.fifo' } destination_arn: 'arn:aws:sqs:us-east-1:000000000000:standard'"))
          .status();
  EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidParameterValue) << status;
  EXPECT_EQ(MetadataOf(status)["field"], "destination_arn");
}

// ---- Groups ------------------------------------------------------------------------------------------------------------

TEST_F(FifoTest, GroupsTellByWhichMessageAndWhomTheyAreBlocked) {
  CreateFifo("jobs.fifo");
  const v1::SentMessage first = SendTo("blocked", "1");
  SendTo("blocked", "2");
  SendTo("free", "3");
  ASSERT_THAT(BodiesOf(Receive("jobs.fifo", 1)), ElementsAre("1"));
  const auto groups = Groups("jobs.fifo");
  ASSERT_THAT(groups, SizeIs(2));
  EXPECT_EQ(groups[0].message_group_id(), "blocked");
  EXPECT_EQ(groups[0].ready(), 1);
  EXPECT_EQ(groups[0].in_flight(), 1);
  EXPECT_EQ(groups[0].blocked_by().message_id(), first.message_id());
  EXPECT_EQ(groups[0].blocked_by().receive_count(), 1);
  EXPECT_THAT(groups[0].blocked_by().consumer(), HasSubstr("127.0.0.1:"));
  EXPECT_GE(groups[0].blocked_by().until().seconds(), groups[0].blocked_by().since().seconds() + 29);
  EXPECT_EQ(groups[1].message_group_id(), "free");
  EXPECT_FALSE(groups[1].has_blocked_by());
  const auto blocked = Groups("jobs.fifo", "blocked_only: true");
  ASSERT_THAT(blocked, SizeIs(1));
  EXPECT_EQ(blocked[0].message_group_id(), "blocked");
}

TEST_F(FifoTest, GroupsComeInPages) {
  CreateFifo("jobs.fifo");
  for (int i = 0; i < 5; ++i) SendTo(absl::StrCat("g", i), absl::StrCat(i));
  std::vector<std::string> ids;
  auto request = Proto<v1::ListMessageGroupsRequest>("queue { name: 'jobs.fifo' } page_size: 2");
  do {
    const auto page = Must(&Stub::ListMessageGroups, request);
    EXPECT_LE(page.groups_size(), 2);
    for (const v1::MessageGroup& group : page.groups()) ids.push_back(group.message_group_id());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(ids, ElementsAre("g0", "g1", "g2", "g3", "g4"));
  request.set_page_token("made up");
  EXPECT_EQ(ReasonOf(Call(&Stub::ListMessageGroups, request).status()), ErrorReason::kPageTokenInvalid);
}

TEST_F(FifoTest, StandardQueuesHaveGroupsToo) {
  CreateQueue("jobs");
  auto request = Request("jobs", "x", "tenant", "");
  request.mutable_message()->clear_message_deduplication_id();
  EXPECT_EQ(Must(&Stub::SendMessage, request).message().sequence_number(), "");
  const auto groups = Groups("jobs");
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_EQ(groups[0].message_group_id(), "tenant");
  const auto received = Receive("jobs");
  EXPECT_EQ(received[0].message_group_id(), "tenant");
  EXPECT_EQ(received[0].sequence_number(), "");
}

TEST_F(FifoTest, OrderSurvivesARestart) {
  CreateFifo("jobs.fifo");
  for (int i = 0; i < 20; ++i) SendTo(absl::StrCat("g", i % 2), absl::StrCat(i));
  StopServer();
  StartServer();
  std::map<std::string, std::vector<int>> seen;
  for (int i = 0; i < 20; ++i) {
    const auto received = Receive("jobs.fifo", 1);
    ASSERT_THAT(received, SizeIs(1));
    seen[received[0].message_group_id()].push_back(std::stoi(received[0].body()));
    ASSERT_TRUE(Delete("jobs.fifo", received[0].receipt_handle()).ok());
  }
  for (const auto& [group, bodies] : seen) EXPECT_TRUE(std::is_sorted(bodies.begin(), bodies.end())) << group;
}

}  // namespace
}  // namespace weir::queue
