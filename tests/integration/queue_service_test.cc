// Every call of the queue service, over gRPC, on PostgreSQL.
#include <future>

#include "absl/strings/str_cat.h"
#include "tests/integration/queue_fixture.h"

namespace weir::queue {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// ---- Queues ------------------------------------------------------------------------------------------------------------

TEST_F(QueueTest, CreateIsIdempotentAndComparesOnlyWhatIsSet) {
  const auto request = Proto<v1::CreateQueueRequest>(
      "queue { name: 'jobs' } attributes { delay { seconds: 5 } retention { seconds: 3600 } }");
  const auto first = Must(&Stub::CreateQueue, request);
  EXPECT_TRUE(first.created());
  EXPECT_EQ(first.queue().arn(), "arn:aws:sqs:us-east-1:000000000000:jobs");
  EXPECT_EQ(first.queue().attributes().visibility_timeout().seconds(), 30);
  EXPECT_EQ(first.queue().attributes().delay().seconds(), 5);
  EXPECT_FALSE(Must(&Stub::CreateQueue, request).created());
  EXPECT_FALSE(Must(&Stub::CreateQueue, Proto<v1::CreateQueueRequest>("queue { name: 'jobs' }")).created());
}

TEST_F(QueueTest, CreateWithAnotherAttributeNamesIt) {
  CreateQueue("jobs", "delay { seconds: 5 }");
  const absl::Status status =
      Call(&Stub::CreateQueue,
           Proto<v1::CreateQueueRequest>("queue { name: 'jobs' } attributes { delay { seconds: 6 } }"))
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReasonOf(status), ErrorReason::kQueueAlreadyExists);
  EXPECT_EQ(MetadataOf(status)["attribute"], "delay");
}

TEST_F(QueueTest, CreatesOfOneNameAtTheSameTimeMakeOneQueue) {
  std::vector<std::future<bool>> creates;
  for (int i = 0; i < 8; ++i) {
    creates.push_back(std::async(std::launch::async, [this] {
      return Must(&Stub::CreateQueue, Proto<v1::CreateQueueRequest>("queue { name: 'jobs' }")).created();
    }));
  }
  int created = 0;
  for (auto& create : creates) created += create.get();
  EXPECT_EQ(created, 1);
}

TEST_F(QueueTest, ListHasPrefixAndPages) {
  for (const char* name : {"a-1", "a-2", "a-3", "b-1"}) CreateQueue(name);
  std::vector<std::string> names;
  std::string token;
  int pages = 0;
  do {
    auto request = Proto<v1::ListQueuesRequest>("name_prefix: 'a-' page_size: 2 include_stats: true");
    request.set_page_token(token);
    const auto page = Must(&Stub::ListQueues, request);
    for (const auto& queue : page.queues()) {
      names.push_back(queue.name());
      EXPECT_TRUE(queue.has_stats());
    }
    token = page.next_page_token();
    ++pages;
  } while (!token.empty());
  EXPECT_THAT(names, ElementsAre("a-1", "a-2", "a-3"));
  EXPECT_EQ(pages, 2);
  EXPECT_EQ(Must(&Stub::ListQueues, v1::ListQueuesRequest()).queues_size(), 4);
  const absl::Status status =
      Call(&Stub::ListQueues, Proto<v1::ListQueuesRequest>("page_token: 'made up'")).status();
  EXPECT_EQ(ReasonOf(status), ErrorReason::kPageTokenInvalid);
}

TEST_F(QueueTest, NamespacesAreApart) {
  CreateQueue("jobs");
  Must(&Stub::CreateQueue,
       Proto<v1::CreateQueueRequest>("queue { name: 'jobs' namespace { account: '111111111111' region: 'eu-west-1' } }"));
  Send("jobs", "mine");
  const auto other = Must(&Stub::GetQueue, Proto<v1::GetQueueRequest>(
      "queue { name: 'jobs' namespace { account: '111111111111' region: 'eu-west-1' } }"));
  EXPECT_EQ(other.queue().arn(), "arn:aws:sqs:eu-west-1:111111111111:jobs");
  EXPECT_EQ(other.queue().stats().ready(), 0);
  EXPECT_EQ(Must(&Stub::ListQueues, v1::ListQueuesRequest()).queues_size(), 1);
}

