// Dead-letter queues, and the way back. Queues are spread over the shards by their names, so pairs of several names make sure that
// moves within a shard and between shards are both tried.
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/queue_fixture.h"
#include "weir/internal/token/v1/move_task_handle.pb.h"

namespace weir::queue {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DeadLetterTest : public QueueTest {
 protected:
  static std::string Arn(const std::string& name) {
    return absl::StrCat("arn:aws:sqs:us-east-1:000000000000:", name);
  }
  static std::string Policy(const std::string& target, int max_receive_count) {
    return absl::StrCat("redrive_policy { dead_letter_queue_arn: '", Arn(target),
                        "' max_receive_count: ", max_receive_count, " }");
  }
  // Of one message: received as often as allowed, and once more.
  void Exhaust(const std::string& queue, int max_receive_count) {
    for (int i = 0; i < max_receive_count; ++i) {
      ASSERT_THAT(ReceiveWith(queue, "visibility_timeout {}"), SizeIs(1));
    }
    ASSERT_THAT(Receive(queue), IsEmpty());
  }
  absl::StatusOr<std::string> StartMove(const std::string& source, const std::string& more = "") {
    auto response = Call(&Stub::StartMessageMoveTask,
                         Proto<v1::StartMessageMoveTaskRequest>(
                             absl::StrCat("source { name: '", source, "' } ", more)));
    if (!response.ok()) return response.status();
    return response->task_handle();
  }
  // The newest.
  v1::MessageMoveTask Task(const std::string& source) {
    const auto response =
        Must(&Stub::ListMessageMoveTasks,
             Proto<v1::ListMessageMoveTasksRequest>(absl::StrCat("source { name: '", source, "' }")));
    WEIR_CHECK(response.tasks_size() == 1);
    return response.tasks(0);
  }
  v1::MessageMoveTask AwaitEnd(const std::string& source) {
    while (true) {
      const v1::MessageMoveTask task = Task(source);
      if (task.has_ended_at()) return task;
    }
  }
};

TEST_F(DeadLetterTest, MessageGoesThereAtTheReceiveThatWouldBeOneTooMany) {
  for (int pair = 0; pair < 6; ++pair) {
    const std::string source = absl::StrCat("source-", pair);
    const std::string target = absl::StrCat("target-", pair);
    CreateQueue(target);
    CreateQueue(source, Policy(target, 2));
    const auto sent = Send(source, "poison");
    Exhaust(source, 2);
    const auto received = Receive(target, 1, /*wait_s=*/20);
    ASSERT_THAT(received, SizeIs(1));
    EXPECT_EQ(received[0].message_id(), sent.message_id());
    EXPECT_EQ(received[0].body(), "poison");
    EXPECT_EQ(received[0].receive_count(), 3) << "the count runs on";
    EXPECT_EQ(received[0].dead_letter_queue_source_arn(), Arn(source));
    EXPECT_EQ(Counts(source), "0/0/0");
    EXPECT_EQ(Counts(target), "0/1/0");
  }
}

TEST_F(DeadLetterTest, OtherMessagesAreReceivedMeanwhile) {
  CreateQueue("target");
  CreateQueue("source", Policy("target", 1));
  Send("source", "poison");
  ASSERT_THAT(ReceiveWith("source", "visibility_timeout {}"), SizeIs(1));
  Send("source", "good");
  EXPECT_THAT(BodiesOf(Receive("source")), ElementsAre("good"));
  EXPECT_THAT(BodiesOf(Receive("target", 1, 20)), ElementsAre("poison"));
}

TEST_F(DeadLetterTest, ChainMovesOneHopAReceive) {
  CreateQueue("third");
  CreateQueue("second", Policy("third", 1));
  CreateQueue("first", Policy("second", 1));
  Send("first", "poison");
  Exhaust("first", 1);
  EXPECT_THAT(Receive("second", 1, /*wait_s=*/1), IsEmpty());
  const auto received = Receive("third", 1, /*wait_s=*/20);
  ASSERT_THAT(received, SizeIs(1));
  EXPECT_EQ(received[0].receive_count(), 2);
  EXPECT_EQ(Counts("first"), "0/0/0");
  EXPECT_EQ(Counts("second"), "0/0/0");
}

TEST_F(DeadLetterTest, PolicyNeedsATargetThatExistsAndIsAnotherQueue) {
  const auto create = [&](const std::string& attributes) {
    return ReasonOf(Call(&Stub::CreateQueue, Proto<v1::CreateQueueRequest>(absl::StrCat(
                                                 "queue { name: 'source' } attributes { ", attributes, " }")))
                        .status());
  };
  EXPECT_EQ(create(Policy("nowhere", 1)), ErrorReason::kDeadLetterTargetInvalid);
  EXPECT_EQ(create(Policy("source", 1)), ErrorReason::kDeadLetterTargetInvalid);
  EXPECT_EQ(create("redrive_policy { dead_letter_queue_arn: 'arn:aws:sqs:eu-west-1:000000000000:q' max_receive_count: 1 }"),
            ErrorReason::kDeadLetterTargetInvalid);
}

TEST_F(DeadLetterTest, PolicyMayNotLeadBackToItsQueue) {
  CreateQueue("c");
  CreateQueue("b", Policy("c", 1));
  CreateQueue("a", Policy("b", 1));
  const absl::Status closed =
      Call(&Stub::UpdateQueue, Proto<v1::UpdateQueueRequest>(absl::StrCat(
                                   "queue { name: 'c' } attributes { ", Policy("a", 1), " }")))
          .status();
  EXPECT_EQ(ReasonOf(closed), ErrorReason::kInvalidParameterValue);
  EXPECT_THAT(std::string(closed.message()),
              ::testing::HasSubstr(absl::StrCat(Arn("c"), " -> ", Arn("a"), " -> ", Arn("b"), " -> ", Arn("c"))));
  EXPECT_FALSE(GetQueue("c").attributes().has_redrive_policy());
}

TEST_F(DeadLetterTest, AllowPolicySaysWhoMay) {
  CreateQueue("closed", "redrive_allow_policy { redrive_permission: REDRIVE_PERMISSION_DENY_ALL }");
  CreateQueue("choosy", absl::StrCat("redrive_allow_policy { redrive_permission: REDRIVE_PERMISSION_BY_QUEUE",
                                     " source_queue_arns: '", Arn("friend"), "' }"));
  const auto create = [&](const std::string& name, const std::string& target) {
    return Call(&Stub::CreateQueue,
                Proto<v1::CreateQueueRequest>(absl::StrCat("queue { name: '", name, "' } attributes { ",
                                                           Policy(target, 1), " }")))
        .status();
  };
  EXPECT_EQ(ReasonOf(create("friend", "closed")), ErrorReason::kRedriveNotAllowed);
  EXPECT_EQ(ReasonOf(create("stranger", "choosy")), ErrorReason::kRedriveNotAllowed);
  EXPECT_TRUE(create("friend", "choosy").ok());
}

TEST_F(DeadLetterTest, PolicyThatIsRemovedMovesNoMore) {
  CreateQueue("target");
  CreateQueue("source", Policy("target", 1));
  Send("source", "x");
  ASSERT_THAT(ReceiveWith("source", "visibility_timeout {}"), SizeIs(1));
  Must(&Stub::UpdateQueue,
       Proto<v1::UpdateQueueRequest>("queue { name: 'source' } attributes { redrive_policy {} }"));
  EXPECT_FALSE(GetQueue("source").attributes().has_redrive_policy());
  EXPECT_EQ(Receive("source")[0].receive_count(), 2);
}

TEST_F(DeadLetterTest, TargetThatIsDeletedKeepsMessagesWhereTheyAre) {
  CreateQueue("target");
  CreateQueue("source", Policy("target", 1));
  Send("source", "x");
  ASSERT_THAT(ReceiveWith("source", "visibility_timeout {}"), SizeIs(1));
  Must(&Stub::DeleteQueue, Proto<v1::DeleteQueueRequest>("queue { name: 'target' }"));
  EXPECT_EQ(ReceiveWith("source", "visibility_timeout {}")[0].receive_count(), 2);
  CreateQueue("target");
  EXPECT_THAT(Receive("source"), IsEmpty()) << "it is back, so the policy holds again";
  EXPECT_THAT(Receive("target", 1, 20), SizeIs(1));
}

TEST_F(DeadLetterTest, SourcesAreListedInPages) {
  CreateQueue("target");
  for (const char* name : {"a", "b", "c"}) CreateQueue(name, Policy("target", 1));
  auto request = Proto<v1::ListDeadLetterSourceQueuesRequest>("queue { name: 'target' } page_size: 2");
  const auto first = Must(&Stub::ListDeadLetterSourceQueues, request);
  ASSERT_EQ(first.queues_size(), 2);
  EXPECT_EQ(first.queues(0).name(), "a");
  request.set_page_token(first.next_page_token());
  const auto second = Must(&Stub::ListDeadLetterSourceQueues, request);
  ASSERT_EQ(second.queues_size(), 1);
  EXPECT_EQ(second.queues(0).name(), "c");
  EXPECT_EQ(second.next_page_token(), "");
}

TEST_F(DeadLetterTest, MoveTaskBringsMessagesBackToWhereTheyCameFrom) {
  CreateQueue("target");
  CreateQueue("one", Policy("target", 1));
  CreateQueue("two", Policy("target", 1));
  for (const char* source : {"one", "two"}) {
    for (int i = 0; i < 3; ++i) Send(source, source);
    ASSERT_THAT(ReceiveWith(source, "max_messages: 10 visibility_timeout {}"), SizeIs(3));
    ASSERT_THAT(Receive(source), IsEmpty());
  }
  while (Counts("target") != "6/0/0") {
  }
  const auto handle = StartMove("target");
  ASSERT_TRUE(handle.ok()) << handle.status();
  const v1::MessageMoveTask task = AwaitEnd("target");
  EXPECT_EQ(task.status(), v1::MESSAGE_MOVE_TASK_STATUS_COMPLETED) << task.ShortDebugString();
  EXPECT_EQ(task.task_handle(), *handle);
  EXPECT_EQ(task.messages_moved(), 6);
  EXPECT_EQ(task.messages_to_move(), 6);
  EXPECT_EQ(Counts("target"), "0/0/0");
  for (const char* source : {"one", "two"}) {
    const auto received = Receive(source);
    EXPECT_THAT(BodiesOf(received), ElementsAre(source, source, source));
    EXPECT_EQ(received[0].receive_count(), 1) << "it counts as new";
    EXPECT_EQ(received[0].dead_letter_queue_source_arn(), "");
  }
  v1::CancelMessageMoveTaskRequest cancel;
  cancel.set_task_handle(*handle);
  EXPECT_EQ(ReasonOf(Call(&Stub::CancelMessageMoveTask, cancel).status()), ErrorReason::kMoveTaskNotRunning);
}

TEST_F(DeadLetterTest, MoveTaskToADestinationAndItsCancellation) {
  CreateQueue("target");
  CreateQueue("elsewhere");
  CreateQueue("source", Policy("target", 1));
  for (int i = 0; i < 20; ++i) Send("target", absl::StrCat(i));
  const auto handle = StartMove("target", absl::StrCat("destination_arn: '", Arn("elsewhere"),
                                                       "' max_messages_per_second: 1"));
  ASSERT_TRUE(handle.ok()) << handle.status();
  EXPECT_EQ(ReasonOf(StartMove("target").status()), ErrorReason::kMoveTaskAlreadyRunning);
  EXPECT_THAT(Receive("elsewhere", 1, /*wait_s=*/20), SizeIs(1));
  v1::CancelMessageMoveTaskRequest cancel;
  cancel.set_task_handle(*handle);
  Must(&Stub::CancelMessageMoveTask, cancel);
  const v1::MessageMoveTask task = AwaitEnd("target");
  EXPECT_EQ(task.status(), v1::MESSAGE_MOVE_TASK_STATUS_CANCELLED);
  EXPECT_GE(task.messages_moved(), 1);
  EXPECT_LT(task.messages_moved(), 20);
  EXPECT_EQ(GetQueue("target").stats().ready() + GetQueue("elsewhere").stats().ready() +
                GetQueue("elsewhere").stats().in_flight(), 20);
}

TEST_F(DeadLetterTest, AMoveTaskIsItsAccountsOwn) {
  CreateQueue("target");
  CreateQueue("source", Policy("target", 1));
  for (int i = 0; i < 20; ++i) Send("target", absl::StrCat(i));
  const auto handle = StartMove("target", absl::StrCat("destination_arn: '", Arn("source"), "' max_messages_per_second: 1"));
  ASSERT_TRUE(handle.ok()) << handle.status();
  v1::CancelMessageMoveTaskRequest cancel;
  cancel.set_task_handle(*handle);
  cancel.set_account("111122223333");
  EXPECT_EQ(ReasonOf(Call(&Stub::CancelMessageMoveTask, cancel).status()), ErrorReason::kMoveTaskDoesNotExist);
  // Nor does it help to write a queue of one's own into the handle.
  v1::CreateQueueRequest own;
  own.mutable_queue()->mutable_namespace_()->set_account("111122223333");
  own.mutable_queue()->mutable_namespace_()->set_region("us-east-1");
  own.mutable_queue()->set_name("target");
  Must(&Stub::CreateQueue, own);
  internal::token::v1::MoveTaskHandle token;
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(*handle, &bytes) && token.ParseFromString(bytes));
  token.set_source_arn("arn:aws:sqs:us-east-1:111122223333:target");
  cancel.set_task_handle(absl::WebSafeBase64Escape(token.SerializeAsString()));
  EXPECT_EQ(ReasonOf(Call(&Stub::CancelMessageMoveTask, cancel).status()), ErrorReason::kMoveTaskDoesNotExist);
  EXPECT_EQ(Task("target").status(), v1::MESSAGE_MOVE_TASK_STATUS_RUNNING);
  cancel.set_task_handle(*handle);
  cancel.set_account("000000000000");
  Must(&Stub::CancelMessageMoveTask, cancel);
}

