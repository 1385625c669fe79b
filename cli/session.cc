#include "cli/session.h"

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/units.h"
#include "libs/base/error.h"

namespace weir::cli {

common::v1::Namespace Session::Namespace() const {
  common::v1::Namespace result;
  result.set_account(account);
  result.set_region(region);
  return result;
}

queue::v1::QueueRef Session::Queue(absl::string_view name) const {
  queue::v1::QueueRef ref;
  *ref.mutable_namespace_() = Namespace();
  ref.set_name(std::string(name));
  return ref;
}

runner::v1::FunctionRef Session::Function(absl::string_view name) const {
  runner::v1::FunctionRef ref;
  *ref.mutable_namespace_() = Namespace();
  ref.set_name(std::string(name));
  return ref;
}

std::string Session::QueueArn(absl::string_view name_or_arn) const {
  if (absl::StartsWith(name_or_arn, "arn:")) return std::string(name_or_arn);
  return absl::StrCat("arn:aws:sqs:", region, ":", account, ":", name_or_arn);
}

queue::v1::QueueService::Stub& Session::queue_stub() {
  if (queue_stub_ == nullptr) {
    queue_stub_ = queue::v1::QueueService::NewStub(grpcx::MakeChannel(queue_endpoint));
  }
  return *queue_stub_;
}

queue::v1::ClusterService::Stub& Session::cluster_stub() {
  if (cluster_stub_ == nullptr) {
    cluster_stub_ = queue::v1::ClusterService::NewStub(grpcx::MakeChannel(queue_endpoint));
  }
  return *cluster_stub_;
}

runner::v1::RunnerService::Stub& Session::runner_stub() {
  if (runner_stub_ == nullptr) {
    runner_stub_ = runner::v1::RunnerService::NewStub(grpcx::MakeChannel(runner_endpoint));
  }
  return *runner_stub_;
}

void Session::SetDeadline(grpc::ClientContext& context, absl::Duration extra) const {
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout + extra));
}

absl::Status Session::Explain(const grpc::Status& status, const std::string& endpoint) const {
  const absl::Status error = grpcx::FromGrpcStatus(status);
  if (ReasonOf(error) != ErrorReason::kUnspecified) return error;
  if (absl::IsUnavailable(error)) {
    const bool is_queue = endpoint == queue_endpoint;
    return absl::UnavailableError(absl::StrCat(
        "The ", is_queue ? "queue" : "runner", " service at ", endpoint,
        " cannot be reached. Start it with `weir up`, or name another with ",
        is_queue ? "--endpoint (WEIR_QUEUE_ENDPOINT)" : "--runner-endpoint (WEIR_RUNNER_ENDPOINT)",
        ". (", error.message(), ")"));
  }
  if (absl::IsDeadlineExceeded(error)) {
    return absl::DeadlineExceededError(
        absl::StrCat("The service at ", endpoint, " did not answer within ", DurationText(timeout),
                     " (--timeout); whether it did what was asked is not known."));
  }
  return error;
}

void Session::Remark(absl::string_view sentence) const {
  if (quiet) return;
  std::fprintf(stderr, "%s\n", std::string(sentence).c_str());
}

}  // namespace weir::cli
