#include "services/runner/engine/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio.hpp>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>  // before Asio, whose 1.74 forgets it
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/error.h"
#include "libs/base/random.h"
#include "libs/observe/log.h"
#include "services/runner/engine/runtime_api.h"
#include "services/runner/engine/supervisor_protocol.h"
#include "services/runner/engine/worker_log.h"
#include "services/runner/engine/worker_process.h"

namespace weir::runner::engine {
namespace {

namespace asio = boost::asio;
namespace protocol = supervisor;
using ErrorCode = boost::system::error_code;

// To load a function; its own timeout comes on top, as a function may do at its first invocation
// what it would do while loading.
constexpr absl::Duration kInitTimeout = absl::Seconds(10);
// Memory of shorter invocations is looked at afterwards only, so that they cost the supervisor
// nothing.
constexpr absl::Duration kWatchAfter = absl::Milliseconds(10);
// A runtime asks for the next event right after its answer; if it takes longer, the caller does not
// wait for that.
constexpr absl::Duration kNextGrace = absl::Milliseconds(50);
// A supervisor kills within milliseconds, unless somebody has stopped it.
constexpr absl::Duration kKillTimeout = absl::Seconds(2);
constexpr size_t kReadBytes = 64 << 10;

std::string Timestamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

std::string ErrorObject(absl::string_view type, absl::string_view message) {
  nlohmann::json object;
  object["errorType"] = std::string(type);
  object["errorMessage"] = std::string(message);
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// "exit status 1", "signal: killed", as Lambda words it.
std::string DescribeExit(int status) {
  if (WIFSIGNALED(status)) {
    const char* name = sigdescr_np(WTERMSIG(status));
    return absl::StrCat("Runtime exited with error: signal: ", name == nullptr
                                                                   ? absl::StrCat(WTERMSIG(status))
                                                                   : absl::AsciiStrToLower(name));
  }
  if (WEXITSTATUS(status) == 0) return "Runtime exited without providing a reason";
  return absl::StrCat("Runtime exited with error: exit status ", WEXITSTATUS(status));
}

std::vector<std::string> Environment(const core::Function& function, const WorkerOptions& options,
                                     uint16_t port, absl::Time now) {
  std::map<std::string, std::string> variables = {
      {"LANG", "C.UTF-8"},
      {"PATH", "/usr/local/bin:/usr/bin:/bin"},
      {"TMPDIR", options.temporary_folder},
      {"TZ", ":UTC"},
  };
  for (const auto& [name, value] : function.config.environment) variables[name] = value;
  const std::map<std::string, std::string> reserved = {
      {"AWS_DEFAULT_REGION", function.name.region},
      {"AWS_EXECUTION_ENV", absl::StrCat("AWS_Lambda_", function.config.runtime)},
      {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", absl::StrCat(function.config.memory_mib)},
      {"AWS_LAMBDA_FUNCTION_NAME", function.name.name},
      {"AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"},
      {"AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"},
      {"AWS_LAMBDA_LOG_GROUP_NAME", absl::StrCat("/aws/lambda/", function.name.name)},
      {"AWS_LAMBDA_LOG_STREAM_NAME",
       absl::StrCat(absl::FormatTime("%Y/%m/%d/", now, absl::UTCTimeZone()), "[$LATEST]",
                    options.worker_token)},
      {"AWS_LAMBDA_RUNTIME_API", absl::StrCat("127.0.0.1:", port)},
      {"AWS_REGION", function.name.region},
      {"LAMBDA_TASK_ROOT", options.code->path()},
      {"WEIR_RUNNER", options.token},
      {"_HANDLER", function.config.handler},
  };
  for (const auto& [name, value] : reserved) variables[name] = value;
  std::vector<std::string> environment;
  for (const auto& [name, value] : variables) environment.push_back(absl::StrCat(name, "=", value));
  return environment;
}

class WorkerImpl : public Worker,
                   public RuntimeApiListener,
                   public std::enable_shared_from_this<WorkerImpl> {
 public:
  WorkerImpl(asio::io_context& io, WorkerOptions options, WorkerOwner& owner, LogSink& sink,
             const Clock& clock, CallPtr call)
      : options_(std::move(options)),
        function_(call->function),
        owner_(owner),
        clock_(clock),
        io_(io),
        control_(io),
        pipes_{asio::posix::stream_descriptor(io), asio::posix::stream_descriptor(io)},
        deadline_timer_(io),
        watch_timer_(io),
        log_(function_->id, sink, clock),
        call_(std::move(call)) {}

  ~WorkerImpl() override {
    if (status_fd_ >= 0) close(status_fd_);
  }

  absl::Status StartProcess() {
    absl::StatusOr<std::shared_ptr<RuntimeApi>> api = StartRuntimeApi(io_, *this);
    if (!api.ok()) return api.status();
    api_ = *std::move(api);
    ProcessSpec spec;
    spec.arguments = {options_.runtime.info.interpreter, "-s", "-B", options_.bootstrap};
    spec.environment = Environment(*function_, options_, api_->port(), clock_.Now());
    spec.folder = options_.code->path();
    spec.run_as = options_.runtime.run_as;
    spec.memory_mib = function_->config.memory_mib;
    const absl::StatusOr<SupervisedProcess> process =
        StartSupervised(options_.supervisor, options_.token, spec);
    if (!process.ok()) {
      api_->Close();
      return process.status();
    }
    supervisor_ = process->supervisor;
    control_.assign(process->control);
    pipes_[0].assign(process->stdout_pipe);
    pipes_[1].assign(process->stderr_pipe);
    started_at_ = clock_.Monotonic();
    AwaitControl();
    AwaitPipe(0);
    AwaitPipe(1);
    ArmDeadline(kInitTimeout + function_->config.timeout, EndReason::kInitTimeout);
    return absl::OkStatus();
  }

  // --- Worker

  void Assign(CallPtr call) override {
    call_ = std::move(call);
    HandOver();
  }

  void ArmIdleTimeout(absl::Duration timeout) override {
    ArmTimer(deadline_timer_, timeout, [this] { End(EndReason::kIdle); });
  }

  void End(EndReason reason) override {
    if (ending()) return;
    state_ = State::kEnding;
    reason_ = reason;
    owner_.OnWorkerEnding(shared_from_this());
    CancelTimer(watch_timer_);
    Command(protocol::kKill);
    ArmTimer(deadline_timer_, kKillTimeout, [this] {
      observe::Log(observe::Level::kWarning, "a worker's supervisor does not answer and is killed",
                   {{"function", function_->name.name}});
      kill(supervisor_, SIGKILL);
    });
  }

  void Retire() override {
    retired_ = true;
    if (state_ == State::kIdle) End(EndReason::kRetired);
  }

  bool idle() const override { return state_ == State::kIdle; }
  bool ending() const override { return state_ == State::kEnding || state_ == State::kEnded; }
  bool retired() const override { return retired_; }
  const core::Function& function() const override { return *function_; }
  WorkerOptions& options() override { return options_; }

  // --- RuntimeApiListener

  void OnNext() override {
    switch (state_) {
      case State::kStarting:
        init_duration_ = clock_.Monotonic() - started_at_;
        HandOver();
        return;
      case State::kAnswered:
        FinishAnswered();
        BecomeIdle();
        return;
      case State::kIdle:
      case State::kBusy:  // the API refuses it
      case State::kEnding:
      case State::kEnded:
        return;
    }
  }

  void OnResponse(std::string payload) override {
    Answered(core::InvocationOutcome::kSucceeded, std::move(payload));
  }

  void OnError(std::string payload, bool handled) override {
    Answered(
        handled ? core::InvocationOutcome::kHandledError : core::InvocationOutcome::kUnhandledError,
        std::move(payload));
  }

  void OnInitError(std::string payload) override {
    if (state_ != State::kStarting) return;
    init_error_ = std::move(payload);
    End(EndReason::kInitFailed);
  }

 private:
  enum class State { kStarting, kIdle, kBusy, kAnswered, kEnding, kEnded };

  // --- Invocations

  std::string RequestId() const { return call_->request_id; }

  void HandOver() {
    const absl::Time now = clock_.Now();
    if (call_->request.deadline <= now) {
      // Nothing has run: the worker is as good as before.
      std::exchange(call_, nullptr)
          ->Finish(MakeError(ErrorReason::kDeadlineExceeded,
                             "The caller's deadline passed before the function was started."));
      BecomeIdle();
      return;
    }
    Begin();
    RuntimeEvent event;
    event.request_id = RequestId();
    event.function_arn = core::FunctionArn(function_->name);
    event.trace_id = absl::StrFormat("Root=1-%08x-%s;Parent=%s;Sampled=0", absl::ToUnixSeconds(now),
                                     RandomToken(12), RandomToken(8));
    const absl::Duration timeout = function_->config.timeout;
    event.deadline_unix_millis =
        absl::ToUnixMillis(std::min(now + timeout, call_->request.deadline));
    event.payload = std::move(call_->request.payload);
    if (event.payload.empty()) event.payload = "{}";
    state_ = State::kBusy;
    was_init_ = false;
    called_at_ = clock_.Monotonic();
    const absl::Duration patience = call_->request.deadline - now;
    if (patience < timeout) {
      ArmDeadline(patience, EndReason::kCallerDeadline);
    } else {
      ArmDeadline(timeout, EndReason::kTimeout);
    }
    ArmTimer(watch_timer_, kWatchAfter, [this] {
      watched_ = true;
      Command(protocol::kWatch);
      log_.Flush();
    });
    api_->Deliver(std::move(event));
  }

  void Begin() {
    DrainPipes();  // what it wrote before belongs to nobody
    log_.Begin(RequestId());
    log_.Platform(absl::StrCat("START RequestId: ", RequestId(), " Version: $LATEST"));
    begun_ = true;
  }

  void Answered(core::InvocationOutcome outcome, std::string payload) {
    if (state_ != State::kBusy) return;
    state_ = State::kAnswered;
    has_answer_ = true;
    if (std::exchange(watched_, false)) Command(protocol::kRest);
    result_.outcome = outcome;
    result_.payload = std::move(payload);
    result_.duration = clock_.Monotonic() - called_at_;
    ArmTimer(watch_timer_, kNextGrace, [this] {
      // The deadline goes on: a worker that never comes back does not stay.
      if (state_ == State::kAnswered) FinishAnswered();
    });
  }

  void FinishAnswered() {
    if (call_ == nullptr) return;
    DrainPipes();
    Finish(result_.outcome == core::InvocationOutcome::kSucceeded ? "" : "error", "");
  }

  // Ends the call with result_. `status` and `error_type` are for the REPORT line.
  void Finish(absl::string_view status, absl::string_view error_type) {
    core::InvocationResult result = std::exchange(result_, {});
    ReadPeak();
    has_answer_ = false;
    result.request_id = RequestId();
    result.revision = function_->revision;
    result.max_memory_used_mib = static_cast<int32_t>((peak_kib_ + 1023) / 1024);
    result.init_duration = std::exchange(init_duration_, std::nullopt);

    log_.EndLines();
    log_.Platform(absl::StrCat("END RequestId: ", RequestId()));
    const double millis = absl::ToDoubleMilliseconds(result.duration);
    std::string report = absl::StrFormat(
        "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\t"
        "Max Memory Used: %d MB",
        RequestId(), millis, static_cast<int64_t>(std::ceil(millis)), function_->config.memory_mib,
        result.max_memory_used_mib);
    if (result.init_duration.has_value()) {
      absl::StrAppendFormat(&report, "\tInit Duration: %.2f ms",
                            absl::ToDoubleMilliseconds(*result.init_duration));
    }
    if (!status.empty()) absl::StrAppend(&report, "\tStatus: ", status);
    if (!error_type.empty()) absl::StrAppend(&report, "\tError Type: ", error_type);
    log_.Platform(report);
    result.log_tail = log_.End();
    begun_ = false;
    std::exchange(call_, nullptr)->Finish(std::move(result));
  }

  void BecomeIdle() {
    state_ = State::kIdle;
    CancelTimer(deadline_timer_);
    CancelTimer(watch_timer_);
    if (retired_) {
      End(EndReason::kRetired);
    } else {
      owner_.OnWorkerIdle(shared_from_this());
    }
  }

  // The worker is gone, and its call is not answered.
  void FinishUnanswered() {
    if (!begun_) Begin();
    result_.outcome = core::InvocationOutcome::kUnhandledError;
    if (was_init_) {
      init_duration_ = clock_.Monotonic() - started_at_;
    } else {
      result_.duration = clock_.Monotonic() - called_at_;
    }
    const std::string id = absl::StrCat("RequestId: ", RequestId(), " Error: ");
    const auto fail = [&](absl::string_view type, absl::string_view message,
                          absl::string_view status) {
      result_.payload = ErrorObject(type, absl::StrCat(id, message));
      Finish(status, status == "timeout" ? "" : type);
    };
    switch (reason_) {
      case EndReason::kTimeout:
      case EndReason::kInitTimeout: {
        const absl::Duration limit = reason_ == EndReason::kTimeout
                                         ? function_->config.timeout
                                         : function_->config.timeout + kInitTimeout;
        const std::string message =
            absl::StrFormat("Task timed out after %.2f seconds", absl::ToDoubleSeconds(limit));
        log_.Platform(absl::StrCat(Timestamp(clock_.Now()), " ", RequestId(), " ", message));
        return fail("Sandbox.Timedout", message, "timeout");
      }
      case EndReason::kCallerDeadline: {
        log_.Platform(absl::StrCat(Timestamp(clock_.Now()), " ", RequestId(),
                                   " Task stopped: its caller's deadline has passed"));
        const CallPtr call = call_;
        call_ = std::make_shared<Call>(call->function, InvokeRequest{}, call->request_id);
        Finish("timeout", "");
        call->Finish(
            MakeError(ErrorReason::kDeadlineExceeded,
                      "The caller's deadline passed before the function ended; its worker was "
                      "stopped."));
        return;
      }
      case EndReason::kOutOfMemory:
        log_.Platform(absl::StrCat(id, "Runtime exited with error: signal: killed"));
        return fail("Runtime.OutOfMemory", "Runtime exited with error: signal: killed", "error");
      case EndReason::kInitFailed: {
        nlohmann::json object =
            nlohmann::json::parse(init_error_, nullptr, /*allow_exceptions=*/false);
        if (!object.is_object())
          object = {{"errorType", "Runtime.Unknown"}, {"errorMessage", "unknown"}};
        object["requestId"] = RequestId();
        const auto type = object.find("errorType");
        const std::string shown =
            type != object.end() && type->is_string() ? type->get<std::string>() : "";
        result_.payload = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        return Finish("error", shown);
      }
      case EndReason::kStopping:
        return fail("Sandbox.Stopped", "The runner was stopped before the function ended", "error");
      case EndReason::kNone:
      case EndReason::kIdle:
      case EndReason::kRetired: {
        const std::string message = DescribeEnd();
        log_.Platform(absl::StrCat(id, message));
        return fail("Runtime.ExitError", message, "error");
      }
    }
  }

  // --- The process

  void Command(char command) {
    // Full or broken: then the supervisor is beyond commands, and its end is what comes next.
    (void)send(control_.native_handle(), &command, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  std::string DescribeEnd() const {
    // Whoever killed the supervisor killed the worker by that.
    return DescribeExit(clean_ ? exit_status_ : SIGKILL);
  }

  void AwaitControl() {
    control_.async_wait(asio::posix::stream_descriptor::wait_read,
                        [self = shared_from_this()](const ErrorCode& error) {
                          if (!error) self->ReadControl();
                        });
  }

  void ReadControl() {
    for (;;) {
      protocol::Report report;
      const ssize_t n = recv(control_.native_handle(), &report, sizeof(report), MSG_DONTWAIT);
      // A reset means that the supervisor ended before it read our last command; what it had to say
      // is still there.
      if (n < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
      if (n < 0 && errno == EAGAIN) {
        AwaitControl();
        return;
      }
      if (n != sizeof(report)) break;
      OnReport(report);
    }
    Ended();
  }

  void OnReport(const protocol::Report& report) {
    switch (report.kind) {
      case protocol::ReportKind::kStarted:
        status_fd_ =
            open(absl::StrCat("/proc/", report.value, "/status").c_str(), O_RDONLY | O_CLOEXEC);
        return;
      case protocol::ReportKind::kNotStarted:
        not_started_ = report.value;
        clean_ = true;
        return;
      case protocol::ReportKind::kMemory:
        peak_kib_ = std::max(peak_kib_, report.memory_kib);
        return;
      case protocol::ReportKind::kOutOfMemory:
        peak_kib_ = std::max(peak_kib_, report.memory_kib);
        if (reason_ == EndReason::kNone) End(EndReason::kOutOfMemory);
        return;
      case protocol::ReportKind::kEnded:
        clean_ = true;
        exit_status_ = report.value;
        peak_kib_ = std::max(peak_kib_, report.memory_kib);
        return;
    }
  }

  void Ended() {
    const bool expected = state_ == State::kEnding;
    const bool was_starting = state_ == State::kStarting;
    state_ = State::kEnded;
    const auto self = shared_from_this();
    if (!expected) owner_.OnWorkerEnding(self);
    while (waitpid(supervisor_, nullptr, 0) < 0 && errno == EINTR) {
    }
    ErrorCode ignored;
    control_.close(ignored);
    CancelTimer(deadline_timer_);
    CancelTimer(watch_timer_);
    api_->Close();
    DrainPipes();
    for (auto& pipe : pipes_) pipe.close(ignored);
    if (call_ != nullptr) {
      if (not_started_ != 0) {
        std::exchange(call_, nullptr)
            ->Finish(MakeError(
                ErrorReason::kRuntimeUnavailable,
                absl::StrCat("The runtime ", function_->config.runtime,
                             " cannot be started: ", strerrordesc_np(not_started_), ".")));
      } else if (reason_ == EndReason::kStopping && was_init_) {
        std::exchange(call_, nullptr)
            ->Finish(
                MakeError(ErrorReason::kShuttingDown, "The runner stops and starts no function."));
      } else if (has_answer_) {
        FinishAnswered();
      } else {
        FinishUnanswered();
      }
    } else if (!expected && !was_starting) {
      log_.EndLines();
      log_.Platform(DescribeEnd());
    }
    log_.EndLines();
    log_.Flush();
    owner_.OnWorkerEnded(self, clean_);
  }

  // Most memory so far, of the main process; of others the supervisor tells.
  void ReadPeak() {
    if (status_fd_ < 0) return;
    char buffer[2048];
    const ssize_t n = pread(status_fd_, buffer, sizeof(buffer) - 1, 0);
    if (n <= 0) return;
    buffer[n] = '\0';
    if (const char* line = strstr(buffer, "\nVmHWM:")) {
      peak_kib_ = std::max<int64_t>(peak_kib_, std::atoll(line + 7));
    }
  }

  // --- The pipes

  core::LogStream Stream(size_t i) const {
    return i == 0 ? core::LogStream::kStdout : core::LogStream::kStderr;
  }

  void AwaitPipe(size_t i) {
    pipes_[i].async_wait(asio::posix::stream_descriptor::wait_read,
                         [self = shared_from_this(), i](const ErrorCode& error) {
                           if (error || !self->pipes_[i].is_open()) return;
                           self->ReadPipe(i, kReadBytes);
                           if (self->watched_ || self->call_ == nullptr) self->log_.Flush();
                           if (self->pipes_[i].is_open()) self->AwaitPipe(i);
                         });
  }

  void ReadPipe(size_t i, size_t bytes) {
    static thread_local std::vector<char> buffer(kReadBytes);
    const ssize_t n =
        read(pipes_[i].native_handle(), buffer.data(), std::min(bytes, buffer.size()));
    if (n > 0) {
      log_.Write(Stream(i), absl::string_view(buffer.data(), static_cast<size_t>(n)));
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      // All its writers have closed it.
      ErrorCode ignored;
      pipes_[i].close(ignored);
    }
  }

  // Reads what is in the pipes now, and not what is being written: so it ends also when somebody
  // writes all the time. A worker's output is in its pipe before its answer comes.
  void DrainPipes() {
    for (size_t i = 0; i < 2; ++i) {
      int left = 0;
      if (!pipes_[i].is_open() || ioctl(pipes_[i].native_handle(), FIONREAD, &left) != 0) continue;
      while (left > 0 && pipes_[i].is_open()) {
        const size_t bytes = std::min<size_t>(static_cast<size_t>(left), kReadBytes);
        ReadPipe(i, bytes);
        left -= static_cast<int>(bytes);
      }
    }
  }

  // --- Timers

  void ArmDeadline(absl::Duration timeout, EndReason reason) {
    absl::Duration patience = absl::InfiniteDuration();
    if (state_ == State::kStarting && call_ != nullptr)
      patience = call_->request.deadline - clock_.Now();
    if (patience < timeout) {
      timeout = patience;
      reason = EndReason::kCallerDeadline;
    }
    ArmTimer(deadline_timer_, timeout, [this, reason] { End(reason); });
  }

  uint64_t& NumberOf(asio::steady_timer& timer) {
    return timer_numbers_[&timer == &watch_timer_ ? 1 : 0];
  }

  template <typename Work>
  void ArmTimer(asio::steady_timer& timer, absl::Duration timeout, Work work) {
    timer.expires_after(absl::ToChronoNanoseconds(std::min(timeout, absl::Hours(24 * 365))));
    // Its number tells a handler that was queued before the timer was armed anew or cancelled that
    // it must not act.
    const uint64_t number = ++NumberOf(timer);
    timer.async_wait([self = shared_from_this(), &timer, number, work](const ErrorCode& error) {
      if (!error && self->NumberOf(timer) == number) work();
    });
  }

  void CancelTimer(asio::steady_timer& timer) {
    ++NumberOf(timer);
    timer.cancel();
  }

  // Constant after construction.
  WorkerOptions options_;
  const core::FunctionPtr function_;
  WorkerOwner& owner_;
  const Clock& clock_;
  asio::io_context& io_;

  std::shared_ptr<RuntimeApi> api_;
  pid_t supervisor_ = -1;
  asio::posix::stream_descriptor control_;
  asio::posix::stream_descriptor pipes_[2];
  asio::steady_timer deadline_timer_;
  asio::steady_timer watch_timer_;
  uint64_t timer_numbers_[2] = {0, 0};
  WorkerLog log_;

  State state_ = State::kStarting;
  EndReason reason_ = EndReason::kNone;
  bool retired_ = false;
  bool clean_ = false;
  bool was_init_ = true;  // no invocation was handed over yet
  int not_started_ = 0;   // errno
  int exit_status_ = 0;
  int status_fd_ = -1;  // /proc/PID/status of the main process
  int64_t peak_kib_ = 0;
  std::string init_error_;
  absl::Duration started_at_;
  std::optional<absl::Duration> init_duration_;  // until an invocation has reported it

  CallPtr call_;
  bool begun_ = false;       // its START line is written
  bool has_answer_ = false;  // it is in result_
  bool watched_ = false;     // the supervisor samples
  absl::Duration called_at_;
  core::InvocationResult result_;  // as far as it is known
};

}  // namespace

absl::StatusOr<std::shared_ptr<Worker>> Worker::Start(asio::io_context& io, WorkerOptions options,
                                                      WorkerOwner& owner, LogSink& sink,
                                                      const Clock& clock, CallPtr call) {
  auto worker =
      std::make_shared<WorkerImpl>(io, std::move(options), owner, sink, clock, std::move(call));
  if (absl::Status status = worker->StartProcess(); !status.ok()) return status;
  return std::shared_ptr<Worker>(std::move(worker));
}

}  // namespace weir::runner::engine