TEST_F(DeadLetterTest, MoveTaskGoesOnAfterARestartAndMovesEachMessageOnce) {
  constexpr int kMessages = 40;
  CreateQueue("target");
  CreateQueue("elsewhere");
  CreateQueue("source", Policy("target", 1));
  std::vector<std::string> sent;
  for (int i = 0; i < kMessages; ++i) sent.push_back(Send("target", absl::StrCat(i)).message_id());
  const auto handle = StartMove("target", absl::StrCat("destination_arn: '", Arn("elsewhere"),
                                                       "' max_messages_per_second: 20"));
  ASSERT_TRUE(handle.ok()) << handle.status();
  while (Counts("elsewhere") == "0/0/0") {
  }
  StopServer();
  StartServer();
  EXPECT_EQ(ReasonOf(StartMove("target").status()), ErrorReason::kMoveTaskAlreadyRunning);
  const v1::MessageMoveTask running = Task("target");
  EXPECT_EQ(running.task_handle(), *handle);
  EXPECT_EQ(running.status(), v1::MESSAGE_MOVE_TASK_STATUS_RUNNING);
  EXPECT_EQ(running.destination_arn(), Arn("elsewhere"));
  EXPECT_EQ(running.max_messages_per_second(), 20);
  EXPECT_GE(running.messages_moved(), 1);
  const v1::MessageMoveTask ended = AwaitEnd("target");
  EXPECT_EQ(ended.status(), v1::MESSAGE_MOVE_TASK_STATUS_COMPLETED) << ended.ShortDebugString();
  EXPECT_EQ(ended.messages_moved(), kMessages);
  EXPECT_EQ(ended.messages_to_move(), kMessages);
  EXPECT_EQ(ended.started_at().seconds(), running.started_at().seconds());
  EXPECT_EQ(Counts("target"), "0/0/0");
  EXPECT_EQ(Counts("elsewhere"), absl::StrCat(kMessages, "/0/0"));
  std::vector<std::string> found;
  while (found.size() < sent.size()) {
    for (const v1::ReceivedMessage& message : Receive("elsewhere", 10, /*wait_s=*/20)) {
      found.push_back(message.message_id());
    }
  }
  EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(sent));
}