TEST_F(QueueTest, GetHasExactCounts) {
  CreateQueue("jobs");
  EXPECT_EQ(Counts("jobs"), "0/0/0");
  EXPECT_FALSE(GetQueue("jobs").stats().has_oldest_message_age());
  for (int i = 0; i < 7; ++i) Send("jobs", absl::StrCat(i));
  Send("jobs", "later", /*delay_s=*/900);
  EXPECT_EQ(Counts("jobs"), "7/0/1");
  const auto received = Receive("jobs", 3);
  EXPECT_EQ(Counts("jobs"), "4/3/1");
  ASSERT_TRUE(Delete("jobs", received[0].receipt_handle()).ok());
  EXPECT_EQ(Counts("jobs"), "4/2/1");
  ASSERT_TRUE(ChangeVisibility("jobs", received[1].receipt_handle(), 0).ok());
  EXPECT_EQ(Counts("jobs"), "5/1/1");
  EXPECT_TRUE(GetQueue("jobs").stats().has_oldest_message_age());
}

TEST_F(QueueTest, UpdateChangesWhatIsSetAndLeavesTheRest) {
  CreateQueue("jobs", "delay { seconds: 5 }");
  const auto updated = Must(&Stub::UpdateQueue,
                            Proto<v1::UpdateQueueRequest>("queue { name: 'jobs' } attributes {"
                                                          " visibility_timeout { seconds: 0 } maximum_message_bytes: 2048 }"))
                           .queue();
  EXPECT_EQ(updated.attributes().visibility_timeout().seconds(), 0);
  EXPECT_EQ(updated.attributes().maximum_message_bytes(), 2048);
  EXPECT_EQ(updated.attributes().delay().seconds(), 5);
  EXPECT_EQ(GetQueue("jobs").attributes().maximum_message_bytes(), 2048);
  // It holds for the next call already.
  Must(&Stub::UpdateQueue,
       Proto<v1::UpdateQueueRequest>("queue { name: 'jobs' } attributes { delay { seconds: 0 } }"));
  Send("jobs", "now");
  EXPECT_THAT(Receive("jobs"), SizeIs(1));
  EXPECT_THAT(Receive("jobs"), SizeIs(1)) << "the visibility timeout is 0";
}

TEST_F(QueueTest, UpdatesAtTheSameTimeAllHold) {
  CreateQueue("jobs");
  auto delay = std::async(std::launch::async, [this] {
    return Call(&Stub::UpdateQueue,
                Proto<v1::UpdateQueueRequest>("queue { name: 'jobs' } attributes { delay { seconds: 7 } }")).status();
  });
  auto wait = std::async(std::launch::async, [this] {
    return Call(&Stub::UpdateQueue,
                Proto<v1::UpdateQueueRequest>(
                    "queue { name: 'jobs' } attributes { receive_wait_time { seconds: 8 } }")).status();
  });
  EXPECT_TRUE(delay.get().ok());
  EXPECT_TRUE(wait.get().ok());
  EXPECT_EQ(GetQueue("jobs").attributes().delay().seconds(), 7);
  EXPECT_EQ(GetQueue("jobs").attributes().receive_wait_time().seconds(), 8);
}

