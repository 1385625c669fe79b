#include "services/runner/engine/worker_pool.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/runner/engine/runtimes.h"
#include "services/runner/engine/worker_pool_testing.h"

namespace weir::runner::engine {
namespace {

using core::InvocationOutcome;
using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// Processes that have this text in their environment.
int ProcessesWith(const std::string& text) {
  int count = 0;
  DIR* proc = opendir("/proc");
  while (const dirent* entry = readdir(proc)) {
    if (std::atol(entry->d_name) <= 0 || std::atol(entry->d_name) == getpid()) continue;
    std::ifstream file(absl::StrCat("/proc/", entry->d_name, "/environ"), std::ios::binary);
    const std::string environment((std::istreambuf_iterator<char>(file)), {});
    if (absl::StrContains(environment, text)) ++count;
  }
  closedir(proc);
  return count;
}

std::string TokenOf(const std::string& data_dir) {
  std::ifstream file(data_dir + "/token");
  std::string token;
  file >> token;
  return token;
}

class WorkerPoolTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = testing::TempDir() + "/worker_pool_XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    std::filesystem::permissions(path, std::filesystem::perms(0755));
    options_.data_dir = path + "/data";
    folder_ = path;
    options_.supervisor = WEIR_BIN_DIR "/weir-supervisor";
  }
  void TearDown() override {
    pool_.reset();
    if (!token_.empty()) {
      EXPECT_EQ(ProcessesWith(token_), 0) << "processes outlive the pool";
    }
    std::filesystem::remove_all(folder_);
  }

  Invoker& Pool() {
    if (pool_ == nullptr) {
      auto pool = MakeWorkerPool(options_, code_, logs_, metrics_, SystemClock());
      if (!pool.ok()) {
        ADD_FAILURE() << pool.status();
        abort();
      }
      pool_ = *std::move(pool);
      token_ = TokenOf(options_.data_dir);
      // Any of them; the other ones have a test of their own.
      for (const RuntimeInfo& runtime : pool_->runtimes()) {
        if (runtime.available) runtime_ = runtime.name;
      }
    }
    return *pool_;
  }

  std::shared_ptr<core::Function> Function(const std::string& source) {
    Pool();
    auto function = MakeFunction(++last_id_, runtime_);
    core::FunctionCode code;
    code.files["app.py"] = source;
    code_.Put(*function, code);
    return function;
  }

  absl::StatusOr<core::InvocationResult> TryInvoke(const core::FunctionPtr& function,
                                                   const std::string& payload = "{}",
                                                   absl::Time deadline = absl::InfiniteFuture()) {
    auto slot = Pool().AcquireSlot(*function, deadline);
    if (!slot.ok()) return slot.status();
    return Pool().Invoke(*std::move(slot), function, {payload, deadline});
  }

  core::InvocationResult Invoke(const core::FunctionPtr& function,
                                const std::string& payload = "{}") {
    auto result = TryInvoke(function, payload);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : core::InvocationResult{};
  }

  // Runs a function once that must fail, and expects the worker's successor to work: answers the
  // error.
  json Fail(const core::InvocationResult& result,
            InvocationOutcome outcome = InvocationOutcome::kUnhandledError) {
    EXPECT_EQ(result.outcome, outcome) << result.payload;
    const json error = json::parse(result.payload, nullptr, false);
    EXPECT_TRUE(error.is_object()) << result.payload;
    return error;
  }

  WorkerPoolOptions options_;
  std::string folder_;
  std::string token_;
  std::string runtime_;
  int64_t last_id_ = 0;
  FakeCodeSource code_;
  FakeLogSink logs_;
  FakeInvokerMetrics metrics_;
  std::unique_ptr<Invoker> pool_;
};

