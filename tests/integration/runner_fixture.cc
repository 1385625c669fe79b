#include "tests/integration/runner_fixture.h"

#include "absl/strings/str_cat.h"
#include "libs/grpcx/channel.h"

namespace weir::runner {

void RunnerTest::SetUp() {
  QueueTest::SetUp();
  StartRunner();
  const auto runtimes = MustRunner(&RunnerStub::ListRuntimes, v1::ListRuntimesRequest());
  for (const v1::Runtime& runtime : runtimes.runtimes()) {
    if (runtime.available()) runtime_ = runtime.name();
  }
  ASSERT_FALSE(runtime_.empty()) << "No Python from 3.8 to 3.14 on this machine.";
}

void RunnerTest::TearDown() {
  runner_.reset();
  QueueTest::TearDown();
}

void RunnerTest::StartRunner(const std::string& queue_endpoint) {
  auto runner = RunnerServer::Start(
      {.listen = "127.0.0.1:0",
       .database_url = dsn(),
       .queue_endpoint = queue_endpoint.empty() ? server_->address() : queue_endpoint,
       .data_dir = data_dir_.path() + "/runner",
       .supervisor = WEIR_BIN_DIR "/weir-supervisor",
       .max_workers = 8},
      metrics_);
  WEIR_CHECK(runner.ok(), runner.status().ToString());
  runner_ = *std::move(runner);
  stub_ = v1::RunnerService::NewStub(grpcx::MakeChannel(runner_->address()));
}

v1::DeployFunctionRequest RunnerTest::DeployRequest(const std::string& name,
                                                    const std::string& source,
                                                    const std::string& configuration) {
  v1::DeployFunctionRequest request;
  request.mutable_function()->set_name(name);
  *request.mutable_configuration() = Proto<v1::FunctionConfiguration>(configuration);
  request.mutable_configuration()->set_runtime(runtime_);
  request.mutable_configuration()->set_handler("app.handler");
  (*request.mutable_code()->mutable_inline_files()->mutable_files())["app.py"] = source;
  return request;
}

v1::Function RunnerTest::Deploy(const std::string& name, const std::string& source,
                                const std::string& configuration) {
  return MustRunner(&RunnerStub::DeployFunction, DeployRequest(name, source, configuration))
      .function();
}

v1::Invocation RunnerTest::Invoke(const std::string& name, const std::string& payload) {
  v1::InvokeFunctionRequest request;
  request.mutable_function()->set_name(name);
  request.set_payload(payload);
  return MustRunner(&RunnerStub::InvokeFunction, request).invocation();
}

std::vector<std::string> RunnerTest::Printed(const std::string& name) {
  v1::GetFunctionLogsRequest request;
  request.mutable_function()->set_name(name);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
  const auto reader = stub_->GetFunctionLogs(&context, request);
  std::vector<std::string> texts;
  v1::GetFunctionLogsResponse response;
  while (reader->Read(&response)) {
    for (const v1::LogLine& line : response.lines()) {
      if (line.stream() == v1::LOG_STREAM_STDOUT) texts.push_back(line.text());
    }
  }
  const absl::Status status = grpcx::FromGrpcStatus(reader->Finish());
  WEIR_CHECK(status.ok(), status.ToString());
  return texts;
}

v1::EventSourceMapping RunnerTest::Map(const std::string& function, const std::string& queue_name,
                                       const std::string& configuration) {
  v1::CreateEventSourceMappingRequest request;
  request.mutable_function()->set_name(function);
  request.set_event_source_arn(ArnOf(queue_name));
  *request.mutable_configuration() = Proto<v1::EventSourceMappingConfiguration>(configuration);
  return MustRunner(&RunnerStub::CreateEventSourceMapping, request).mapping();
}

v1::EventSourceMapping RunnerTest::GetMapping(const std::string& uuid) {
  v1::GetEventSourceMappingRequest request;
  request.set_uuid(uuid);
  return MustRunner(&RunnerStub::GetEventSourceMapping, request).mapping();
}

void RunnerTest::Await(const std::function<bool()>& condition, const char* what) {
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  while (!condition()) ASSERT_LT(absl::Now(), deadline) << "It never held: " << what;
}

}  // namespace weir::runner
