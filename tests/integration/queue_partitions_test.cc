// Queues that are spread over several partitions, as clients see them: nothing is lost, hidden or doubled, whichever partition has it.
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
using ::testing::UnorderedElementsAreArray;

constexpr char kByGroup[] =
    "fifo_queue: true deduplication_scope: DEDUPLICATION_SCOPE_MESSAGE_GROUP"
    " fifo_throughput_limit: FIFO_THROUGHPUT_LIMIT_PER_MESSAGE_GROUP_ID ";

class PartitionsTest : public QueueTest {
 protected:
  std::vector<std::string> SendNumbered(const std::string& queue, int count, const std::string& prefix = "m") {
    std::vector<std::string> bodies;
    for (int i = 0; i < count; ++i) Send(queue, bodies.emplace_back(absl::StrCat(prefix, i)));
    return bodies;
  }
  // Until nothing comes.
  std::vector<v1::ReceivedMessage> ReceiveAll(const std::string& queue) {
    std::vector<v1::ReceivedMessage> all;
    while (true) {
      const auto some = Receive(queue);
      if (some.empty()) return all;
      all.insert(all.end(), some.begin(), some.end());
    }
  }
  absl::StatusOr<v1::UpdateQueueResponse> Update(const std::string& queue, const std::string& attributes) {
    return Call(&Stub::UpdateQueue,
                Proto<v1::UpdateQueueRequest>(
                    absl::StrCat("queue { name: '", queue, "' } attributes { ", attributes, " }")));
  }
  v1::SentMessage SendTo(const std::string& queue, const std::string& group, const std::string& body,
                         const std::string& id = "") {
    v1::SendMessageRequest request;
    request.mutable_queue()->set_name(queue);
    request.mutable_message()->set_body(body);
    request.mutable_message()->set_message_group_id(group);
    request.mutable_message()->set_message_deduplication_id(id);
    return Must(&Stub::SendMessage, request).message();
  }
};

// ---- Queues ------------------------------------------------------------------------------------------------------------

TEST_F(PartitionsTest, AreAnAttributeOfTheQueue) {
  EXPECT_EQ(CreateQueue("jobs", "partitions: 4").attributes().partitions(), 4);
  EXPECT_EQ(GetQueue("jobs").attributes().partitions(), 4);
  const auto again = [&](int partitions) {
    return Call(&Stub::CreateQueue,
                Proto<v1::CreateQueueRequest>(absl::StrCat("queue { name: 'jobs' } attributes { partitions: ",
                                                           partitions, " }")))
        .status();
  };
  EXPECT_TRUE(again(4).ok());
  const absl::Status fewer = again(2);
  EXPECT_EQ(ReasonOf(fewer), ErrorReason::kQueueAlreadyExists) << fewer;
  EXPECT_THAT(std::string(fewer.message()), HasSubstr("attribute partitions"));
}

TEST_F(PartitionsTest, CanBeRaisedAndNotLowered) {
  CreateQueue("jobs", "partitions: 2");
  ASSERT_TRUE(Update("jobs", "partitions: 5").ok());
  EXPECT_EQ(GetQueue("jobs").attributes().partitions(), 5);
  const absl::Status fewer = Update("jobs", "partitions: 4").status();
  EXPECT_EQ(ReasonOf(fewer), ErrorReason::kInvalidAttributeValue);
  EXPECT_THAT(std::string(fewer.message()), HasSubstr("there may be messages in each of them"));
  EXPECT_EQ(GetQueue("jobs").attributes().partitions(), 5);
}

TEST_F(PartitionsTest, GrowthKeepsWhatIsThere) {
  CreateQueue("jobs");
  auto sent = SendNumbered("jobs", 20);
  const auto taken = Receive("jobs", 3);
  ASSERT_TRUE(Update("jobs", "partitions: 4").ok());
  const auto more = SendNumbered("jobs", 20, "n");
  sent.insert(sent.end(), more.begin(), more.end());
  EXPECT_EQ(Counts("jobs"), "37/3/0");
  // A handle of before is good still.
  for (const auto& message : taken) EXPECT_TRUE(Delete("jobs", message.receipt_handle()).ok());
  auto all = BodiesOf(ReceiveAll("jobs"));
  for (const std::string& body : BodiesOf(taken)) all.push_back(body);
  EXPECT_THAT(all, UnorderedElementsAreArray(sent));
  StopServer();
  StartServer();
  EXPECT_EQ(Counts("jobs"), "0/37/0");
}

TEST_F(PartitionsTest, DeletedQueueIsGoneWithAllItsMessages) {
  CreateQueue("jobs", "partitions: 4");
  SendNumbered("jobs", 12);
  Must(&Stub::DeleteQueue, Proto<v1::DeleteQueueRequest>("queue { name: 'jobs' }"));
  CreateQueue("jobs", "partitions: 4");
  EXPECT_EQ(Counts("jobs"), "0/0/0");
  EXPECT_THAT(Receive("jobs"), IsEmpty());
}