TEST_F(WorkerPoolTest, EchoIsWarmTheSecondTime) {
  const auto function = Function(R"py(
import os
def handler(event, context):
    return [event, os.getpid()]
)py");
  const core::InvocationResult cold = Invoke(function, R"({"a":"ä"})");
  EXPECT_EQ(cold.outcome, InvocationOutcome::kSucceeded) << cold.log_tail;
  EXPECT_TRUE(cold.init_duration.has_value());
  EXPECT_GT(cold.max_memory_used_mib, 1);
  const core::InvocationResult warm = Invoke(function, R"({"a":"ä"})");
  EXPECT_FALSE(warm.init_duration.has_value());
  EXPECT_EQ(warm.payload, cold.payload) << "another process, or another answer";
  EXPECT_EQ(json::parse(warm.payload)[0]["a"], "ä");
  EXPECT_NE(warm.request_id, cold.request_id);
  EXPECT_EQ(code_.reads(), 1);
  EXPECT_EQ(metrics_.invoked(), 2);
  EXPECT_EQ(metrics_.cold(), 1);
}

TEST_F(WorkerPoolTest, ContextAndEnvironment) {
  auto function = Function(R"py(
import os
def handler(event, context):
    left = context.get_remaining_time_in_millis()
    return [context.function_name, context.function_version, context.invoked_function_arn,
            context.memory_limit_in_mb, context.aws_request_id, 0 < left <= 60000,
            dict(os.environ), os.getcwd(), open(os.path.join(os.environ["TMPDIR"], "x"), "w").write("x")]
)py");
  function->config.environment = {{"GREETING", "hello"}, {"LANG", "en"}};
  const core::InvocationResult result = Invoke(function);
  const json answer = json::parse(result.payload);
  ASSERT_TRUE(answer.is_array()) << result.payload;
  EXPECT_EQ(answer[0], "f1");
  EXPECT_EQ(answer[1], "$LATEST");
  EXPECT_EQ(answer[2], "arn:aws:lambda:us-east-1:000000000000:function:f1");
  EXPECT_EQ(answer[3], "256");
  EXPECT_EQ(answer[4], result.request_id);
  EXPECT_EQ(answer[5], true);
  EXPECT_EQ(answer[6]["GREETING"], "hello");
  EXPECT_EQ(answer[6]["LANG"], "en");
  EXPECT_EQ(answer[6]["AWS_REGION"], "us-east-1");
  EXPECT_FALSE(answer[6].contains("HOME"));
  EXPECT_EQ(answer[7], answer[6]["LAMBDA_TASK_ROOT"]);
}

TEST_F(WorkerPoolTest, WhatIsPrintedBelongsToItsInvocation) {
  const auto function = Function(R"py(
import sys, logging, subprocess
print("loading")
logging.getLogger().setLevel(logging.INFO)
def handler(event, context):
    print("out", event)
    sys.stderr.write("err %s\n" % event)
    subprocess.run(["/bin/echo", "child", str(event)])
    logging.info("logged")
    sys.stdout.write("unfinished")
)py");
  for (const std::string event : {"1", "2"}) {
    const core::InvocationResult result = Invoke(function, event);
    const std::vector<std::string> lines = logs_.Of(result.request_id);
    EXPECT_THAT(lines, Contains("out " + event));
    EXPECT_THAT(lines, Contains("err " + event));
    EXPECT_THAT(lines, Contains("child " + event));
    EXPECT_THAT(lines, Contains("unfinished"));
    EXPECT_THAT(lines, Contains(HasSubstr(result.request_id + "\tlogged")));
    EXPECT_EQ(lines.size(), 5u);
    const std::vector<std::string> all = logs_.Of(result.request_id, /*platform=*/true);
    EXPECT_EQ(all.front(), "START RequestId: " + result.request_id + " Version: $LATEST");
    EXPECT_EQ(all[all.size() - 2], "END RequestId: " + result.request_id);
    EXPECT_THAT(all.back(), StartsWith("REPORT RequestId: " + result.request_id + "\tDuration: "));
    EXPECT_THAT(all.back(), HasSubstr("Memory Size: 256 MB\tMax Memory Used: "));
    EXPECT_EQ(absl::StrContains(all.back(), "Init Duration"), event == "1");
    EXPECT_THAT(result.log_tail, HasSubstr("out " + event + "\n"));
  }
  EXPECT_THAT(logs_.Of(""), Contains("loading"));
}

