// A runner service in this process beside a queue service, with real workers.
//
//   TEST_F(RunnerTest, …) {
//     Deploy("echo", "def handler(event, context): return event");
//     EXPECT_EQ(Invoke("echo", "1").payload(), "1");
//   }
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "services/runner/service.h"
#include "tests/integration/queue_fixture.h"
#include "weir/runner/v1/runner_service.grpc.pb.h"

namespace weir::runner {

using queue::Proto;

class RunnerTest : public queue::QueueTest {
 protected:
  using RunnerStub = v1::RunnerService::Stub;

  void SetUp() override;
  void TearDown() override;

  // `queue_endpoint`: empty, and it is that of the queue service.
  void StartRunner(const std::string& queue_endpoint = "");
  void StopRunner() { runner_.reset(); }

  template <typename Request, typename Response>
  absl::StatusOr<Response> CallRunner(grpc::Status (RunnerStub::*method)(grpc::ClientContext*,
                                                                         const Request&, Response*),
                                      const Request& request,
                                      absl::Duration timeout = absl::Seconds(30)) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    Response response;
    const absl::Status status =
        grpcx::FromGrpcStatus((stub_.get()->*method)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }
  template <typename Request, typename Response>
  Response MustRunner(grpc::Status (RunnerStub::*method)(grpc::ClientContext*, const Request&,
                                                         Response*),
                      const Request& request) {
    absl::StatusOr<Response> response = CallRunner(method, request);
    WEIR_CHECK(response.ok(), response.status().ToString());
    return *std::move(response);
  }

  // What Deploy sends: one file app.py with `source`, handler app.handler; `configuration` in text form comes on top.
  v1::DeployFunctionRequest DeployRequest(const std::string& name, const std::string& source,
                                          const std::string& configuration = "");
  v1::Function Deploy(const std::string& name, const std::string& source,
                      const std::string& configuration = "");
  v1::Invocation Invoke(const std::string& name, const std::string& payload);
  // Texts of the lines that functions printed.
  std::vector<std::string> Printed(const std::string& name);
  // `configuration` in text form.
  v1::EventSourceMapping Map(const std::string& function, const std::string& queue_name,
                             const std::string& configuration = "");
  v1::EventSourceMapping GetMapping(const std::string& uuid);

  // Asks again until it holds; fails the test after a minute.
  void Await(const std::function<bool()>& condition, const char* what);

  TempDir data_dir_;
  observe::Metrics metrics_;
  std::string runtime_;
  std::unique_ptr<RunnerServer> runner_;
  std::unique_ptr<RunnerStub> stub_;
};

inline std::string ArnOf(const std::string& queue_name) {
  return "arn:aws:sqs:us-east-1:000000000000:" + queue_name;
}

}  // namespace weir::runner