// ---- Messages ----------------------------------------------------------------------------------------------------------

TEST_F(PartitionsTest, EveryMessageComesOnceAndCanBeDeleted) {
  CreateQueue("jobs", "partitions: 4");
  const auto sent = SendNumbered("jobs", 40);
  EXPECT_EQ(Counts("jobs"), "40/0/0");
  const auto received = ReceiveAll("jobs");
  EXPECT_THAT(BodiesOf(received), UnorderedElementsAreArray(sent));
  for (const auto& message : received) ASSERT_TRUE(Delete("jobs", message.receipt_handle()).ok());
  EXPECT_EQ(Counts("jobs"), "0/0/0");
}

TEST_F(PartitionsTest, BatchesOfReceiptsFromAllPartitionsAreAnsweredOneByOne) {
  CreateQueue("jobs", "partitions: 4");
  SendNumbered("jobs", 8);
  const auto received = ReceiveAll("jobs");
  ASSERT_THAT(received, SizeIs(8));

  v1::ChangeMessageVisibilityBatchRequest change;
  change.mutable_queue()->set_name("jobs");
  v1::DeleteMessageBatchRequest batch;
  batch.mutable_queue()->set_name("jobs");
  for (int i = 0; i < 8; ++i) {
    auto& entry = *change.add_entries();
    entry.set_id(absl::StrCat("e", i));
    entry.set_receipt_handle(received[static_cast<size_t>(i)].receipt_handle());
    entry.mutable_visibility_timeout()->set_seconds(i < 4 ? 0 : 100);
    if (i < 4) continue;
    auto& deleted = *batch.add_entries();
    deleted.set_id(entry.id());
    deleted.set_receipt_handle(entry.receipt_handle());
  }
  const auto changed = Must(&Stub::ChangeMessageVisibilityBatch, change);
  EXPECT_EQ(changed.successful_size(), 8);
  for (int i = 0; i < changed.successful_size(); ++i) {
    EXPECT_EQ(changed.successful(i).id(), absl::StrCat("e", i)) << "in the order of the request";
  }
  EXPECT_EQ(Counts("jobs"), "4/4/0");

  auto& garbage = *batch.add_entries();
  garbage.set_id("garbage");
  garbage.set_receipt_handle("no handle");
  const auto deleted = Must(&Stub::DeleteMessageBatch, batch);
  EXPECT_EQ(deleted.successful_size(), 4);
  ASSERT_EQ(deleted.failed_size(), 1);
  EXPECT_EQ(deleted.failed(0).id(), "garbage");
  EXPECT_EQ(Counts("jobs"), "4/0/0");
}

TEST_F(PartitionsTest, BatchIsStoredWholeAndInOrder) {
  CreateQueue("jobs", "partitions: 4");
  for (int batch = 0; batch < 4; ++batch) {
    v1::SendMessageBatchRequest request;
    request.mutable_queue()->set_name("jobs");
    for (int i = 0; i < 5; ++i) {
      auto& entry = *request.add_entries();
      entry.set_id(absl::StrCat("e", i));
      entry.mutable_message()->set_body(absl::StrCat(batch, ".", i));
    }
    ASSERT_EQ(Must(&Stub::SendMessageBatch, request).successful_size(), 5);
  }
  for (int i = 0; i < 4; ++i) {
    const auto bodies = BodiesOf(Receive("jobs", 10));
    ASSERT_THAT(bodies, SizeIs(5)) << "each batch in a partition of its own";
    for (int k = 0; k < 5; ++k) EXPECT_EQ(bodies[static_cast<size_t>(k)], absl::StrCat(bodies[0].substr(0, 1), ".", k));
  }
}

TEST_F(PartitionsTest, LongPollIsWokenByWhateverPartitionGetsAMessage) {
  CreateQueue("jobs", "partitions: 3");
  for (int i = 0; i < 6; ++i) {
    auto waiting = std::async(std::launch::async, [&] { return Receive("jobs", 1, /*wait_s=*/20); });
    Send("jobs", absl::StrCat("m", i));
    const auto received = waiting.get();
    ASSERT_THAT(BodiesOf(received), ElementsAre(absl::StrCat("m", i)));
    ASSERT_TRUE(Delete("jobs", received[0].receipt_handle()).ok());
  }
}

TEST_F(PartitionsTest, PurgeEmptiesAllOfThem) {
  CreateQueue("jobs", "partitions: 4");
  SendNumbered("jobs", 12);
  EXPECT_EQ(Must(&Stub::PurgeQueue, Proto<v1::PurgeQueueRequest>("queue { name: 'jobs' }")).removed_messages(), 12);
  EXPECT_EQ(Counts("jobs"), "0/0/0");
}

