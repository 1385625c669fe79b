#include "services/gateway/front/front_door.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/random.h"
#include "libs/observe/log.h"

namespace weir::gateway::front {
namespace {

// As the metrics of all services count.
absl::StatusCode CodeOf(const wire::Outcome& outcome) {
  const auto* error = std::get_if<wire::AwsError>(&outcome);
  if (error == nullptr) return absl::StatusCode::kOk;
  if (error->sender_fault) return absl::StatusCode::kInvalidArgument;
  return error->http_status == 503 ? absl::StatusCode::kUnavailable : absl::StatusCode::kInternal;
}

// Clients try again of their own accord.
wire::AwsError ComeAgain() {
  return wire::FromStatus(MakeError(ErrorReason::kStoreUnavailable,
                                    "The gateway is starting: the queues that its file declares are not there yet. Try again."));
}

void LogFailure(const Interpreted& request, const wire::Outcome& outcome, const std::string& request_id) {
  const auto* error = std::get_if<wire::AwsError>(&outcome);
  if (error == nullptr || error->sender_fault) return;
  observe::Log(observe::Level::kWarning, "an operation failed",
               {{"operation", std::string(request.operation->name)},
                {"code", error->code},
                {"error", error->message},
                {"request_id", request_id}});
}

}  // namespace

FrontDoor::FrontDoor(Options options, std::vector<Entry> entries)
    : options_(std::move(options)),
      entries_(std::move(entries)),
      state_(options_.closed ? State::kStarting : State::kServing) {
  for (const Entry& entry : entries_) services_.push_back(&entry.service);
}

void FrontDoor::Handle(http::Request request, std::shared_ptr<http::Exchange> exchange) {
  if (request.path() == "/_weir/health") return exchange->Answer(Health());
  Interpreted interpreted = Interpret(request, options_, services_, absl::Now());
  if (std::holds_alternative<wire::AwsError>(interpreted.input)) {
    return exchange->Answer(Respond(interpreted, interpreted.input, RandomUuid()));
  }
  if (state_ == State::kStarting) return exchange->Answer(Respond(interpreted, ComeAgain(), RandomUuid()));
  wire::Value input = std::get<wire::Value>(std::exchange(interpreted.input, wire::Value()));
  Start(std::make_shared<const Interpreted>(std::move(interpreted)), std::move(input), std::move(exchange));
}

void FrontDoor::Start(const std::shared_ptr<const Interpreted>& request, wire::Value input,
                      std::shared_ptr<http::Exchange> exchange) {
  grpcx::RpcMetrics* metrics = nullptr;
  for (const Entry& entry : entries_) {
    if (&entry.service == request->service) metrics = &entry.metrics;
  }
  // Set below, on the thread that calls it.
  const auto cancel = std::make_shared<wire::Service::Cancel>();
  exchange->OnGone([cancel] { (*cancel)(); });
  auto done = [request, exchange = std::move(exchange), begin = absl::Now(),
               &method = metrics->Method(request->operation->name)](const wire::Outcome& outcome) {
    const std::string request_id = RandomUuid();
    method.Finished(CodeOf(outcome), absl::Now() - begin);
    LogFailure(*request, outcome, request_id);
    exchange->Answer(Respond(*request, outcome, request_id));
  };
  *cancel = request->service->Start(*request->operation, request->context, std::move(input), std::move(done));
}

http::Response FrontDoor::Health() const {
  std::string services;
  for (const wire::Service* service : services_) {
    absl::StrAppend(&services, services.empty() ? "" : ",", "\"", service->names().scope, "\"");
  }
  const State state = state_;
  const absl::string_view status = state == State::kServing ? "ok" : state == State::kStarting ? "starting" : "draining";
  return {.status = state == State::kServing ? 200 : 503,
          .headers = {{"Content-Type", "application/json"}},
          .body = absl::StrCat("{\"status\":\"", status, "\",\"services\":[", services, "]}\n")};
}

void FrontDoor::Open() {
  State starting = State::kStarting;
  state_.compare_exchange_strong(starting, State::kServing);
}

void FrontDoor::Drain() {
  state_ = State::kDraining;
  for (wire::Service* service : services_) service->Drain();
}

}  // namespace weir::gateway::front
