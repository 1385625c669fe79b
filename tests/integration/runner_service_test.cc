// Functions: deployed, invoked, logged, limited, deleted.
#include <future>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/runner_fixture.h"

namespace weir::runner {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kEcho[] = R"(
def handler(event, context):
    print("got", event)
    return event
)";

TEST_F(RunnerTest, DeployedFunctionIsInvokedAndLogged) {
  const v1::Function function = Deploy("echo", kEcho);
  EXPECT_EQ(function.revision(), 1);
  EXPECT_EQ(function.arn(), "arn:aws:lambda:us-east-1:000000000000:function:echo");
  EXPECT_EQ(function.configuration().timeout().seconds(), 3);

  const v1::Invocation cold = Invoke("echo", R"({"n": 7})");
  EXPECT_EQ(cold.outcome(), v1::INVOCATION_OUTCOME_SUCCEEDED) << cold.payload();
  EXPECT_EQ(cold.payload(), R"({"n": 7})");
  EXPECT_TRUE(cold.has_init_duration());
  EXPECT_FALSE(Invoke("echo", "").has_init_duration());
  EXPECT_THAT(Printed("echo"), ElementsAre("got {'n': 7}", "got {}"));
}

TEST_F(RunnerTest, FunctionErrorIsAnOutcome) {
  Deploy("bad", "def handler(event, context): raise ValueError('no such order')");
  const v1::Invocation failed = Invoke("bad", "1");
  EXPECT_EQ(failed.outcome(), v1::INVOCATION_OUTCOME_UNHANDLED_ERROR);
  EXPECT_THAT(failed.payload(), HasSubstr("no such order"));
}

TEST_F(RunnerTest, DeploymentsRiseOnlyWhenSomethingChanges) {
  Deploy("f", kEcho);
  EXPECT_EQ(Deploy("f", kEcho).revision(), 1);
  EXPECT_EQ(Deploy("f", kEcho, "memory_mib: 256").revision(), 2);
  // What is not set stays.
  v1::DeployFunctionRequest described;
  described.mutable_function()->set_name("f");
  described.mutable_configuration()->set_description("echoes");
  const auto third = MustRunner(&RunnerStub::DeployFunction, described);
  EXPECT_FALSE(third.created());
  EXPECT_EQ(third.function().revision(), 3);
  EXPECT_EQ(third.function().configuration().memory_mib(), 256);
  const auto got = MustRunner(&RunnerStub::GetFunction, Proto<v1::GetFunctionRequest>(
                                                            "function { name: 'f' } include_code: true"));
  EXPECT_EQ(got.code().inline_files().files().at("app.py"), kEcho);
  Deploy("f", "def handler(event, context): return 'new'");
  EXPECT_EQ(Invoke("f", "1").payload(), "\"new\"");
}

TEST_F(RunnerTest, ModesAndRevisionsAreChecked) {
  v1::DeployFunctionRequest request = DeployRequest("f", kEcho);
  request.set_mode(v1::DEPLOY_MODE_UPDATE);
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::DeployFunction, request).status()),
            ErrorReason::kFunctionDoesNotExist);
  request.set_mode(v1::DEPLOY_MODE_CREATE);
  EXPECT_TRUE(MustRunner(&RunnerStub::DeployFunction, request).created());
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::DeployFunction, request).status()),
            ErrorReason::kFunctionAlreadyExists);
  request.set_mode(v1::DEPLOY_MODE_UPDATE);
  request.set_expected_revision(9);
  const absl::Status mismatch = CallRunner(&RunnerStub::DeployFunction, request).status();
  EXPECT_EQ(ReasonOf(mismatch), ErrorReason::kFunctionRevisionMismatch);
  EXPECT_EQ(MetadataOf(mismatch)["revision"], "1");
  request.clear_expected_revision();
  request.mutable_configuration()->set_runtime("cobol85");
  const absl::Status unavailable = CallRunner(&RunnerStub::DeployFunction, request).status();
  EXPECT_EQ(ReasonOf(unavailable), ErrorReason::kRuntimeUnavailable);
  EXPECT_THAT(MetadataOf(unavailable)["available"], HasSubstr(runtime_));
}

TEST_F(RunnerTest, ListsInPages) {
  for (const char* name : {"b", "a", "c", "ax"}) Deploy(name, kEcho);
  auto page = MustRunner(&RunnerStub::ListFunctions, Proto<v1::ListFunctionsRequest>("page_size: 3"));
  ASSERT_EQ(page.functions_size(), 3);
  EXPECT_EQ(page.functions(0).name(), "a");
  EXPECT_EQ(page.functions(2).name(), "b");
  v1::ListFunctionsRequest next;
  next.set_page_size(3);
  next.set_page_token(page.next_page_token());
  page = MustRunner(&RunnerStub::ListFunctions, next);
  ASSERT_EQ(page.functions_size(), 1);
  EXPECT_EQ(page.next_page_token(), "");
  next.set_name_prefix("a");
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::ListFunctions, next).status()),
            ErrorReason::kPageTokenInvalid);
}

