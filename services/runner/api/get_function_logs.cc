#include <algorithm>
#include <limits>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "libs/grpcx/status.h"
#include "services/runner/api/calls.h"
#include "services/runner/api/runner_codec.h"
#include "services/runner/api/validation.h"

namespace weir::runner::api {
namespace {

constexpr int32_t kTailMax = 10'000;
constexpr int kLinesPerRead = 500;
constexpr absl::Duration kStoreTimeout = absl::Seconds(10);
// How long lines that were logged just before the call may take to get into the store.
constexpr absl::Duration kFlushTimeout = absl::Seconds(2);

bool IsValid(const google::protobuf::Timestamp& time) {
  using google::protobuf::util::TimeUtil;
  return time.seconds() >= TimeUtil::kTimestampMinSeconds &&
         time.seconds() <= TimeUtil::kTimestampMaxSeconds && time.nanos() >= 0 &&
         time.nanos() < 1'000'000'000;
}

// One stream. It is in one of three states: at work (a step is posted or a write is under way), parked (a follower that waits for
// lines; nobody looks at it), or finished. Whoever turns it from parked to at work, under `mu_`, posts the next step, so there is
// never more than one.
class LogStreamCall final : public grpc::ServerWriteReactor<v1::GetFunctionLogsResponse> {
 public:
  LogStreamCall(Context& context, const v1::GetFunctionLogsRequest& request)
      : context_(context),
        metrics_(context.metrics.Method("GetFunctionLogs")),
        request_(request),
        started_at_(absl::Now()) {
    if (context.open_streams.fetch_add(1) >= kStreamsMax) {
      End(MakeError(ErrorReason::kOverloaded,
                    absl::StrCat("All ", kStreamsMax, " streams of logs are taken; try again later.")));
    } else {
      PostStep();
    }
  }

 private:
  // At work: ends the stream. Nothing may be touched afterwards.
  void End(const absl::Status& status) {
    metrics_.Finished(status.code(), absl::Now() - started_at_);
    Finish(grpcx::ToGrpcStatus(status));
  }

  void PostStep() {
    // There is room for a step of every stream; only a pool that has stopped refuses one.
    if (!context_.streams.Post([this] { Step(); })) {
      End(MakeError(ErrorReason::kShuttingDown, "The runner is stopping."));
    }
  }

  // Reads what is next and writes it, ends, or parks.
  void Step() {
    while (true) {
      if (const absl::Status why = Ended(); !why.ok()) return End(why);
      if (absl::Status status = BeginOnce(); !status.ok()) return End(status);
      auto lines = context_.logs.ReadLogLines(query_, until_, kLinesPerRead, absl::Now() + kStoreTimeout);
      if (!lines.ok()) return End(lines.status());
      if (!lines->empty()) return Write(*lines);
      if (!request_.follow()) return End(absl::OkStatus());
      if (Park()) return;
    }
  }

  absl::Status Ended() {
    MutexLock lock(&mu_);
    return ended_;
  }

  absl::Status BeginOnce() {
    if (function_ != core::FunctionId()) return absl::OkStatus();
    WEIR_ASSIGN_OR_RETURN(const core::FunctionName name, CheckRequest());
    const absl::Time deadline = absl::Now() + kStoreTimeout;
    WEIR_ASSIGN_OR_RETURN(const core::FunctionPtr function,
                          context_.functions.FindFunction(name, deadline));
    function_ = function->id;
    query_.function = function_;
    // When it does not succeed the reading will tell why.
    context_.log_writer.Flush(absl::Now() + kFlushTimeout);
    // Before the first reading, so that nothing falls between the two.
    if (request_.follow()) {
      subscription_ = context_.log_feed.Subscribe(
          function_, [this](const absl::Status& status) { Wake(status); });
    }
    WEIR_ASSIGN_OR_RETURN(until_, context_.logs.LastLogPosition(function_, deadline));
    if (request_.limit() > 0) {
      WEIR_ASSIGN_OR_RETURN(query_.after_position, context_.logs.LogTailStart(
                                                       query_, until_, request_.limit(), deadline));
    }
    if (request_.follow()) until_ = std::numeric_limits<int64_t>::max();
    return absl::OkStatus();
  }

  absl::StatusOr<core::FunctionName> CheckRequest() {
    WEIR_ASSIGN_OR_RETURN(core::FunctionName name, CheckFunctionRef(request_.function(), "function"));
    if (request_.has_since()) {
      if (!IsValid(request_.since())) {
        return InvalidField("since", absl::StrCat(request_.since().seconds(), " s"),
                            "must be between the years 1 and 9999");
      }
      query_.since = absl::FromUnixSeconds(request_.since().seconds()) +
                     absl::Nanoseconds(request_.since().nanos());
    }
    if (request_.after_position() < 0) {
      return InvalidField("after_position", absl::StrCat(request_.after_position()),
                          "must be 0 or the position of a line");
    }
    query_.after_position = request_.after_position();
    const std::string& id = request_.request_id();
    const bool is_id = id.empty() || (id.size() == 36 && std::all_of(id.begin(), id.end(), [](char c) {
                                        return absl::ascii_isxdigit(c) || c == '-';
                                      }));
    if (!is_id) return InvalidField("request_id", id, "must be the request id of an invocation, a UUID");
    query_.request_id = absl::AsciiStrToLower(id);
    WEIR_RETURN_IF_ERROR(CheckCount(request_.limit(), "limit", 1, kTailMax, 0).status());
    return name;
  }

  void Write(const std::vector<store::StoredLogLine>& lines) {
    response_.Clear();
    for (const store::StoredLogLine& line : lines) EncodeLogLine(line, *response_.add_lines());
    query_.after_position = lines.back().position;
    StartWrite(&response_);
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      PostStep();
    } else {
      End(MakeError(ErrorReason::kCancelled, "The caller has gone."));
    }
  }

  // False: there may be more by now.
  bool Park() {
    MutexLock lock(&mu_);
    if (!ended_.ok() || std::exchange(more_, false)) return false;
    parked_ = true;
    return true;
  }

  void Wake(const absl::Status& status) {
    {
      MutexLock lock(&mu_);
      if (ended_.ok()) ended_ = status;
      more_ = true;
      if (!std::exchange(parked_, false)) return;
      more_ = false;
    }
    PostStep();
  }

  void OnCancel() override { Wake(MakeError(ErrorReason::kCancelled, "The caller cancelled the call.")); }

  void OnDone() override {
    context_.open_streams.fetch_sub(1);
    delete this;
  }

  Context& context_;
  grpcx::MethodMetrics& metrics_;
  const v1::GetFunctionLogsRequest& request_;
  const absl::Time started_at_;
  // Of the step that is at work.
  core::FunctionId function_;
  store::LogQuery query_;
  int64_t until_ = 0;
  v1::GetFunctionLogsResponse response_;

  Mutex mu_;
  bool parked_ ABSL_GUARDED_BY(mu_) = false;
  bool more_ ABSL_GUARDED_BY(mu_) = false;  // woken while at work
  absl::Status ended_ ABSL_GUARDED_BY(mu_);
  logs::LogFeed::Subscription subscription_;  // the last member: no wake comes after it has gone
};

}  // namespace

grpc::ServerWriteReactor<v1::GetFunctionLogsResponse>* GetFunctionLogs(
    Context& context, grpc::CallbackServerContext* grpc_context,
    const v1::GetFunctionLogsRequest& request) {
  return new LogStreamCall(context, request);
}

}  // namespace weir::runner::api
