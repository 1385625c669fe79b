// Event source mappings: from a queue to a function, over restarts and outages.
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/queue/service.h"
#include "tests/integration/runner_fixture.h"

namespace weir::runner {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kPrintBodies[] = R"(
def handler(event, context):
    for record in event["Records"]:
        print(record["body"])
)";

TEST_F(RunnerTest, MappedMessageIsProcessedAndDeleted) {
  CreateQueue("jobs");
  Deploy("f", "import json\ndef handler(event, context): print(json.dumps(event))");
  const auto mapping = Map("f", "jobs");
  EXPECT_EQ(mapping.state(), v1::EVENT_SOURCE_MAPPING_STATE_ENABLED);
  EXPECT_EQ(mapping.last_processing_result(), "No records processed");
  auto request = Proto<queue::v1::SendMessageRequest>(
      "queue { name: 'jobs' } message { body: 'hello' message_attributes { key: 'n' value { "
      "data_type: 'Number' string_value: '1' } } message_attributes { key: 'b' value { data_type: "
      "'Binary' binary_value: 'ab' } } }");
  const auto sent = Must(&Stub::SendMessage, request).message();
  Await([&] { return GetMapping(mapping.uuid()).last_processing_result() == "OK"; }, "a batch is OK");
  EXPECT_EQ(Counts("jobs"), "0/0/0");
  const auto printed = Printed("f");
  ASSERT_THAT(printed, SizeIs(1));
  const auto record = nlohmann::json::parse(printed[0])["Records"][0];
  EXPECT_EQ(record["messageId"], sent.message_id());
  EXPECT_EQ(record["body"], "hello");
  EXPECT_EQ(record["md5OfBody"], sent.md5_of_body());
  EXPECT_EQ(record["md5OfMessageAttributes"], sent.md5_of_message_attributes());
  EXPECT_EQ(record["attributes"]["ApproximateReceiveCount"], "1");
  EXPECT_EQ(record["messageAttributes"]["n"]["stringValue"], "1");
  EXPECT_EQ(record["messageAttributes"]["b"]["binaryValue"], "YWI=");
  EXPECT_EQ(record["eventSourceARN"], ArnOf("jobs"));
}

TEST_F(RunnerTest, RaisingHandlerGetsThreeTriesAndThenTheDeadLetterQueueHasTheMessage) {
  CreateQueue("dead");
  CreateQueue("jobs", absl::StrCat("visibility_timeout { seconds: 1 } redrive_policy { "
                                   "dead_letter_queue_arn: '",
                                   ArnOf("dead"), "' max_receive_count: 3 }"));
  Deploy("f", "def handler(event, context):\n  print('try')\n  raise RuntimeError('poison')",
         "timeout { seconds: 1 }");
  const auto mapping = Map("f", "jobs");
  Send("jobs", "x");
  const auto dead = Receive("dead", 1, 20);
  ASSERT_THAT(dead, SizeIs(1));
  EXPECT_EQ(dead[0].body(), "x");
  EXPECT_EQ(dead[0].receive_count(), 4);
  EXPECT_EQ(dead[0].dead_letter_queue_source_arn(), ArnOf("jobs"));
  EXPECT_THAT(Printed("f"), SizeIs(3));
  EXPECT_THAT(GetMapping(mapping.uuid()).last_processing_result(), HasSubstr("poison"));
}

TEST_F(RunnerTest, OnlyReportedMessagesComeBack) {
  CreateQueue("jobs", "visibility_timeout { seconds: 30 }");
  Deploy("f", R"(
def handler(event, context):
    return {"batchItemFailures": [{"itemIdentifier": r["messageId"]}
                                  for r in event["Records"] if r["body"] == "bad"]}
)");
  for (const char* body : {"good", "bad", "fine"}) Send("jobs", body);
  Map("f", "jobs", "report_batch_item_failures: true");
  Await([&] { return Counts("jobs") == "0/1/0"; }, "one message is left, in flight");
}

TEST_F(RunnerTest, BacklogIsWorkedOffInParallel) {
  CreateQueue("jobs");
  for (int i = 0; i < 200; ++i) Send("jobs", absl::StrCat(i));
  Deploy("f", kPrintBodies);
  Map("f", "jobs");
  Await([&] { return Counts("jobs") == "0/0/0"; }, "the queue is empty");
  const auto printed = Printed("f");
  EXPECT_THAT(std::set<std::string>(printed.begin(), printed.end()), SizeIs(200));
  EXPECT_THAT(printed, SizeIs(200));
}