TEST_F(RunnerTest, DeletedFunctionIsGone) {
  Deploy("f", kEcho);
  Invoke("f", "1");
  MustRunner(&RunnerStub::DeleteFunction, Proto<v1::DeleteFunctionRequest>("function { name: 'f' }"));
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::InvokeFunction,
                                Proto<v1::InvokeFunctionRequest>("function { name: 'f' }"))
                         .status()),
            ErrorReason::kFunctionDoesNotExist);
  Deploy("f", kEcho);
  EXPECT_THAT(Printed("f"), IsEmpty());
}

// A follower that reads on a thread of its own.
class Follower {
 public:
  Follower(v1::RunnerService::Stub& stub, const std::string& function) {
    request_.mutable_function()->set_name(function);
    request_.set_follow(true);
    reader_ = stub.GetFunctionLogs(&context_, request_);
  }
  // Reads on until a line has that text; false when the stream ended before.
  bool ReadUntil(const std::string& text) {
    v1::GetFunctionLogsResponse response;
    while (reader_->Read(&response)) {
      for (const v1::LogLine& line : response.lines()) {
        EXPECT_GT(line.position(), last_position_);
        last_position_ = line.position();
        if (line.text() == text) return true;
      }
    }
    return false;
  }
  absl::Status Finish() { return grpcx::FromGrpcStatus(reader_->Finish()); }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  v1::GetFunctionLogsRequest request_;
  std::unique_ptr<grpc::ClientReader<v1::GetFunctionLogsResponse>> reader_;
  int64_t last_position_ = 0;
};

TEST_F(RunnerTest, FollowersSeeLinesAsTheyCome) {
  Deploy("f", kEcho);
  Invoke("f", "1");
  Follower first(*stub_, "f");
  Follower second(*stub_, "f");
  EXPECT_TRUE(first.ReadUntil("got 1"));
  EXPECT_TRUE(second.ReadUntil("got 1"));
  Invoke("f", "2");
  EXPECT_TRUE(first.ReadUntil("got 2"));
  EXPECT_TRUE(second.ReadUntil("got 2"));
  first.Cancel();
  EXPECT_FALSE(first.ReadUntil("never"));
  EXPECT_TRUE(absl::IsCancelled(first.Finish()));
  StopRunner();
  EXPECT_FALSE(second.ReadUntil("never"));
  EXPECT_EQ(ReasonOf(second.Finish()), ErrorReason::kShuttingDown);
}

TEST_F(RunnerTest, LogsAreBoundedByTheRequest) {
  Deploy("f", kEcho);
  const std::string id = Invoke("f", "1").request_id();
  Invoke("f", "2");
  const auto read = [&](const std::string& bounds) {
    auto request = Proto<v1::GetFunctionLogsRequest>("function { name: 'f' } " + bounds);
    grpc::ClientContext context;
    const auto reader = stub_->GetFunctionLogs(&context, request);
    std::vector<v1::LogLine> lines;
    v1::GetFunctionLogsResponse response;
    while (reader->Read(&response)) lines.insert(lines.end(), response.lines().begin(), response.lines().end());
    EXPECT_TRUE(reader->Finish().ok());
    return lines;
  };
  const auto all = read("");
  ASSERT_GT(all.size(), 4u);
  const auto tail = read("limit: 2");
  ASSERT_EQ(tail.size(), 2u);
  EXPECT_EQ(tail[1].position(), all.back().position());
  EXPECT_EQ(read(absl::StrCat("after_position: ", all[0].position())).size(), all.size() - 1);
  for (const v1::LogLine& line : read(absl::StrCat("request_id: '", id, "'"))) {
    EXPECT_EQ(line.request_id(), id);
  }
  EXPECT_THAT(read("since { seconds: 4000000000 }"), IsEmpty());
}

