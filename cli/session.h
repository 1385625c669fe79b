// One run of `weir`: the options that every command has, the connections to the services, and what the command line chose to do.
//
// Commands are added to the CLI11 tree by the Add…Command functions of cli/commands.h. Parsing only fills in options and picks an
// action; the action runs afterwards, so that help, errors of usage and completion never touch a service.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "grpcpp/client_context.h"
#include "libs/grpcx/channel.h"
#include "libs/grpcx/status.h"
#include "weir/common/v1/namespace.pb.h"
#include "weir/queue/v1/cluster_service.grpc.pb.h"
#include "weir/queue/v1/queue_service.grpc.pb.h"
#include "weir/runner/v1/runner_service.grpc.pb.h"

namespace weir::cli {

using Action = std::function<absl::StatusOr<ExitCode>()>;

class Session {
 public:
  // Options of every command.
  std::string queue_endpoint = "127.0.0.1:7801";
  std::string runner_endpoint = "127.0.0.1:7802";
  std::string account = "000000000000";
  std::string region = "us-east-1";
  absl::Duration timeout = absl::Seconds(10);
  bool json = false;
  bool quiet = false;

  // What the command line asks for.
  Action action;

  common::v1::Namespace Namespace() const;
  queue::v1::QueueRef Queue(absl::string_view name) const;
  runner::v1::FunctionRef Function(absl::string_view name) const;
  // A name as an ARN of this namespace; what is an ARN already stays as it is.
  std::string QueueArn(absl::string_view name_or_arn) const;

  queue::v1::QueueService::Stub& queue_stub();
  queue::v1::ClusterService::Stub& cluster_stub();
  runner::v1::RunnerService::Stub& runner_stub();

  // Calls `method` of a stub. An error of the connection names the endpoint and what to do. `extra` is added to the deadline, for
  // calls that wait by intention.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request, absl::Duration extra = absl::ZeroDuration()) {
    grpc::ClientContext context;
    SetDeadline(context, extra);
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return Explain(status, EndpointOf(stub));
    return response;
  }
  // For streams.
  void SetDeadline(grpc::ClientContext& context, absl::Duration extra) const;
  absl::Status Explain(const grpc::Status& status, const std::string& endpoint) const;

  const std::string& EndpointOf(const queue::v1::QueueService::Stub&) const { return queue_endpoint; }
  const std::string& EndpointOf(const queue::v1::ClusterService::Stub&) const { return queue_endpoint; }
  const std::string& EndpointOf(const runner::v1::RunnerService::Stub&) const {
    return runner_endpoint;
  }

  // Prints the result in the chosen form.
  void PrintResult(const Json& document, const std::string& text) const {
    Print(json ? FormatJson(document) : text);
  }
  // A remark for people, on stderr; nothing with --quiet.
  void Remark(absl::string_view sentence) const;

 private:
  std::unique_ptr<queue::v1::QueueService::Stub> queue_stub_;
  std::unique_ptr<queue::v1::ClusterService::Stub> cluster_stub_;
  std::unique_ptr<runner::v1::RunnerService::Stub> runner_stub_;
};

}  // namespace weir::cli