TEST_F(DeadLetterTest, MoveTaskIsCancelledAfterARestart) {
  CreateQueue("target");
  CreateQueue("elsewhere");
  CreateQueue("source", Policy("target", 1));
  for (int i = 0; i < 20; ++i) Send("target", absl::StrCat(i));
  const auto handle = StartMove("target", absl::StrCat("destination_arn: '", Arn("elsewhere"),
                                                       "' max_messages_per_second: 1"));
  ASSERT_TRUE(handle.ok()) << handle.status();
  StopServer();
  StartServer();
  v1::CancelMessageMoveTaskRequest cancel;
  cancel.set_task_handle(*handle);
  Must(&Stub::CancelMessageMoveTask, cancel);
  const v1::MessageMoveTask ended = AwaitEnd("target");
  EXPECT_EQ(ended.status(), v1::MESSAGE_MOVE_TASK_STATUS_CANCELLED);
  EXPECT_EQ(GetQueue("elsewhere").stats().ready(), ended.messages_moved());
  EXPECT_EQ(GetQueue("target").stats().ready(), 20 - ended.messages_moved());
  StopServer();
  StartServer();
  EXPECT_EQ(Task("target").status(), v1::MESSAGE_MOVE_TASK_STATUS_CANCELLED);
  EXPECT_EQ(ReasonOf(Call(&Stub::CancelMessageMoveTask, cancel).status()), ErrorReason::kMoveTaskNotRunning);
}