TEST_F(WorkerPoolTest, ExceptionsHaveLambdasShapeAndTheWorkerStays) {
  const auto function = Function(R"py(
def inner():
    raise ValueError("no such order")
def handler(event, context):
    if event == 1:
        inner()
    return {"not json": object()} if event == 2 else float("nan") if event == 3 else "fine"
)py");
  const core::InvocationResult result = Invoke(function, "1");
  const json error = Fail(result);
  EXPECT_EQ(error["errorType"], "ValueError");
  EXPECT_EQ(error["errorMessage"], "no such order");
  EXPECT_EQ(error["requestId"], result.request_id);
  ASSERT_EQ(error["stackTrace"].size(), 2u) << result.payload;
  EXPECT_THAT(error["stackTrace"][0].get<std::string>(),
              HasSubstr("app.py\", line 6, in handler\n    inner()"));
  EXPECT_THAT(logs_.Of(result.request_id), Contains("[ERROR] ValueError: no such order"));

  EXPECT_EQ(Fail(Invoke(function, "2"))["errorType"], "Runtime.MarshalError");
  EXPECT_EQ(Fail(Invoke(function, "3"))["errorType"], "Runtime.MarshalError");
  const core::InvocationResult fine = Invoke(function, "4");
  EXPECT_EQ(fine.payload, "\"fine\"");
  EXPECT_FALSE(fine.init_duration.has_value());
}