TEST_F(PartitionsTest, PeekShowsAllInPages) {
  CreateQueue("jobs", "partitions: 4");
  const auto sent = SendNumbered("jobs", 20);
  std::vector<std::string> seen;
  std::string token;
  do {
    auto request = Proto<v1::PeekMessagesRequest>("queue { name: 'jobs' } page_size: 3");
    request.set_page_token(token);
    const auto page = Must(&Stub::PeekMessages, request);
    for (const auto& message : page.messages()) seen.push_back(message.body());
    token = page.next_page_token();
  } while (!token.empty());
  EXPECT_THAT(seen, UnorderedElementsAreArray(sent));
}

TEST_F(PartitionsTest, GroupsAreThoseOfAllPartitionsPutTogether) {
  CreateQueue("jobs", "partitions: 3");
  std::map<std::string, int> sent;
  for (int i = 0; i < 40; ++i) {
    const std::string group = absl::StrCat("tenant-", i % 7);
    SendTo("jobs", group, absl::StrCat(i));
    ++sent[group];
  }
  std::map<std::string, int> listed;
  std::vector<std::string> order;
  std::string token;
  do {
    auto request = Proto<v1::ListMessageGroupsRequest>("queue { name: 'jobs' } page_size: 2");
    request.set_page_token(token);
    const auto page = Must(&Stub::ListMessageGroups, request);
    for (const auto& group : page.groups()) {
      order.push_back(group.message_group_id());
      listed[group.message_group_id()] += static_cast<int>(group.ready());
    }
    token = page.next_page_token();
  } while (!token.empty());
  EXPECT_EQ(listed, sent);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_THAT(order, SizeIs(7)) << "each once";
}

TEST_F(PartitionsTest, TraceFindsAMessageWherever) {
  CreateQueue("jobs", "partitions: 4");
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(Send("jobs", absl::StrCat(i)).message_id());
  for (const std::string& id : ids) {
    v1::TraceMessageRequest request;
    request.set_message_id(id);
    EXPECT_THAT(Must(&Stub::TraceMessage, request).events(), SizeIs(1));
  }
}

TEST_F(PartitionsTest, DeadLettersComeFromAllAndGoToTheQueueThatHasGrownMeanwhile) {
  const v1::Queue dead = CreateQueue("dead", "partitions: 2");
  CreateQueue("jobs", absl::StrCat("partitions: 3 visibility_timeout {} redrive_policy { dead_letter_queue_arn: '",
                                   dead.arn(), "' max_receive_count: 1 }"));
  const auto sent = SendNumbered("jobs", 9);
  ASSERT_TRUE(Update("dead", "partitions: 6").ok());
  const absl::Time give_up = absl::Now() + absl::Seconds(30);
  while (Counts("dead") != "9/0/0" && absl::Now() < give_up) Receive("jobs");
  EXPECT_THAT(BodiesOf(ReceiveAll("dead")), UnorderedElementsAreArray(sent));
  EXPECT_EQ(Counts("jobs"), "0/0/0");
}

TEST_F(PartitionsTest, MoveTaskEmptiesAllPartitions) {
  const v1::Queue dead = CreateQueue("dead", "partitions: 5");
  CreateQueue("jobs", absl::StrCat("redrive_policy { dead_letter_queue_arn: '", dead.arn(), "' max_receive_count: 1 }"));
  const v1::Queue fixed = CreateQueue("fixed", "partitions: 2");
  const auto sent = SendNumbered("dead", 20);
  Must(&Stub::StartMessageMoveTask, Proto<v1::StartMessageMoveTaskRequest>(absl::StrCat(
                                        "source { name: 'dead' } destination_arn: '", fixed.arn(), "'")));
  v1::MessageMoveTask task;
  do {
    task = Must(&Stub::ListMessageMoveTasks, Proto<v1::ListMessageMoveTasksRequest>("source { name: 'dead' }")).tasks(0);
  } while (task.status() == v1::MESSAGE_MOVE_TASK_STATUS_RUNNING);
  EXPECT_EQ(task.status(), v1::MESSAGE_MOVE_TASK_STATUS_COMPLETED);
  EXPECT_EQ(task.messages_moved(), 20);
  EXPECT_EQ(task.messages_to_move(), 20);
  EXPECT_EQ(Counts("dead"), "0/0/0");
  EXPECT_THAT(BodiesOf(ReceiveAll("fixed")), UnorderedElementsAreArray(sent));
}

// ---- FIFO --------------------------------------------------------------------------------------------------------------