TEST_F(RunnerTest, ConcurrencyLimitRefusesAtOnceAndTheDeadlineStopsTheWorker) {
  Deploy("slow", R"(
import threading
def handler(event, context):
    print("started", flush=True)
    threading.Event().wait(event)
    return "done"
)",
         "timeout { seconds: 60 } concurrency_limit: 1");
  const auto request = Proto<v1::InvokeFunctionRequest>("function { name: 'slow' } payload: '50'");
  auto running = std::async(std::launch::async, [&] {
    return CallRunner(&RunnerStub::InvokeFunction, request, absl::Seconds(5)).status();
  });
  Follower follower(*stub_, "slow");
  ASSERT_TRUE(follower.ReadUntil("started"));
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::InvokeFunction, request).status()),
            ErrorReason::kTooManyRequests);
  EXPECT_TRUE(absl::IsDeadlineExceeded(running.get()));
  follower.Cancel();
  // The slot is free again.
  const auto quick = Proto<v1::InvokeFunctionRequest>("function { name: 'slow' } payload: '0'");
  Await([&] { return CallRunner(&RunnerStub::InvokeFunction, quick).ok(); }, "the slot is free");
}

// What is wrong with a request is told by reason and field.
TEST_F(RunnerTest, InvalidArgumentsAreRefused) {
  const auto deploy = [&](const std::string& configuration) {
    v1::DeployFunctionRequest request = DeployRequest("f", kEcho);
    request.mutable_configuration()->MergeFrom(Proto<v1::FunctionConfiguration>(configuration));
    return CallRunner(&RunnerStub::DeployFunction, request).status();
  };
  const std::string long_text(4'097, 'x');
  const std::pair<std::string, const char*> wrong[] = {
      {"timeout { seconds: 0 }", "configuration.timeout"},
      {"timeout { seconds: 901 }", "configuration.timeout"},
      {"timeout { seconds: 1 nanos: 5 }", "configuration.timeout"},
      {"memory_mib: 127", "configuration.memory_mib"},
      {"memory_mib: 10241", "configuration.memory_mib"},
      {"concurrency_limit: -1", "configuration.concurrency_limit"},
      {"concurrency_limit: 1001", "configuration.concurrency_limit"},
      {"handler: 'a b'", "configuration.handler"},
      {"handler: ''", "configuration.handler"},
      {"runtime: ''", "configuration.runtime"},
      {absl::StrCat("description: '", long_text, "'"), "configuration.description"},
      {"environment { variables { key: 'A' value: '1' } }", "configuration.environment.variables"},
      {"environment { variables { key: '1A' value: '1' } }", "configuration.environment.variables"},
      {"environment { variables { key: '_HANDLER' value: '1' } }", "configuration.environment.variables"},
      {"environment { variables { key: 'AWS_LAMBDA_X' value: '1' } }", "configuration.environment.variables"},
      {absl::StrCat("environment { variables { key: 'AB' value: '", long_text, "' } }"),
       "configuration.environment.variables"},
  };
  for (const auto& [configuration, field] : wrong) {
    const absl::Status status = deploy(configuration);
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidParameterValue) << configuration << status;
    EXPECT_EQ(MetadataOf(status)["field"], field);
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  }
  v1::DeployFunctionRequest request = DeployRequest("f", kEcho);
  request.clear_code();
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::DeployFunction, request).status()), ErrorReason::kMissingParameter);
  request.mutable_code()->set_zip("no zip");
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::DeployFunction, request).status()), ErrorReason::kCodeInvalid);
  request.mutable_code()->set_zip(std::string((50 << 20) + 1, 'x'));
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::DeployFunction, request).status()), ErrorReason::kCodeTooLarge);
  (*request.mutable_code()->mutable_inline_files()->mutable_files())["../x.py"] = "";
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::DeployFunction, request).status()), ErrorReason::kCodeInvalid);
  request = DeployRequest("no/name", kEcho);
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::DeployFunction, request).status()),
            ErrorReason::kInvalidParameterValue);
  request = DeployRequest("", kEcho);
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::DeployFunction, request).status()), ErrorReason::kMissingParameter);
  request = DeployRequest("f", kEcho);
  request.mutable_configuration()->clear_handler();
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::DeployFunction, request).status()), ErrorReason::kMissingParameter);
}

TEST_F(RunnerTest, InvalidPayloadsAndNamesAreRefused) {
  Deploy("f", kEcho);
  v1::InvokeFunctionRequest invoke = Proto<v1::InvokeFunctionRequest>("function { name: 'f' }");
  invoke.set_payload("{");
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::InvokeFunction, invoke).status()), ErrorReason::kPayloadInvalid);
  invoke.set_payload(std::string((6 << 20) + 1, '1'));
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::InvokeFunction, invoke).status()), ErrorReason::kPayloadTooLarge);
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::GetFunction,
                                Proto<v1::GetFunctionRequest>(
                                    "function { name: 'f' namespace { account: '1' } }"))
                         .status()),
            ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(ReasonOf(CallRunner(&RunnerStub::ListFunctions,
                                Proto<v1::ListFunctionsRequest>("page_size: 1001"))
                         .status()),
            ErrorReason::kInvalidParameterValue);
}

}  // namespace
}  // namespace weir::runner
