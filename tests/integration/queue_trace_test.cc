// Where a message was, told from the journal.
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/integration/queue_fixture.h"

namespace weir::queue {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::StartsWith;

class TraceTest : public QueueTest {
 protected:
  static std::string Arn(const std::string& name) {
    return absl::StrCat("arn:aws:sqs:us-east-1:000000000000:", name);
  }
  std::vector<v1::TraceEvent> Trace(const std::string& message_id) {
    v1::TraceMessageRequest request;
    request.set_message_id(message_id);
    const auto response = Must(&Stub::TraceMessage, request);
    return {response.events().begin(), response.events().end()};
  }
  ErrorReason Refused(const std::string& fields) {
    return ReasonOf(Call(&Stub::TraceMessage, Proto<v1::TraceMessageRequest>(fields)).status());
  }
  // "jobs RECEIVED 1" with the receive count, if there is one, and " dead" for the peer.
  static std::vector<std::string> Lines(const std::vector<v1::TraceEvent>& events) {
    const auto name = [](const std::string& arn) { return arn.substr(arn.rfind(':') + 1); };
    std::vector<std::string> lines;
    for (const v1::TraceEvent& event : events) {
      lines.push_back(absl::StrCat(
          name(event.queue_arn()), " ",
          v1::TraceEventKind_Name(event.kind()).substr(sizeof("TRACE_EVENT_KIND_") - 1),
          event.receive_count() > 0 ? absl::StrCat(" ", event.receive_count()) : "",
          event.peer_queue_arn().empty() ? "" : absl::StrCat(" ", name(event.peer_queue_arn()))));
    }
    return lines;
  }
};

TEST_F(TraceTest, TellsWhoReceivedAMessageAndWhatBecameOfIt) {
  CreateQueue("jobs");
  const absl::Time before = absl::Now() - absl::Seconds(1);
  const std::string id = Send("jobs", "a").message_id();
  auto received = Receive("jobs");
  ASSERT_THAT(received, SizeIs(1));
  ASSERT_TRUE(ChangeVisibility("jobs", received[0].receipt_handle(), 600).ok());
  ASSERT_TRUE(ChangeVisibility("jobs", received[0].receipt_handle(), 0).ok());
  received = Receive("jobs");
  ASSERT_THAT(received, SizeIs(1));
  ASSERT_TRUE(Delete("jobs", received[0].receipt_handle()).ok());
  for (const bool restarted : {false, true}) {
    if (restarted) {
      StopServer();
      StartServer();
    }
    const auto events = Trace(id);
    EXPECT_THAT(Lines(events), ElementsAre("jobs SENT", "jobs RECEIVED 1", "jobs VISIBILITY_CHANGED 1",
                                           "jobs RELEASED 1", "jobs RECEIVED 2", "jobs DELETED 2"));
    EXPECT_THAT(events[1].consumer(), StartsWith("127.0.0.1:"));
    EXPECT_TRUE(events[1].has_visible_at());
    EXPECT_FALSE(events[0].has_visible_at());
    for (const v1::TraceEvent& event : events) {
      EXPECT_GE(event.at().seconds(), absl::ToUnixSeconds(before));
      EXPECT_LE(event.at().seconds(), absl::ToUnixSeconds(absl::Now()) + 1);
    }
  }
}

TEST_F(TraceTest, ReceiveThatWaitedIsToldToo) {
  CreateQueue("jobs");
  std::vector<v1::ReceivedMessage> received;
  std::thread consumer([&] { received = Receive("jobs", 1, 20); });
  const std::string id = Send("jobs", "a").message_id();
  consumer.join();
  const auto events = Trace(id);
  ASSERT_THAT(Lines(events), ElementsAre("jobs SENT", "jobs RECEIVED 1"));
  EXPECT_THAT(events[1].consumer(), StartsWith("127.0.0.1:"));
}

TEST_F(TraceTest, EndOfAVisibilityTimeoutIsTold) {
  CreateQueue("jobs", "visibility_timeout { seconds: 1 }");
  const std::string id = Send("jobs", "a").message_id();
  Receive("jobs");
  ASSERT_THAT(Receive("jobs", 1, 20), SizeIs(1));
  EXPECT_THAT(Lines(Trace(id)), ElementsAre("jobs SENT", "jobs RECEIVED 1", "jobs TIMED_OUT 1", "jobs RECEIVED 2"));
}

TEST_F(TraceTest, FollowsAMessageIntoADeadLetterQueueAndBack) {
  // Queues are spread over the shards by their names: some pairs share one, others do not.
  for (const char* suffix : {"a", "b", "c", "d", "e"}) {
    const std::string jobs = absl::StrCat("jobs-", suffix);
    const std::string dead = absl::StrCat("dead-", suffix);
    CreateQueue(dead);
    CreateQueue(jobs, absl::StrCat("redrive_policy { dead_letter_queue_arn: '", Arn(dead), "' max_receive_count: 1 }"));
    const std::string id = Send(jobs, "poison").message_id();
    ASSERT_THAT(ReceiveWith(jobs, "visibility_timeout {}"), SizeIs(1));
    Receive(jobs);
    while (Counts(dead) != "1/0/0") std::this_thread::yield();
    Must(&Stub::StartMessageMoveTask, Proto<v1::StartMessageMoveTaskRequest>(
                                          absl::StrCat("source { name: '", dead, "' }")));
    const auto back = Receive(jobs, 1, 20);
    ASSERT_THAT(back, SizeIs(1));
    ASSERT_TRUE(Delete(jobs, back[0].receipt_handle()).ok());
    // Between shards the source records the move last: that may be after the receive.
    std::vector<std::string> lines;
    do {
      lines = Lines(Trace(id));
    } while (lines.size() < 8);
    EXPECT_THAT(lines, ElementsAre(jobs + " SENT", jobs + " RECEIVED 1", jobs + " MOVED_OUT 1 " + dead,
                                   dead + " MOVED_IN " + jobs, dead + " MOVED_OUT " + jobs, jobs + " MOVED_IN " + dead,
                                   jobs + " RECEIVED 1", jobs + " DELETED 1"));
  }
}

TEST_F(TraceTest, PurgeIsTold) {
  CreateQueue("jobs");
  const std::string id = Send("jobs", "a", 60).message_id();
  Must(&Stub::PurgeQueue, Proto<v1::PurgeQueueRequest>("queue { name: 'jobs' }"));
  const auto events = Trace(id);
  EXPECT_THAT(Lines(events), ElementsAre("jobs SENT", "jobs PURGED"));
  EXPECT_TRUE(events[0].has_visible_at());
}

TEST_F(TraceTest, WhatIsNotKnownIsRefused) {
  CreateQueue("jobs");
  const std::string id = Send("jobs", "a").message_id();
  EXPECT_EQ(Refused("message_id: '0f8fad5b-d9cb-469f-a165-70867728950e'"), ErrorReason::kMessageDoesNotExist);
  EXPECT_EQ(Refused("message_id: 'nonsense'"), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(Refused("message_id: \"0f8fad5b-d9cb-469f-a165-70867728950'\""), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(Refused(""), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(Refused(absl::StrCat("namespace { account: '111111111111' } message_id: '", id, "'")),
            ErrorReason::kMessageDoesNotExist);
  Must(&Stub::DeleteQueue, Proto<v1::DeleteQueueRequest>("queue { name: 'jobs' }"));
  EXPECT_EQ(Refused(absl::StrCat("message_id: '", id, "'")), ErrorReason::kMessageDoesNotExist);
}

}  // namespace
}  // namespace weir::queue