TEST_F(PartitionsTest, FifoQueueIsSpreadInHighThroughputModeOnlyAndForGood) {
  const auto create = [&](const std::string& attributes) {
    return Call(&Stub::CreateQueue, Proto<v1::CreateQueueRequest>(absl::StrCat(
                                        "queue { name: 'jobs.fifo' } attributes { ", attributes, " }")))
        .status();
  };
  const absl::Status refused = create("fifo_queue: true partitions: 4");
  EXPECT_EQ(ReasonOf(refused), ErrorReason::kInvalidAttributeValue);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("PER_MESSAGE_GROUP_ID"));
  ASSERT_TRUE(create(absl::StrCat(kByGroup, "partitions: 4")).ok());
  for (const std::string change :
       {"partitions: 8", "partitions: 1", "fifo_throughput_limit: FIFO_THROUGHPUT_LIMIT_PER_QUEUE",
        "deduplication_scope: DEDUPLICATION_SCOPE_QUEUE"}) {
    EXPECT_EQ(ReasonOf(Update("jobs.fifo", change).status()), ErrorReason::kInvalidAttributeValue) << change;
  }
}

TEST_F(PartitionsTest, GroupsKeepTheirOrderAndTheirMemory) {
  CreateQueue("jobs.fifo", absl::StrCat(kByGroup, "partitions: 4"));
  std::map<std::string, std::string> last;  // sequence number, by group
  for (int i = 0; i < 6; ++i) {
    for (const std::string group : {"a", "b", "c", "d", "e"}) {
      const std::string id = absl::StrCat(group, i);
      const auto sent = SendTo("jobs.fifo", group, id, id);
      EXPECT_GT(sent.sequence_number(), last[group]);
      last[group] = sent.sequence_number();
      // The same id in the same group.
      EXPECT_EQ(SendTo("jobs.fifo", group, "again", id).message_id(), sent.message_id());
    }
  }
  EXPECT_EQ(Counts("jobs.fifo"), "30/0/0");
  std::map<std::string, int> next;
  for (int received = 0; received < 30;) {
    for (const auto& message : Receive("jobs.fifo", 3)) {
      const std::string& group = message.message_group_id();
      EXPECT_EQ(message.body(), absl::StrCat(group, next[group]++));
      ASSERT_TRUE(Delete("jobs.fifo", message.receipt_handle()).ok());
      ++received;
    }
  }
}

TEST_F(PartitionsTest, BatchOfManyGroupsIsDividedAndAnsweredInOrder) {
  CreateQueue("jobs.fifo", absl::StrCat(kByGroup, "partitions: 4"));
  v1::SendMessageBatchRequest request;
  request.mutable_queue()->set_name("jobs.fifo");
  for (int i = 0; i < 10; ++i) {
    auto& entry = *request.add_entries();
    entry.set_id(absl::StrCat("e", i));
    entry.mutable_message()->set_body(absl::StrCat(i));
    entry.mutable_message()->set_message_group_id(absl::StrCat("g", i / 2));
    entry.mutable_message()->set_message_deduplication_id(absl::StrCat(i));
  }
  const auto sent = Must(&Stub::SendMessageBatch, request);
  ASSERT_EQ(sent.successful_size(), 10);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(sent.successful(i).id(), absl::StrCat("e", i));
    EXPECT_THAT(sent.successful(i).message().sequence_number(), SizeIs(20));
    if (i % 2 == 1) {
      EXPECT_GT(sent.successful(i).message().sequence_number(), sent.successful(i - 1).message().sequence_number());
    }
  }
  // Every answer is about its own message.
  std::map<std::string, std::string> sequence_of;
  for (const auto& message : ReceiveAll("jobs.fifo")) sequence_of[message.message_id()] = message.sequence_number();
  for (const auto& result : sent.successful()) {
    EXPECT_EQ(sequence_of[result.message().message_id()], result.message().sequence_number());
  }
}

TEST_F(PartitionsTest, RepeatedAttemptGetsTheSameWhateverElseCouldBeReceived) {
  CreateQueue("jobs.fifo", absl::StrCat(kByGroup, "partitions: 4"));
  for (const std::string group : {"a", "b", "c", "d", "e", "f"}) SendTo("jobs.fifo", group, group, group);
  for (int i = 0; i < 4; ++i) {
    const std::string attempt = absl::StrCat("max_messages: 1 receive_request_attempt_id: 'a", i, "'");
    const auto first = ReceiveWith("jobs.fifo", attempt);
    ASSERT_THAT(first, SizeIs(1));
    // The partitions are asked from another one on each time.
    for (int k = 0; k < 4; ++k) {
      const auto again = ReceiveWith("jobs.fifo", attempt);
      ASSERT_THAT(again, SizeIs(1));
      EXPECT_EQ(again[0].receipt_handle(), first[0].receipt_handle());
    }
  }
  EXPECT_EQ(Counts("jobs.fifo"), "2/4/0");
}

}  // namespace
}  // namespace weir::queue