TEST_F(RunnerTest, BatchingWindowGathers) {
  CreateQueue("jobs", "visibility_timeout { seconds: 60 }");
  Deploy("f", "def handler(event, context): print(len(event['Records']))");
  Map("f", "jobs", "batch_size: 25 maximum_batching_window { seconds: 20 }");
  for (int i = 0; i < 25; ++i) Send("jobs", absl::StrCat(i));
  Await([&] { return Counts("jobs") == "0/0/0"; }, "the queue is empty");
  EXPECT_THAT(Printed("f"), Contains("25"));
}

TEST_F(RunnerTest, MappingGoesOnAfterARestart) {
  CreateQueue("jobs");
  Deploy("f", kPrintBodies);
  const auto mapping = Map("f", "jobs");
  StopRunner();
  Send("jobs", "after");
  StartRunner();
  Await([&] { return Counts("jobs") == "0/0/0"; }, "the queue is empty");
  EXPECT_THAT(Printed("f"), Contains("after"));
}

TEST_F(RunnerTest, DisabledMappingPollsNotAndEnabledDoesAgain) {
  CreateQueue("jobs");
  Deploy("f", kPrintBodies);
  const std::string uuid = Map("f", "jobs").uuid();
  v1::UpdateEventSourceMappingRequest update;
  update.set_uuid(uuid);
  update.mutable_configuration()->set_enabled(false);
  const auto disabled = MustRunner(&RunnerStub::UpdateEventSourceMapping, update).mapping();
  EXPECT_EQ(disabled.state(), v1::EVENT_SOURCE_MAPPING_STATE_DISABLED);
  Send("jobs", "x");
  EXPECT_EQ(Counts("jobs"), "1/0/0");
  update.mutable_configuration()->set_enabled(true);
  MustRunner(&RunnerStub::UpdateEventSourceMapping, update);
  Await([&] { return Counts("jobs") == "0/0/0"; }, "the queue is empty");
}

TEST_F(RunnerTest, IdleMappingLeavesTheOnlySlotToCallers) {
  CreateQueue("jobs");
  Deploy("f", "def handler(event, context): return 1", "concurrency_limit: 1");
  Map("f", "jobs");
  Send("jobs", "x");
  Await([&] { return Counts("jobs") == "0/0/0"; }, "the queue is empty");
  const auto invoke = Proto<v1::InvokeFunctionRequest>("function { name: 'f' }");
  Await([&] { return CallRunner(&RunnerStub::InvokeFunction, invoke).ok(); }, "the slot is free");
}

TEST_F(RunnerTest, PostgresMayGoAwayAndComeBack) {
  CreateQueue("jobs");
  Deploy("f", kPrintBodies);
  const auto mapping = Map("f", "jobs");
  Send("jobs", "before");
  Await([&] { return Counts("jobs") == "0/0/0"; }, "the queue is empty");
  TestPostgres().KillHard();
  const auto away = CallRunner(&RunnerStub::GetFunction, Proto<v1::GetFunctionRequest>("function { name: 'f' }"));
  EXPECT_EQ(ReasonOf(away.status()), ErrorReason::kStoreUnavailable) << away.status();
  const absl::Status started = TestPostgres().StartAgain();
  ASSERT_TRUE(started.ok()) << started;
  auto send = Proto<queue::v1::SendMessageRequest>("queue { name: 'jobs' } message { body: 'after' }");
  Await([&] { return Call(&Stub::SendMessage, send).ok(); }, "the queue takes messages again");
  Await([&] {
    const auto queue = Call(&Stub::GetQueue, Proto<queue::v1::GetQueueRequest>("queue { name: 'jobs' }"));
    return queue.ok() && queue->queue().stats().ready() == 0 && queue->queue().stats().in_flight() == 0;
  }, "the queue is empty");
  EXPECT_THAT(Printed("f"), Contains("after"));
}

TEST_F(RunnerTest, QueueServiceMayGoAwayAndComeBack) {
  CreateQueue("jobs");
  Deploy("f", kPrintBodies);
  const auto mapping = Map("f", "jobs");
  const std::string address = server_->address();
  StopServer();
  Await([&] { return absl::StrContains(GetMapping(mapping.uuid()).last_processing_result(), "cannot be reached"); },
        "the mapping says that the queue service is away");
  observe::Metrics metrics;
  auto queues = queue::QueueServer::Start({.listen = address, .database_url = dsn()}, metrics);
  ASSERT_TRUE(queues.ok()) << queues.status();
  const auto stub = queue::v1::QueueService::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  queue::v1::SendMessageResponse sent;
  ASSERT_TRUE(stub->SendMessage(&context, Proto<queue::v1::SendMessageRequest>(
                                              "queue { name: 'jobs' } message { body: 'after' }"), &sent).ok());
  Await([&] { return GetMapping(mapping.uuid()).last_processing_result() == "OK"; }, "a batch is OK");
  EXPECT_THAT(Printed("f"), Contains("after"));
  StopRunner();
  (*queues)->Stop();
  StartServer();
}