TEST_F(DeadLetterTest, MoveTaskFailsWhenItsDestinationIsDeleted) {
  CreateQueue("target");
  CreateQueue("elsewhere");
  CreateQueue("source", Policy("target", 1));
  for (int i = 0; i < 20; ++i) Send("target", absl::StrCat(i));
  ASSERT_TRUE(StartMove("target", absl::StrCat("destination_arn: '", Arn("elsewhere"),
                                               "' max_messages_per_second: 2")).ok());
  Must(&Stub::DeleteQueue, Proto<v1::DeleteQueueRequest>("queue { name: 'elsewhere' }"));
  const v1::MessageMoveTask ended = AwaitEnd("target");
  EXPECT_EQ(ended.status(), v1::MESSAGE_MOVE_TASK_STATUS_FAILED);
  EXPECT_EQ(ended.failure_reason(), common::v1::ERROR_REASON_QUEUE_DOES_NOT_EXIST);
  EXPECT_THAT(ended.failure_message(), ::testing::HasSubstr(Arn("elsewhere")));
}

TEST_F(DeadLetterTest, MoveTaskNeedsADeadLetterQueueAndADestination) {
  CreateQueue("plain");
  CreateQueue("target");
  CreateQueue("source", Policy("target", 1));
  EXPECT_EQ(ReasonOf(StartMove("plain").status()), ErrorReason::kQueueNotDeadLetterTarget);
  EXPECT_EQ(ReasonOf(StartMove("nowhere").status()), ErrorReason::kQueueDoesNotExist);
  EXPECT_EQ(ReasonOf(StartMove("target", absl::StrCat("destination_arn: '", Arn("nowhere"), "'")).status()),
            ErrorReason::kResourceNotFound);
  EXPECT_EQ(ReasonOf(StartMove("target", absl::StrCat("destination_arn: '", Arn("target"), "'")).status()),
            ErrorReason::kInvalidParameterValue);
}

}  // namespace
}  // namespace weir::queue