TEST_F(QueueTest, DeleteQueueTakesItsMessagesAndFreesTheName) {
  CreateQueue("jobs");
  Send("jobs", "old");
  Must(&Stub::DeleteQueue, Proto<v1::DeleteQueueRequest>("queue { name: 'jobs' }"));
  for (const absl::Status& status :
       {Call(&Stub::GetQueue, Proto<v1::GetQueueRequest>("queue { name: 'jobs' }")).status(),
        Call(&Stub::DeleteQueue, Proto<v1::DeleteQueueRequest>("queue { name: 'jobs' }")).status(),
        Call(&Stub::SendMessage,
             Proto<v1::SendMessageRequest>("queue { name: 'jobs' } message { body: 'x' }")).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(ReasonOf(status), ErrorReason::kQueueDoesNotExist);
  }
  CreateQueue("jobs");
  EXPECT_EQ(Counts("jobs"), "0/0/0");
}

TEST_F(QueueTest, DeleteQueueEndsWaitingReceives) {
  CreateQueue("jobs");
  auto waiting = std::async(std::launch::async, [this] {
    return Call(&Stub::ReceiveMessages,
                Proto<v1::ReceiveMessagesRequest>("queue { name: 'jobs' } wait_time { seconds: 20 }")).status();
  });
  const absl::Time start = absl::Now();
  Must(&Stub::DeleteQueue, Proto<v1::DeleteQueueRequest>("queue { name: 'jobs' }"));
  EXPECT_EQ(ReasonOf(waiting.get()), ErrorReason::kQueueDoesNotExist);
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

TEST_F(QueueTest, PurgeRemovesEverythingThatWasSentBefore) {
  CreateQueue("jobs");
  for (int i = 0; i < 5; ++i) Send("jobs", "x");
  Send("jobs", "delayed", 900);
  const auto received = Receive("jobs", 2);
  EXPECT_EQ(Must(&Stub::PurgeQueue, Proto<v1::PurgeQueueRequest>("queue { name: 'jobs' }")).removed_messages(), 6);
  EXPECT_EQ(Counts("jobs"), "0/0/0");
  EXPECT_TRUE(Delete("jobs", received[0].receipt_handle()).ok());
  Send("jobs", "after");
  EXPECT_THAT(BodiesOf(Receive("jobs")), ElementsAre("after"));
}

// ---- Sending -----------------------------------------------------------------------------------------------------------

TEST_F(QueueTest, SentMessageArrivesWithEverything) {
  CreateQueue("jobs");
  const std::string body = "hello \u00e9\u4e2d\U0001F600";
  auto request = Proto<v1::SendMessageRequest>(R"(
    queue { name: 'jobs' }
    message {
      aws_trace_header: 'Root=1-5759e988-bd862e3fe1be46a994272793'
      message_attributes { key: 'kind' value { data_type: 'String' string_value: 'order' } }
      message_attributes { key: 'size' value { data_type: 'Number.int' string_value: '0012' } }
      message_attributes { key: 'raw' value { data_type: 'Binary' binary_value: '\000\377' } }
    })");
  request.mutable_message()->set_body(body);
  const auto sent = Must(&Stub::SendMessage, request).message();
  EXPECT_EQ(sent.message_id().size(), 36u);
  EXPECT_EQ(sent.md5_of_body().size(), 32u);
  EXPECT_EQ(sent.md5_of_message_attributes().size(), 32u);
  EXPECT_EQ(sent.md5_of_message_system_attributes().size(), 32u);

  const auto received = ReceiveWith("jobs", "message_attribute_names: 'All'");
  ASSERT_THAT(received, SizeIs(1));
  const v1::ReceivedMessage& message = received[0];
  EXPECT_EQ(message.message_id(), sent.message_id());
  EXPECT_EQ(message.body(), body);
  EXPECT_EQ(message.md5_of_body(), sent.md5_of_body());
  EXPECT_EQ(message.md5_of_message_attributes(), sent.md5_of_message_attributes());
  EXPECT_EQ(message.message_attributes().at("size").string_value(), "0012");
  EXPECT_EQ(message.message_attributes().at("size").data_type(), "Number.int");
  EXPECT_EQ(message.message_attributes().at("raw").binary_value(), std::string("\0\377", 2));
  EXPECT_EQ(message.aws_trace_header(), "Root=1-5759e988-bd862e3fe1be46a994272793");
  EXPECT_EQ(message.receive_count(), 1);
  EXPECT_EQ(message.dead_letter_queue_source_arn(), "");
  EXPECT_LE(message.sent_at().seconds(), message.first_received_at().seconds());
  EXPECT_GE(message.visible_at().seconds(), message.first_received_at().seconds() + 29);
}

TEST_F(QueueTest, OnlyTheAskedAttributesAreReturned) {
  CreateQueue("jobs", "visibility_timeout { seconds: 0 }");
  Must(&Stub::SendMessage, Proto<v1::SendMessageRequest>(R"(
    queue { name: 'jobs' }
    message { body: 'x'
      message_attributes { key: 'app.kind' value { data_type: 'String' string_value: 'a' } }
      message_attributes { key: 'app.size' value { data_type: 'Number' string_value: '1' } }
      message_attributes { key: 'other' value { data_type: 'String' string_value: 'b' } } })"));
  EXPECT_THAT(ReceiveWith("jobs", "")[0].message_attributes(), IsEmpty());
  EXPECT_EQ(ReceiveWith("jobs", "")[0].md5_of_message_attributes(), "");
  EXPECT_THAT(ReceiveWith("jobs", "message_attribute_names: 'app.*'")[0].message_attributes(), SizeIs(2));
  EXPECT_THAT(ReceiveWith("jobs", "message_attribute_names: ['other', 'none']")[0].message_attributes(), SizeIs(1));
}

TEST_F(QueueTest, Md5OfTheBodyIsThatOfItsBytes) {
  CreateQueue("jobs");
  EXPECT_EQ(Send("jobs", "hello").md5_of_body(), "5d41402abc4b2a76b9719d911017c592");
}

TEST_F(QueueTest, DelayOfTheQueueAndOfTheMessage) {
  CreateQueue("jobs", "delay { seconds: 900 }");
  Send("jobs", "by the queue");
  Must(&Stub::SendMessage,
       Proto<v1::SendMessageRequest>("queue { name: 'jobs' } message { body: 'at once' delay { seconds: 0 } }"));
  EXPECT_EQ(Counts("jobs"), "1/0/1");
  EXPECT_THAT(BodiesOf(Receive("jobs")), ElementsAre("at once"));
}

TEST_F(QueueTest, BatchStoresTheGoodEntriesAndNamesTheBadOnes) {
  CreateQueue("jobs");
  auto request = Proto<v1::SendMessageBatchRequest>(R"(
    queue { name: 'jobs' }
    entries { id: 'a' message { body: 'first' } }
    entries { id: 'b' message { body: '' } }
    entries { id: 'c' message { body: 'third' delay { seconds: 900 } } }
    entries { id: 'd' message { body: 'x' delay { seconds: 345601 } } })");
  const auto response = Must(&Stub::SendMessageBatch, request);
  ASSERT_EQ(response.successful_size(), 2);
  EXPECT_EQ(response.successful(0).id(), "a");
  EXPECT_EQ(response.successful(0).message().md5_of_body(), "8b04d5e3775d298e78455efc5ca404d5");
  EXPECT_EQ(response.successful(1).id(), "c");
  ASSERT_EQ(response.failed_size(), 2);
  EXPECT_EQ(response.failed(0).id(), "b");
  EXPECT_EQ(response.failed(0).reason(), common::v1::ERROR_REASON_MISSING_PARAMETER);
  EXPECT_TRUE(response.failed(0).sender_fault());
  EXPECT_EQ(response.failed(1).id(), "d");
  EXPECT_EQ(Counts("jobs"), "1/0/1");
}

TEST_F(QueueTest, LargestMessageGoesThroughAndOneByteMoreDoesNot) {
  CreateQueue("jobs");
  v1::SendMessageRequest request;
  request.mutable_queue()->set_name("jobs");
  request.mutable_message()->set_body(std::string(1'048'576, 'x'));
  Must(&Stub::SendMessage, request);
  EXPECT_EQ(Receive("jobs")[0].body().size(), 1'048'576u);
  request.mutable_message()->mutable_body()->push_back('x');
  EXPECT_EQ(ReasonOf(Call(&Stub::SendMessage, request).status()), ErrorReason::kInvalidParameterValue);
}

// ---- Receiving ---------------------------------------------------------------------------------------------------------

TEST_F(QueueTest, ReceiveTakesUpToMaxMessagesInOrder) {
  CreateQueue("jobs");
  for (int i = 0; i < 12; ++i) Send("jobs", absl::StrCat(i));
  EXPECT_THAT(BodiesOf(ReceiveWith("jobs", "")), ElementsAre("0")) << "one by default";
  EXPECT_THAT(BodiesOf(Receive("jobs", 3)), ElementsAre("1", "2", "3"));
  EXPECT_THAT(Receive("jobs", 10), SizeIs(8));
  EXPECT_THAT(Receive("jobs", 10), IsEmpty());
}

TEST_F(QueueTest, LongPollEndsWhenAMessageArrives) {
  CreateQueue("jobs");
  auto waiting = std::async(std::launch::async, [this] { return Receive("jobs", 10, /*wait_s=*/20); });
  const absl::Time start = absl::Now();
  Send("jobs", "hello");
  EXPECT_THAT(BodiesOf(waiting.get()), ElementsAre("hello"));
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

TEST_F(QueueTest, LongPollEndsWhenAMessageBecomesVisible) {
  CreateQueue("jobs");
  Send("jobs", "again");
  const auto first = ReceiveWith("jobs", "visibility_timeout { seconds: 1 }");
  const absl::Time start = absl::Now();
  const auto second = Receive("jobs", 10, /*wait_s=*/20);
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_EQ(second[0].receive_count(), 2);
  EXPECT_EQ(second[0].first_received_at().seconds(), first[0].first_received_at().seconds());
  EXPECT_NE(second[0].receipt_handle(), first[0].receipt_handle());
}

TEST_F(QueueTest, LongPollEndsWhenADelayEnds) {
  CreateQueue("jobs");
  Send("jobs", "later", /*delay_s=*/1);
  const absl::Time start = absl::Now();
  EXPECT_THAT(Receive("jobs", 10, /*wait_s=*/20), SizeIs(1));
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

TEST_F(QueueTest, LongPollEndsEmptyAfterItsTime) {
  CreateQueue("jobs", "receive_wait_time { seconds: 1 }");
  const absl::Time start = absl::Now();
  EXPECT_THAT(ReceiveWith("jobs", ""), IsEmpty());
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(900));
  EXPECT_THAT(Receive("jobs"), IsEmpty()) << "a wait time of 0 overrides the queue's";
}

TEST_F(QueueTest, EachMessageGoesToOneOfManyWaiters) {
  CreateQueue("jobs");
  std::vector<std::future<std::vector<v1::ReceivedMessage>>> waiting;
  for (int i = 0; i < 5; ++i) {
    waiting.push_back(std::async(std::launch::async, [this] { return Receive("jobs", 1, 20); }));
  }
  for (int i = 0; i < 5; ++i) Send("jobs", absl::StrCat(i));
  std::vector<std::string> bodies;
  for (auto& receive : waiting) {
    for (const auto& message : receive.get()) bodies.push_back(message.body());
  }
  EXPECT_THAT(bodies, UnorderedElementsAre("0", "1", "2", "3", "4"));
}

TEST_F(QueueTest, VisibilityOverrideZeroCountsTheReceiveButHidesNothing) {
  CreateQueue("jobs");
  Send("jobs", "x");
  EXPECT_EQ(ReceiveWith("jobs", "visibility_timeout {}")[0].receive_count(), 1);
  EXPECT_EQ(Counts("jobs"), "1/0/0");
  EXPECT_EQ(Receive("jobs")[0].receive_count(), 2);
}

TEST_F(QueueTest, ReceiverThatIsGoneLeavesItsMessagesToOthers) {
  CreateQueue("jobs");
  const absl::Status gone =
      Call(&Stub::ReceiveMessages,
           Proto<v1::ReceiveMessagesRequest>("queue { name: 'jobs' } wait_time { seconds: 20 }"),
           absl::Milliseconds(200))
          .status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(gone)) << gone;
  Send("jobs", "x");
  EXPECT_THAT(Receive("jobs", 10, /*wait_s=*/20), SizeIs(1));
}

// ---- Deleting, changing visibility ---------------------------------------------------------------------------------------

TEST_F(QueueTest, DeleteIsForGoodAndMayBeRepeated) {
  CreateQueue("jobs");
  Send("jobs", "x");
  const auto received = Receive("jobs");
  EXPECT_TRUE(Delete("jobs", received[0].receipt_handle()).ok());
  EXPECT_TRUE(Delete("jobs", received[0].receipt_handle()).ok());
  EXPECT_EQ(Counts("jobs"), "0/0/0");
}

TEST_F(QueueTest, HandlesOfAnotherQueueAndMadeUpOnesAreRefused) {
  CreateQueue("jobs");
  CreateQueue("other");
  Send("jobs", "x");
  const auto received = Receive("jobs");
  EXPECT_EQ(ReasonOf(Delete("other", received[0].receipt_handle())), ErrorReason::kReceiptHandleInvalid);
  EXPECT_EQ(ReasonOf(ChangeVisibility("other", received[0].receipt_handle(), 1)), ErrorReason::kReceiptHandleInvalid);
  EXPECT_EQ(ReasonOf(Delete("jobs", "made up")), ErrorReason::kReceiptHandleInvalid);
  EXPECT_EQ(Counts("jobs"), "0/1/0");
}

TEST_F(QueueTest, StaleReceiptDeletesNothing) {
  CreateQueue("jobs");
  Send("jobs", "x");
  const auto first = ReceiveWith("jobs", "visibility_timeout {}");
  const auto second = Receive("jobs");
  EXPECT_TRUE(Delete("jobs", first[0].receipt_handle()).ok());
  EXPECT_EQ(Counts("jobs"), "0/1/0") << "the newer receiver has it";
  EXPECT_TRUE(Delete("jobs", second[0].receipt_handle()).ok());
  EXPECT_EQ(Counts("jobs"), "0/0/0");
}

TEST_F(QueueTest, DeleteBatchAnswersEachEntry) {
  CreateQueue("jobs");
  for (int i = 0; i < 3; ++i) Send("jobs", absl::StrCat(i));
  const auto received = Receive("jobs");
  v1::DeleteMessageBatchRequest request;
  request.mutable_queue()->set_name("jobs");
  for (int i = 0; i < 2; ++i) {
    auto& entry = *request.add_entries();
    entry.set_id(absl::StrCat("good", i));
    entry.set_receipt_handle(received[i].receipt_handle());
  }
  auto& bad = *request.add_entries();
  bad.set_id("bad");
  bad.set_receipt_handle("made up");
  const auto response = Must(&Stub::DeleteMessageBatch, request);
  ASSERT_EQ(response.successful_size(), 2);
  EXPECT_EQ(response.successful(0).id(), "good0");
  ASSERT_EQ(response.failed_size(), 1);
  EXPECT_EQ(response.failed(0).id(), "bad");
  EXPECT_EQ(response.failed(0).reason(), common::v1::ERROR_REASON_RECEIPT_HANDLE_INVALID);
  EXPECT_EQ(Counts("jobs"), "0/1/0");
}

TEST_F(QueueTest, ChangeVisibilityHidesForLongerAndShowsAtOnce) {
  CreateQueue("jobs", "visibility_timeout { seconds: 1 }");
  Send("jobs", "x");
  const auto received = Receive("jobs");
  EXPECT_TRUE(ChangeVisibility("jobs", received[0].receipt_handle(), 600).ok());
  EXPECT_THAT(Receive("jobs", 1, /*wait_s=*/2), IsEmpty());
  EXPECT_TRUE(ChangeVisibility("jobs", received[0].receipt_handle(), 0).ok());
  EXPECT_THAT(Receive("jobs"), SizeIs(1));
}

TEST_F(QueueTest, ChangeVisibilityOfAMessageThatIsGone) {
  CreateQueue("jobs");
  Send("jobs", "x");
  const auto received = Receive("jobs");
  ASSERT_TRUE(Delete("jobs", received[0].receipt_handle()).ok());
  EXPECT_EQ(ReasonOf(ChangeVisibility("jobs", received[0].receipt_handle(), 5)),
            ErrorReason::kMessageDoesNotExist);
}

TEST_F(QueueTest, ChangeVisibilityBatchAnswersEachEntry) {
  CreateQueue("jobs");
  for (int i = 0; i < 2; ++i) Send("jobs", absl::StrCat(i));
  const auto received = Receive("jobs");
  ASSERT_TRUE(Delete("jobs", received[1].receipt_handle()).ok());
  v1::ChangeMessageVisibilityBatchRequest request;
  request.mutable_queue()->set_name("jobs");
  const auto add = [&](const std::string& id, const std::string& handle, int seconds) {
    auto& entry = *request.add_entries();
    entry.set_id(id);
    entry.set_receipt_handle(handle);
    entry.mutable_visibility_timeout()->set_seconds(seconds);
  };
  add("good", received[0].receipt_handle(), 0);
  add("gone", received[1].receipt_handle(), 5);
  add("bad", "made up", 5);
  add("long", received[0].receipt_handle(), 43'201);
  const auto response = Must(&Stub::ChangeMessageVisibilityBatch, request);
  ASSERT_EQ(response.successful_size(), 1);
  EXPECT_EQ(response.successful(0).id(), "good");
  std::map<std::string, common::v1::ErrorReason> failed;
  for (const auto& failure : response.failed()) failed[failure.id()] = failure.reason();
  EXPECT_EQ(failed["gone"], common::v1::ERROR_REASON_MESSAGE_DOES_NOT_EXIST);
  EXPECT_EQ(failed["bad"], common::v1::ERROR_REASON_RECEIPT_HANDLE_INVALID);
  EXPECT_EQ(failed["long"], common::v1::ERROR_REASON_INVALID_PARAMETER_VALUE);
  EXPECT_EQ(Counts("jobs"), "1/0/0");
}

}  // namespace
}  // namespace weir::queue