TEST_F(RunnerTest, DeletedQueueIsToldAndAMappingWaitsForIt) {
  CreateQueue("jobs");
  Deploy("f", kPrintBodies);
  const auto mapping = Map("f", "jobs");
  Must(&Stub::DeleteQueue, Proto<queue::v1::DeleteQueueRequest>("queue { name: 'jobs' }"));
  Await([&] { return absl::StrContains(GetMapping(mapping.uuid()).last_processing_result(), "does not exist"); },
        "the mapping says that the queue does not exist");
  CreateQueue("jobs");
  Send("jobs", "x");
  Await([&] { return Counts("jobs") == "0/0/0"; }, "the queue is empty");
}

TEST_F(RunnerTest, FunctionInUseIsNotDeleted) {
  CreateQueue("jobs");
  Deploy("f", kPrintBodies);
  const auto mapping = Map("f", "jobs");
  const auto request = Proto<v1::DeleteFunctionRequest>("function { name: 'f' }");
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::DeleteFunction, request).status()), ErrorReason::kFunctionInUse);
  v1::DeleteEventSourceMappingRequest unmap;
  unmap.set_uuid(mapping.uuid());
  MustRunner(&RunnerStub::DeleteEventSourceMapping, unmap);
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::DeleteEventSourceMapping, unmap).status()),
            ErrorReason::kMappingDoesNotExist);
  EXPECT_TRUE(CallRunner(&RunnerStub::DeleteFunction, request).ok());
}

TEST_F(RunnerTest, InvalidMappingsAreRefused) {
  CreateQueue("jobs", "visibility_timeout { seconds: 2 }");
  CreateQueue("other", "visibility_timeout { seconds: 30 }");
  Deploy("f", kPrintBodies);
  const auto create = [&](const std::string& text) {
    return CallRunner(&RunnerStub::CreateEventSourceMapping, Proto<v1::CreateEventSourceMappingRequest>(text)).status();
  };
  const std::string other = absl::StrCat("function { name: 'f' } event_source_arn: '", ArnOf("other"), "' ");
  for (const char* configuration :
       {"batch_size: 0", "batch_size: 10001", "batch_size: 11", "maximum_concurrency: 1", "maximum_concurrency: 1001",
        "maximum_batching_window { seconds: 301 }", "maximum_batching_window { seconds: -1 }"}) {
    EXPECT_EQ(ReasonOf(create(absl::StrCat(other, "configuration { ", configuration, " }"))),
              ErrorReason::kInvalidParameterValue) << configuration;
  }
  const absl::Status timeout = create(absl::StrCat("function { name: 'f' } event_source_arn: '", ArnOf("jobs"), "'"));
  EXPECT_EQ(ReasonOf(timeout), ErrorReason::kInvalidParameterValue);
  EXPECT_THAT(std::string(timeout.message()), AllOf(HasSubstr("2s"), HasSubstr("3s")));
  EXPECT_EQ(ReasonOf(create("function { name: 'f' }")), ErrorReason::kMissingParameter);
  EXPECT_EQ(ReasonOf(create("function { name: 'f' } event_source_arn: 'x'")), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(ReasonOf(create("function { name: 'f' } event_source_arn: 'arn:aws:sqs:us-east-1:111111111111:q'")),
            ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(ReasonOf(create(absl::StrCat("function { name: 'f' } event_source_arn: '", ArnOf("none"), "'"))),
            ErrorReason::kEventSourceDoesNotExist);
  EXPECT_EQ(ReasonOf(create(absl::StrCat("function { name: 'none' } event_source_arn: '", ArnOf("other"), "'"))),
            ErrorReason::kFunctionDoesNotExist);
  EXPECT_TRUE(create(other).ok());
  const absl::Status again = create(other);
  EXPECT_EQ(ReasonOf(again), ErrorReason::kMappingAlreadyExists);
  EXPECT_NE(MetadataOf(again)["uuid"], "");
  const auto listed = MustRunner(&RunnerStub::ListEventSourceMappings,
                                 Proto<v1::ListEventSourceMappingsRequest>("function_name: 'f'"));
  ASSERT_EQ(listed.mappings_size(), 1);
  EXPECT_EQ(listed.mappings(0).uuid(), MetadataOf(again)["uuid"]);
}

}  // namespace
}  // namespace weir::runner
