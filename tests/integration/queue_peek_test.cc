// Looking at messages without receiving them.
#include <pqxx/pqxx>

#include "absl/strings/str_cat.h"
#include "tests/integration/queue_fixture.h"

namespace weir::queue {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PeekTest : public QueueTest {
 protected:
  v1::PeekMessagesResponse PeekPage(const std::string& queue, const std::string& fields = "") {
    return Must(&Stub::PeekMessages, Request(queue, fields));
  }
  // All pages.
  std::vector<v1::PeekedMessage> Peek(const std::string& queue, const std::string& fields = "") {
    std::vector<v1::PeekedMessage> messages;
    v1::PeekMessagesRequest request = Request(queue, fields);
    do {
      const v1::PeekMessagesResponse page = Must(&Stub::PeekMessages, request);
      messages.insert(messages.end(), page.messages().begin(), page.messages().end());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return messages;
  }
  static v1::PeekMessagesRequest Request(const std::string& queue, const std::string& fields) {
    return Proto<v1::PeekMessagesRequest>(absl::StrCat("queue { name: '", queue, "' } ", fields));
  }
  ErrorReason Refused(const std::string& queue, const std::string& fields) {
    return ReasonOf(Call(&Stub::PeekMessages, Request(queue, fields)).status());
  }
  void SendMany(const std::string& queue, int count) {
    for (int begin = 0; begin < count; begin += 10) {
      v1::SendMessageBatchRequest request;
      request.mutable_queue()->set_name(queue);
      for (int i = begin; i < begin + 10; ++i) {
        v1::SendMessageBatchEntry& entry = *request.add_entries();
        entry.set_id(absl::StrCat(i));
        entry.mutable_message()->set_body(absl::StrCat("message ", i));
      }
      Must(&Stub::SendMessageBatch, request);
    }
  }
  static std::vector<std::string> Bodies(const std::vector<v1::PeekedMessage>& messages) {
    std::vector<std::string> bodies;
    for (const v1::PeekedMessage& message : messages) bodies.push_back(message.body());
    return bodies;
  }
};

TEST_F(PeekTest, ShowsReadyInFlightAndDelayedMessagesAndChangesNothing) {
  CreateQueue("jobs");
  Send("jobs", "a");
  Send("jobs", "b", 60);
  Send("jobs", "c");
  const auto received = Receive("jobs", 1);
  for (int i = 0; i < 3; ++i) {
    const auto messages = Peek("jobs");
    ASSERT_THAT(Bodies(messages), ElementsAre("a", "b", "c"));
    EXPECT_EQ(messages[0].state(), v1::MESSAGE_STATE_IN_FLIGHT);
    EXPECT_EQ(messages[0].receive_count(), 1);
    EXPECT_TRUE(messages[0].has_first_received_at());
    EXPECT_EQ(messages[0].visible_at().seconds(), received[0].visible_at().seconds());
    EXPECT_EQ(messages[1].state(), v1::MESSAGE_STATE_DELAYED);
    EXPECT_TRUE(messages[1].has_visible_at());
    EXPECT_EQ(messages[2].state(), v1::MESSAGE_STATE_READY);
    EXPECT_EQ(messages[2].receive_count(), 0);
    EXPECT_FALSE(messages[2].has_first_received_at());
    EXPECT_FALSE(messages[2].has_visible_at());
    EXPECT_EQ(Counts("jobs"), "1/1/1");
  }
}

TEST_F(PeekTest, FiltersByStateIdTextAndReceives) {
  CreateQueue("jobs");
  const std::string id = Send("jobs", "red apple").message_id();
  Send("jobs", "green apple", 60);
  Send("jobs", "red cherry");
  Receive("jobs", 1);
  EXPECT_THAT(Bodies(Peek("jobs", "states: MESSAGE_STATE_READY")), ElementsAre("red cherry"));
  EXPECT_THAT(Bodies(Peek("jobs", "states: [MESSAGE_STATE_DELAYED, MESSAGE_STATE_IN_FLIGHT]")),
              ElementsAre("red apple", "green apple"));
  EXPECT_THAT(Bodies(Peek("jobs", "body_contains: 'red'")), ElementsAre("red apple", "red cherry"));
  EXPECT_THAT(Bodies(Peek("jobs", "min_receive_count: 1")), ElementsAre("red apple"));
  EXPECT_THAT(Bodies(Peek("jobs", absl::StrCat("message_id: '", id, "'"))), ElementsAre("red apple"));
  EXPECT_THAT(Peek("jobs", "message_group_id: 'g'"), IsEmpty());
}

TEST_F(PeekTest, PagesGoThroughADeepQueueOnceAndInOrder) {
  CreateQueue("jobs");
  SendMany("jobs", 5'000);
  Receive("jobs", 10);
  std::vector<std::string> expected;
  for (int i = 0; i < 5'000; ++i) expected.push_back(absl::StrCat("message ", i));
  EXPECT_EQ(Bodies(Peek("jobs", "page_size: 100")), expected);
  EXPECT_THAT(Bodies(Peek("jobs", "body_contains: 'message 4321'")), ElementsAre("message 4321"));
  EXPECT_THAT(PeekPage("jobs").messages(), SizeIs(10));
  // The same where most is known as a number only.
  StopServer();
  StartServer();
  EXPECT_EQ(Bodies(Peek("jobs", "page_size: 77")), expected);
}

TEST_F(PeekTest, CutsBodiesAtAWholeCharacterAndSelectsAttributes) {
  CreateQueue("jobs");
  Must(&Stub::SendMessage,
       Proto<v1::SendMessageRequest>(
           "queue { name: 'jobs' } message { body: 'a\xc3\xa9z' message_attributes { key: 'kind' value { "
           "data_type: 'String' string_value: 'new' } } }"));
  for (const auto& [limit, body] : std::vector<std::pair<int, std::string>>{
           {1, "a"}, {2, "a"}, {3, "a\xc3\xa9"}, {4, "a\xc3\xa9z"}, {0, "a\xc3\xa9z"}}) {
    const auto messages = Peek("jobs", absl::StrCat("max_body_bytes: ", limit));
    ASSERT_THAT(messages, SizeIs(1));
    EXPECT_EQ(messages[0].body(), body);
    EXPECT_EQ(messages[0].body_bytes(), 4);
    EXPECT_TRUE(messages[0].message_attributes().empty());
  }
  EXPECT_EQ(
      Peek("jobs", "message_attribute_names: 'All'")[0].message_attributes().at("kind").string_value(),
      "new");
}

TEST_F(PeekTest, LargeBodiesMakePagesShort) {
  CreateQueue("jobs");
  for (int i = 0; i < 10; ++i) Send("jobs", std::string(1'000'000, static_cast<char>('a' + i)));
  EXPECT_LT(PeekPage("jobs").messages_size(), 6);
  const auto messages = Peek("jobs");
  ASSERT_THAT(messages, SizeIs(10));
  EXPECT_EQ(messages[9].body()[0], 'j');
}

TEST_F(PeekTest, WhatHasExpiredIsNotShown) {
  CreateQueue("jobs", "retention { seconds: 60 }");
  Send("jobs", "a");
  EXPECT_THAT(Peek("jobs"), SizeIs(1));
  StopServer();
  pqxx::connection connection(dsn());
  pqxx::work tx(connection);
  for (int shard = 0; shard < 4; ++shard) {
    tx.exec(absl::StrCat("UPDATE shard_000", shard, ".messages_000001 SET sent_at = sent_at - interval '61s'"));
  }
  tx.commit();
  StartServer();
  EXPECT_THAT(Peek("jobs"), IsEmpty());
}

TEST_F(PeekTest, WhatMakesNoSenseIsRefused) {
  CreateQueue("jobs");
  CreateQueue("other");
  SendMany("jobs", 20);
  EXPECT_EQ(Refused("missing", ""), ErrorReason::kQueueDoesNotExist);
  EXPECT_EQ(Refused("jobs", "page_size: 101"), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(Refused("jobs", "page_size: -1"), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(Refused("jobs", "max_body_bytes: -1"), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(Refused("jobs", "min_receive_count: -1"), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(Refused("jobs", "states: MESSAGE_STATE_UNSPECIFIED"), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(Refused("jobs", "page_token: 'nonsense'"), ErrorReason::kPageTokenInvalid);
  const std::string token = PeekPage("jobs").next_page_token();
  ASSERT_FALSE(token.empty());
  EXPECT_EQ(Refused("other", absl::StrCat("page_token: '", token, "'")), ErrorReason::kPageTokenInvalid);
}

}  // namespace
}  // namespace weir::queue