TEST_F(WorkerPoolTest, FunctionsThatDoNotLoad) {
  const struct {
    const char* source;
    const char* handler;
    const char* type;
    const char* message;
  } kCases[] = {
      {"import no_such_module", "app.handler", "Runtime.ImportModuleError",
       "Unable to import module 'app': No module named 'no_such_module'"},
      {"def other(): pass", "app.handler", "Runtime.HandlerNotFound",
       "Handler 'handler' missing on module 'app'"},
      {"def handler(:", "app.handler", "Runtime.UserCodeSyntaxError",
       "Syntax error in module 'app'"},
      {"", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler'"},
      {"", "nowhere.handler", "Runtime.ImportModuleError", "Unable to import module 'nowhere'"},
      {"raise RuntimeError('at load')", "app.handler", "RuntimeError", "at load"},
      {"import sys; sys.exit(3)", "app.handler", "Runtime.ExitError",
       "Error: Runtime exited with error: exit status 3"},
  };
  for (const auto& test : kCases) {
    auto function = Function(test.source);
    function->config.handler = test.handler;
    const core::InvocationResult result = Invoke(function);
    const json error = Fail(result);
    EXPECT_EQ(error["errorType"], test.type) << test.source;
    EXPECT_THAT(error["errorMessage"].get<std::string>(), HasSubstr(test.message));
    EXPECT_THAT(result.payload, HasSubstr(result.request_id));
  }
}

TEST_F(WorkerPoolTest, HandlersInFolders) {
  for (const std::string handler : {"pkg/sub/mod.handler", "pkg.sub.mod.handler"}) {
    auto function = Function("");
    core::FunctionCode code;
    code.files["pkg/sub/mod.py"] = "def handler(event, context): return 42";
    code_.Put(*function, code);
    function->config.handler = handler;
    EXPECT_EQ(Invoke(function).payload, "42");
  }
}

TEST_F(WorkerPoolTest, TimeoutKillsWithAllDescendants) {
  auto function = Function(R"py(
import os, signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def handler(event, context):
    if event == "fine":
        return 1
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork() > 0:
                os._exit(0)
            signal.pause()
    subprocess.Popen(["/bin/sleep", "1000"], env={}, start_new_session=True)
    print("forked")
    signal.pause()
)py");
  function->config.timeout = absl::Seconds(1);
  const core::InvocationResult result = Invoke(function);
  const json error = Fail(result);
  EXPECT_EQ(error["errorType"], "Sandbox.Timedout");
  EXPECT_EQ(error["errorMessage"],
            "RequestId: " + result.request_id + " Error: Task timed out after 1.00 seconds");
  EXPECT_THAT(logs_.Of(result.request_id), Contains("forked"));
  EXPECT_THAT(logs_.Of(result.request_id, true),
              Contains(HasSubstr(result.request_id + " Task timed out after 1.00 seconds")));
  // The supervisor itself may take a moment to end, its workers not.
  EXPECT_EQ(ProcessesWith("AWS_LAMBDA_FUNCTION_NAME=f1"), 0);
  EXPECT_EQ(Invoke(function, "\"fine\"").payload, "1");
}

TEST_F(WorkerPoolTest, CallersDeadlineStopsTheWorker) {
  const auto function = Function("import signal\ndef handler(event, context): signal.pause()");
  const auto result = TryInvoke(function, "{}", absl::Now() + absl::Milliseconds(1500));
  EXPECT_EQ(ReasonOf(result.status()), ErrorReason::kDeadlineExceeded);
  EXPECT_EQ(ProcessesWith("AWS_LAMBDA_FUNCTION_NAME=f1"), 0);
  EXPECT_EQ(ReasonOf(TryInvoke(function, "{}", absl::Now() - absl::Seconds(1)).status()),
            ErrorReason::kDeadlineExceeded);
}

TEST_F(WorkerPoolTest, TooMuchMemoryKills) {
  auto function = Function(R"py(
import os, signal, threading
def handler(event, context):
    if event == "alone":
        hoard = []
        while True:
            hoard.append(bytearray(1 << 20))
            threading.Event().wait(0.001)
    if event == "together":
        for _ in range(4):
            if os.fork() == 0:
                hoard = os.urandom(60 << 20)
                signal.pause()
        signal.pause()
    hoard = b"x" * (70 << 20)
    children = []
    for _ in range(4):  # they share what they have not written to
        pid = os.fork()
        if pid == 0:
            threading.Event().wait(0.3)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    return "fine"
)py");
  function->config.memory_mib = 128;
  for (const std::string event : {"\"alone\"", "\"together\""}) {
    const core::InvocationResult result = Invoke(function, event);
    const json error = Fail(result);
    EXPECT_EQ(error["errorType"], "Runtime.OutOfMemory") << event;
    EXPECT_EQ(error["errorMessage"], "RequestId: " + result.request_id +
                                         " Error: Runtime exited with error: signal: killed");
    EXPECT_GT(result.max_memory_used_mib, 128);
    EXPECT_EQ(ProcessesWith("AWS_LAMBDA_FUNCTION_NAME=f1"), 0);
  }
  EXPECT_EQ(Invoke(function, "\"shared\"").payload, "\"fine\"");
}

TEST_F(WorkerPoolTest, CrashesAreExitErrors) {
  const auto function = Function(R"py(
import os, sys, signal
def handler(event, context):
    print("last words")
    if event == 1: sys.exit(7)
    if event == 2: os._exit(1)
    if event == 3: os.kill(os.getpid(), signal.SIGSEGV)
    if event == 4: sys.exit(0)
    if event == 5: os.closerange(0, 256)
    return "fine"
)py");
  const std::map<std::string, std::string> kMessages = {
      {"1", "Runtime exited with error: exit status 7"},
      {"2", "Runtime exited with error: exit status 1"},
      {"3", "Runtime exited with error: signal: segmentation fault"},
      {"4", "Runtime exited without providing a reason"},
      {"5", "Runtime exited with error: exit status 1"},
  };
  for (const auto& [event, message] : kMessages) {
    const core::InvocationResult result = Invoke(function, event);
    const json error = Fail(result);
    EXPECT_EQ(error["errorType"], "Runtime.ExitError");
    EXPECT_EQ(error["errorMessage"], "RequestId: " + result.request_id + " Error: " + message);
    EXPECT_THAT(logs_.Of(result.request_id), Contains("last words"));
  }
  EXPECT_EQ(Invoke(function, "7").payload, "\"fine\"");
}

TEST_F(WorkerPoolTest, AFunctionThatKillsItsSupervisorLeavesNothing) {
  const auto function = Function(R"py(
import os, signal
def handler(event, context):
    if event == 1:
        return os.stat("/proc/%d" % os.getppid()).st_uid == os.getuid()  # else it cannot
    if os.fork() == 0:
        os.setsid()
        signal.pause()
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()
)py");
  if (Invoke(function, "1").payload != "true") GTEST_SKIP() << "workers run as another user";
  const core::InvocationResult result = Invoke(function, "2");
  EXPECT_EQ(Fail(result)["errorMessage"], "RequestId: " + result.request_id +
                                              " Error: Runtime exited with error: signal: killed");
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (ProcessesWith(token_) > 0 && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_EQ(ProcessesWith(token_), 0);
  EXPECT_EQ(Invoke(function, "1").payload, "true");
}

TEST_F(WorkerPoolTest, ACrashWhileIdleIsReplaced) {
  const auto function = Function(R"py(
import os, threading
def handler(event, context):
    reader, writer = os.pipe()
    threading.Thread(target=lambda: (os.read(reader, 1), os._exit(1))).start()
    return "/proc/%d/fd/%d" % (os.getpid(), writer)
)py");
  const std::string fifo = json::parse(Invoke(function).payload);
  const int fd = open(fifo.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0) << fifo;
  ASSERT_EQ(write(fd, "x", 1), 1);
  close(fd);
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (ProcessesWith("AWS_LAMBDA_FUNCTION_NAME=f1") > 0 && absl::Now() < deadline)
    std::this_thread::yield();
  // Until the pool has heard of it, it may give the dead worker an invocation, which then is an
  // ExitError.
  core::InvocationResult result = Invoke(function);
  if (result.outcome != InvocationOutcome::kSucceeded) result = Invoke(function);
  EXPECT_EQ(result.outcome, InvocationOutcome::kSucceeded);
  EXPECT_TRUE(result.init_duration.has_value());
}

TEST_F(WorkerPoolTest, FloodsAndClosedStreams) {
  const auto function = Function(R"py(
import os, sys
def handler(event, context):
    if event == "flood":
        for i in range(200000):
            print("x" * 100)
        os.write(2, b"y" * 5000000)
    if event == "binary":
        os.write(1, b"\xff\xfe\x00 broken\n")
    if event == "close":
        sys.stdout.close()
        os.close(1)
    return len(event)
)py");
  const core::InvocationResult flood = Invoke(function, "\"flood\"");
  EXPECT_EQ(flood.payload, "5");
  EXPECT_EQ(absl::StrJoin(logs_.Of(flood.request_id), "\n").size() >> 20, 0u);
  EXPECT_THAT(logs_.Of(flood.request_id, true), Contains(HasSubstr("is left out")));
  EXPECT_LE(flood.log_tail.size(), 4096u);
  const core::InvocationResult binary = Invoke(function, "\"binary\"");
  EXPECT_THAT(logs_.Of(binary.request_id),
              ElementsAre("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD broken"));
  EXPECT_EQ(Invoke(function, "\"close\"").payload, "5");
  EXPECT_EQ(Invoke(function, "\"after\"").payload, "5");
}

TEST_F(WorkerPoolTest, PayloadsOf6MiB) {
  const auto function =
      Function("def handler(event, context): return event + event if len(event) < 5e6 else event");
  const std::string large = "\"" + std::string((6 << 20) - 2, 'x') + "\"";
  EXPECT_EQ(Invoke(function, large).payload, large);
  const json error = Fail(Invoke(function, "\"" + std::string(4 << 20, 'x') + "\""));
  EXPECT_EQ(error["errorType"], "Function.ResponseSizeTooLarge");
  EXPECT_FALSE(Invoke(function, "\"x\"").init_duration.has_value());
}

TEST_F(WorkerPoolTest, RuntimeApiRefusesWhatDoesNotFit) {
  const auto function = Function(R"py(
import http.client, os
def ask(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/" + path, body, headers)
    answer = connection.getresponse()
    return [answer.status, answer.read().decode()]
def handler(event, context):
    mine = "invocation/%s/" % context.aws_request_id
    return [ask("GET", "invocation/next"), ask("POST", "invocation/x/response", "1"),
            ask("POST", "init/error", "{}"), ask("GET", "nothing"),
            ask("POST", mine + "response", b"x" * (6 * 1024 * 1024 + 1))]
)py");
  const json answer = json::parse(Invoke(function).payload);
  ASSERT_EQ(answer.size(), 5u);
  EXPECT_EQ(answer[0][0], 403);
  EXPECT_THAT(answer[0][1].get<std::string>(), HasSubstr("InvalidStateTransition"));
  EXPECT_EQ(answer[1][0], 400);
  EXPECT_THAT(answer[1][1].get<std::string>(), HasSubstr("InvalidRequestID"));
  EXPECT_EQ(answer[2][0], 403);
  EXPECT_EQ(answer[3][0], 404);
  EXPECT_EQ(answer[4][0], 413);
  EXPECT_THAT(answer[4][1].get<std::string>(), HasSubstr("RequestEntityTooLarge"));
}

TEST_F(WorkerPoolTest, ChunkedAnswersWithTrailers) {
  const auto function = Function(R"py(
import os, socket
def handler(event, context):
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    s = socket.create_connection((host, int(port)))
    trailers = "Lambda-Runtime-Function-Error-Type: Broken.Pipe\r\n" if event == "broken" else "X-Any: 1\r\n"
    s.sendall(("POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\n"
               "Transfer-Encoding: chunked\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n"
               "Trailer: X-Any\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n%s\r\n" % (context.aws_request_id, trailers)).encode())
    s.recv(100)
    os._exit(0)
)py");
  const core::InvocationResult whole = Invoke(function, "1");
  EXPECT_EQ(whole.outcome, InvocationOutcome::kSucceeded);
  EXPECT_EQ(whole.payload, "[1,2]");
  EXPECT_EQ(Fail(Invoke(function, "\"broken\""))["errorType"], "Broken.Pipe");
}

TEST_F(WorkerPoolTest, ConcurrencyLimitHolds) {
  auto function = Function("import threading\ndef handler(event, context): return 1");
  function->config.concurrency_limit = 2;
  auto first = Pool().TryAcquireSlot(*function);
  auto second = Pool().TryAcquireSlot(*function);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(ReasonOf(Pool().TryAcquireSlot(*function).status()), ErrorReason::kTooManyRequests);
  EXPECT_EQ(metrics_.refused(), 1);
  EXPECT_EQ(ReasonOf(Pool().AcquireSlot(*function, absl::Now() + absl::Milliseconds(1)).status()),
            ErrorReason::kDeadlineExceeded);
  std::thread waiter(
      [&] { EXPECT_TRUE(Pool().AcquireSlot(*function, absl::InfiniteFuture()).ok()); });
  first = Slot();
  waiter.join();
  EXPECT_TRUE(Pool().TryAcquireSlot(*function).ok());
}

TEST_F(WorkerPoolTest, ManyAtATimeEvictTheIdle) {
  options_.max_workers = 3;
  const auto a = Function(
      "import os, threading\ndef handler(event, context):\n  threading.Event().wait(event)\n  "
      "return os.getpid()");
  const auto b = Function("def handler(event, context): return 'b'");
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back(
        [&] { EXPECT_EQ(Invoke(a, "0.05").outcome, InvocationOutcome::kSucceeded); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(metrics_.cold(), 3);
  EXPECT_EQ(Invoke(b).payload, "\"b\"");
  EXPECT_EQ(Invoke(b).payload, "\"b\"");
}

TEST_F(WorkerPoolTest, IdleWorkersEnd) {
  options_.idle_worker_timeout = absl::Milliseconds(100);
  const auto function = Function("def handler(event, context): return 1");
  Invoke(function);
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (ProcessesWith(token_) > 0 && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_EQ(ProcessesWith(token_), 0);
  EXPECT_TRUE(Invoke(function).init_duration.has_value());
}

TEST_F(WorkerPoolTest, RetireEndsOtherRevisionsAndRemovesTheirCode) {
  auto function = Function("def handler(event, context): return 'old'");
  EXPECT_EQ(Invoke(function).payload, "\"old\"");
  auto changed = std::make_shared<core::Function>(*function);
  changed->revision = core::Revision(2);
  core::FunctionCode code;
  code.files["app.py"] = "def handler(event, context): return 'new'";
  code_.Put(*changed, code);
  Pool().Retire(function->id, core::Revision(2));
  const core::InvocationResult result = Invoke(changed);
  EXPECT_EQ(result.payload, "\"new\"");
  EXPECT_EQ(result.revision, core::Revision(2));
  Pool().Retire(function->id, core::Revision());
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  const auto any_code = [this] {
    return std::filesystem::directory_iterator(options_.data_dir + "/code") !=
           std::filesystem::directory_iterator();
  };
  while ((ProcessesWith(token_) > 0 || any_code()) && absl::Now() < deadline)
    std::this_thread::yield();
  EXPECT_EQ(ProcessesWith(token_), 0);
  EXPECT_FALSE(any_code());
}

TEST_F(WorkerPoolTest, StopLetsInvocationsEndAndRefusesNewOnes) {
  const auto function = Function(
      "import threading\ndef handler(event, context): threading.Event().wait(event); return 1");
  Invoke(function, "0");
  absl::StatusOr<core::InvocationResult> short_one;
  absl::StatusOr<core::InvocationResult> long_one;
  Slot slot1 = *Pool().TryAcquireSlot(*function);
  Slot slot2 = *Pool().TryAcquireSlot(*function);
  std::thread one([&] { short_one = Pool().Invoke(std::move(slot1), function, {"0.3"}); });
  std::thread two([&] { long_one = Pool().Invoke(std::move(slot2), function, {"1000"}); });
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (ProcessesWith("AWS_LAMBDA_FUNCTION_NAME=f1") < 2 && absl::Now() < deadline)
    std::this_thread::yield();
  Pool().Stop(absl::Seconds(2));
  one.join();
  two.join();
  ASSERT_TRUE(short_one.ok()) << short_one.status();
  EXPECT_EQ(short_one->payload, "1");
  ASSERT_TRUE(long_one.ok()) << long_one.status();
  EXPECT_EQ(Fail(*long_one)["errorType"], "Sandbox.Stopped");
  EXPECT_EQ(ReasonOf(Pool().TryAcquireSlot(*function).status()), ErrorReason::kShuttingDown);
  EXPECT_EQ(ReasonOf(Pool().AcquireSlot(*function, absl::InfiniteFuture()).status()),
            ErrorReason::kShuttingDown);
  EXPECT_EQ(ProcessesWith(token_), 0);
  Pool().Stop(absl::ZeroDuration());
}

TEST_F(WorkerPoolTest, NothingIsLeftOfAKilledRunner) {
  int out[2];
  ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  std::string victim =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "worker_pool_test_victim";
  char* argv[] = {victim.data(), options_.data_dir.data(), nullptr};
  pid_t pid = 0;
  ASSERT_EQ(posix_spawn(&pid, victim.c_str(), &actions, nullptr, argv, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]);
  char buffer[16] = {};
  ASSERT_GT(read(out[0], buffer, sizeof(buffer)), 0) << "the helper did not get ready";
  close(out[0]);
  const std::string token = TokenOf(options_.data_dir);
  ASSERT_EQ(token.size(), 32u);
  ASSERT_GE(ProcessesWith(token), 4);
  // A second runner on the same folder would take its code away.
  EXPECT_FALSE(MakeWorkerPool(options_, code_, logs_, metrics_, SystemClock()).ok());
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (ProcessesWith(token) > 0 && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_EQ(ProcessesWith(token), 0);
}

TEST_F(WorkerPoolTest, LeftoversAreKilledAtStart) {
  Pool();
  const std::string token = token_;
  pool_.reset();
  std::string sleeper = "/bin/sleep";
  std::string time = "1000";
  std::string variable = "WEIR_RUNNER=" + token;
  char* argv[] = {sleeper.data(), time.data(), nullptr};
  char* envp[] = {variable.data(), nullptr};
  pid_t pid = 0;
  ASSERT_EQ(posix_spawn(&pid, sleeper.c_str(), nullptr, nullptr, argv, envp), 0);
  Pool();
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST_F(WorkerPoolTest, IdleWorkersUseNoProcessorTime) {
  const auto function = Function("def handler(event, context): return 1");
  for (int i = 0; i < 3; ++i) Invoke(function);
  const auto cpu = [] {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
  };
  const absl::Duration before = cpu();
  Notification().WaitForNotificationWithTimeout(
      absl::Milliseconds(500));  // this is what is measured
  EXPECT_LT(cpu() - before, absl::Milliseconds(5));
}

TEST_F(WorkerPoolTest, EveryRuntimeFoundRunsFunctions) {
  for (const RuntimeInfo& runtime : Pool().runtimes()) {
    if (!runtime.available) {
      EXPECT_FALSE(runtime.unavailable_reason.empty()) << runtime.name;
      continue;
    }
    auto function = Function(
        "import sys\ndef handler(event, context): return 'python%d.%d' % sys.version_info[:2]");
    function->config.runtime = runtime.name;
    EXPECT_EQ(Invoke(function).payload, "\"" + runtime.name + "\"") << runtime.interpreter;
  }
  auto function = Function("");
  function->config.runtime = "python2.7";
  const absl::Status status = TryInvoke(function).status();
  EXPECT_EQ(ReasonOf(status), ErrorReason::kRuntimeUnavailable);
  EXPECT_THAT(MetadataOf(status)["available"], HasSubstr(runtime_));
}

TEST_F(WorkerPoolTest, RuntimesThatAreNotThereSayWhy) {
  options_.runtimes = {{"python3.1", ""}, {"mine", "/no/such/python"}, {"wrong", "/bin/true"}};
  const std::vector<RuntimeInfo>& runtimes = Pool().runtimes();
  ASSERT_EQ(runtimes.size(), 3u);
  for (const RuntimeInfo& runtime : runtimes) EXPECT_FALSE(runtime.available);
  EXPECT_THAT(runtimes[0].unavailable_reason, HasSubstr("No python3.1 was found"));
  EXPECT_THAT(runtimes[1].unavailable_reason, HasSubstr("/no/such/python"));
  EXPECT_THAT(runtimes[2].unavailable_reason, HasSubstr("does not run"));
}

TEST_F(WorkerPoolTest, CandidatesPutShimsLast) {
  const auto make = [this](const std::string& path) {
    const std::string whole = folder_ + "/" + path;
    std::filesystem::create_directories(std::filesystem::path(whole).parent_path());
    std::ofstream(whole) << "";
    std::filesystem::permissions(whole, std::filesystem::perms(0755));
    return whole;
  };
  const std::string shim = make("pyenv/shims/python3.77");
  const std::string older = make("pyenv/versions/3.77.2/bin/python3.77");
  const std::string newer = make("pyenv/versions/3.77.10/bin/python3.77");
  const std::string other = make("bin/python3.77");
  make("pyenv/versions/3.7.1/bin/python3.7");
  EXPECT_THAT(
      InterpreterCandidates({"python3.77", ""}, folder_ + "/pyenv/shims:" + folder_ + "/bin",
                            {folder_ + "/pyenv"}),
      ElementsAre(other, newer, older, shim));
  EXPECT_THAT(InterpreterCandidates({"python3.77", older}, "", {}), ElementsAre(older));
  EXPECT_THAT(InterpreterCandidates({"python3.77", "/none"}, "", {}), IsEmpty());
}

}  // namespace
}  // namespace weir::runner::engine
