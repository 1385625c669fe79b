// `weir up` is killed by kill -9 at random moments, again and again, under load. Whatever was answered holds after the next start,
// nothing that it had started stays behind, and orders on their way into a function get there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "libs/base/mutex.h"
#include "libs/pg/child_process.h"
#include "tests/fault/load.h"
#include "tests/fault/verdict.h"
#include "tests/fault/weir_up.h"
#include "tests/support/ledger.h"
#include "tests/support/pg_fixture.h"
#include "weir/runner/v1/runner_service.grpc.pb.h"

namespace weir {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr absl::Duration kRecovery = absl::Seconds(60);
// What a killed process leaves ends by itself: workers at once, PostgreSQL after a fast shutdown.
constexpr absl::Duration kGone = absl::Seconds(20);

const std::vector<LoadQueue> kQueues = {
    {.name = "dead-letters"},
    {.name = "orders", .dead_letter_queue = "dead-letters", .max_receive_count = 2},
    {.name = "mails", .visibility_timeout = absl::Seconds(1)},
    {.name = "bills", .visibility_timeout = absl::Seconds(3)},
    {.name = "parcels", .dead_letter_queue = "dead-letters", .max_receive_count = 3},
    {.name = "clicks", .visibility_timeout = absl::Seconds(1), .dead_letter_queue = "dead-letters", .max_receive_count = 3, .partitions = 3},
};

class CrashTest : public testing::Test {
 protected:
  void Start() {
    const absl::Status launched = up_.Launch();
    ASSERT_TRUE(launched.ok()) << launched;
    const absl::Status ready = up_.AwaitReady(kRecovery);
    ASSERT_TRUE(ready.ok()) << ready;
    queue_.Set(up_.endpoint("queue"));
    runner_.Set(up_.endpoint("runner"));
  }

  // Lets it run for a while and kills it; sometimes again while it starts. Then starts it.
  void KillAndStart(std::mt19937_64& gen, absl::Duration busy) {
    ASSERT_FALSE(up_.AwaitExit(busy)) << "weir up has ended by itself; it wrote:\n" << up_.Output();
    ProcessSet left = up_.Kill();
    if (absl::Bernoulli(gen, 0.25)) {
      ASSERT_TRUE(up_.Launch().ok());
      const absl::Duration starting = absl::Milliseconds(absl::Uniform(gen, 1, 400));
      ASSERT_FALSE(up_.AwaitExit(starting)) << up_.Output();
      up_.Kill();
    }
    if (absl::Bernoulli(gen, 0.3)) {
      // Nobody comes to clean up.
      EXPECT_THAT(left.AwaitGone(kGone), IsEmpty());
      EXPECT_THAT(ProcessSet::WithEnvironment(up_.marker()).AwaitGone(kGone), IsEmpty());
    }
    ASSERT_NO_FATAL_FAILURE(Start());
    EXPECT_THAT(left.AwaitGone(kGone), IsEmpty()) << "left behind by the former start";
  }

  // Drains, and looks for broken promises.
  void Finish(Load& load, int rounds, uint64_t seed) {
    load.Stop();
    const absl::Status drained = load.Drain(kRecovery);
    ASSERT_TRUE(drained.ok()) << drained;
    ExpectPromisesKept(ledger_, load, seed);
    const Ledger::Totals totals = ledger_.totals();
    EXPECT_GT(totals.acknowledged, 20 * rounds);
    EXPECT_GT(totals.dead_lettered, 0);
    EXPECT_TRUE(up_.Interrupt()) << "weir up does not end on Ctrl-C; it wrote:\n" << up_.Output();
    EXPECT_THAT(ProcessSet::WithEnvironment(up_.marker()).AwaitGone(absl::ZeroDuration()), IsEmpty());
  }

  // A call to the queue service that must succeed.
  template <typename Request, typename Response>
  Response Call(grpc::Status (queue::v1::QueueService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                const Request& request) {
    const auto stub = queue::v1::QueueService::NewStub(queue_.channel());
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    context.set_wait_for_ready(true);
    Response response;
    const grpc::Status status = ((*stub).*method)(&context, request, &response);
    EXPECT_TRUE(status.ok()) << ErrorName(status) << ": " << status.error_message();
    return response;
  }

  TempDir dir_;
  WeirUp up_{dir_.path()};
  Endpoint queue_;
  Endpoint runner_;
  Ledger ledger_;
};

TEST_F(CrashTest, NoPromiseIsBrokenByKills) {
  const uint64_t seed = TestSeed();
  const int rounds = EnvironmentOr("WEIR_CRASH_ROUNDS", 15);
  std::mt19937_64 gen(seed);
  ASSERT_NO_FATAL_FAILURE(Start());
  Load load({.queues = kQueues, .seed = seed}, queue_, ledger_);
  const absl::Status created = load.CreateQueues(absl::Now() + kRecovery);
  ASSERT_TRUE(created.ok()) << created;
  load.Start();
  for (int round = 0; round < rounds; ++round) {
    const absl::Duration start = load.Now();
    ASSERT_NO_FATAL_FAILURE(KillAndStart(gen, absl::Milliseconds(absl::Uniform(gen, 20, 1'000))));
    ledger_.Fault("kill -9 of weir up", {start, load.Now()});
    ASSERT_TRUE(load.AwaitProgress(1, kRecovery)) << "No send succeeds any more; weir up wrote:\n"
                                                  << up_.Output();
  }
  ASSERT_NO_FATAL_FAILURE(Finish(load, rounds, seed));
}

TEST_F(CrashTest, NoPromiseIsBrokenByStopsUnderLoadNorByAPostgresThatDies) {
  const uint64_t seed = TestSeed();
  const int rounds = EnvironmentOr("WEIR_CRASH_ROUNDS", 3);
  std::mt19937_64 gen(seed);
  ASSERT_NO_FATAL_FAILURE(Start());
  Load load({.queues = kQueues, .seed = seed}, queue_, ledger_);
  const absl::Status created = load.CreateQueues(absl::Now() + kRecovery);
  ASSERT_TRUE(created.ok()) << created;
  load.Start();
  for (int round = 0; round < rounds; ++round) {
    const absl::Duration start = load.Now();
    const absl::Duration busy = absl::Milliseconds(absl::Uniform(gen, 20, 1'000));
    ASSERT_FALSE(up_.AwaitExit(busy)) << "weir up has ended by itself; it wrote:\n" << up_.Output();
    if (round % 3 == 2) {
      ASSERT_GT(up_.postgres_pid(), 0);
      ASSERT_EQ(kill(up_.postgres_pid(), SIGKILL), 0);
      ASSERT_TRUE(pg::AwaitExit(up_.postgres_pid(), kGone));
      ledger_.Fault("kill -9 of weir up's PostgreSQL", {start, load.Now()});
      // It starts another one; the ready file is not written anew, so the next round ends weir up.
    } else {
      ASSERT_TRUE(up_.Interrupt()) << "weir up does not end on Ctrl-C; it wrote:\n" << up_.Output();
      EXPECT_THAT(ProcessSet::WithEnvironment(up_.marker()).AwaitGone(absl::ZeroDuration()), IsEmpty());
      ASSERT_NO_FATAL_FAILURE(Start());
      ledger_.Fault("Ctrl-C of weir up", {start, load.Now()});
    }
    ASSERT_TRUE(load.AwaitProgress(20, kRecovery)) << "No send succeeds any more; weir up wrote:\n"
                                                   << up_.Output();
  }
  ASSERT_NO_FATAL_FAILURE(Finish(load, rounds, seed));
}

// ---- A move task ---------------------------------------------------------------------------------------------------------

class MoveTaskCrashTest : public CrashTest {
 protected:
  using Stub = queue::v1::QueueService::Stub;

  void Send(const std::string& queue, int messages) {
    for (int i = 0; i < messages;) {
      queue::v1::SendMessageBatchRequest send;
      send.mutable_queue()->set_name(queue);
      for (; send.entries_size() < 10 && i < messages; ++i) {
        auto& entry = *send.add_entries();
        entry.set_id(absl::StrCat(i));
        entry.mutable_message()->set_body(absl::StrCat("Order", i));
      }
      EXPECT_EQ(Call(&Stub::SendMessageBatch, send).failed_size(), 0);
    }
  }

  queue::v1::MessageMoveTask TaskOf(const std::string& queue) {
    queue::v1::ListMessageMoveTasksRequest list;
    list.mutable_source()->set_name(queue);
    const auto listed = Call(&Stub::ListMessageMoveTasks, list);
    EXPECT_EQ(listed.tasks_size(), 1);
    return listed.tasks_size() == 0 ? queue::v1::MessageMoveTask() : listed.tasks(0);
  }

  int64_t Ready(const std::string& queue) {
    queue::v1::GetQueueRequest get;
    get.mutable_queue()->set_name(queue);
    return Call(&Stub::GetQueue, get).queue().stats().ready();
  }

  // The bodies of all that is ready, with how often each came.
  std::map<std::string, int> ReceiveAll(const std::string& queue) {
    std::map<std::string, int> bodies;
    queue::v1::ReceiveMessagesRequest receive;
    receive.mutable_queue()->set_name(queue);
    receive.set_max_messages(10);
    receive.mutable_visibility_timeout()->set_seconds(600);
    while (true) {
      const auto received = Call(&Stub::ReceiveMessages, receive);
      if (received.messages().empty()) return bodies;
      for (const auto& message : received.messages()) ++bodies[message.body()];
    }
  }
};

TEST_F(MoveTaskCrashTest, EveryLetterIsMovedOnceByATaskThatOutlivesKills) {
  constexpr int kLetters = 1'500;
  const uint64_t seed = TestSeed();
  const int rounds = EnvironmentOr("WEIR_CRASH_ROUNDS", 3);
  std::mt19937_64 gen(seed);
  ASSERT_NO_FATAL_FAILURE(Start());
  Load load({.queues = {{.name = "letters"},
                        {.name = "orders", .dead_letter_queue = "letters", .max_receive_count = 2}}},
            queue_, ledger_);
  ASSERT_TRUE(load.CreateQueues(absl::Now() + kRecovery).ok());
  Send("letters", kLetters);

  queue::v1::StartMessageMoveTaskRequest move;
  move.mutable_source()->set_name("letters");
  move.set_destination_arn("arn:aws:sqs:us-east-1:000000000000:orders");
  move.set_max_messages_per_second(250);  // so that it lasts for some kills
  Call(&Stub::StartMessageMoveTask, move);
  for (int round = 0; round < rounds; ++round) {
    ASSERT_NO_FATAL_FAILURE(KillAndStart(gen, absl::Milliseconds(absl::Uniform(gen, 0, 1'000))));
  }
  const absl::Time give_up = absl::Now() + kRecovery;
  while (TaskOf("letters").status() == queue::v1::MESSAGE_MOVE_TASK_STATUS_RUNNING && absl::Now() < give_up) {
    ASSERT_FALSE(up_.AwaitExit(absl::Milliseconds(50))) << up_.Output();
  }
  const queue::v1::MessageMoveTask task = TaskOf("letters");
  EXPECT_EQ(task.status(), queue::v1::MESSAGE_MOVE_TASK_STATUS_COMPLETED) << task.failure_message();
  // A kill takes the count of what was moved since it was last stored.
  EXPECT_GT(task.messages_moved(), 0);
  EXPECT_LE(task.messages_moved(), kLetters);

  EXPECT_EQ(Ready("letters"), 0);
  const std::map<std::string, int> moved = ReceiveAll("orders");
  EXPECT_EQ(moved.size(), static_cast<size_t>(kLetters));
  for (const auto& [body, times] : moved) EXPECT_EQ(times, 1) << body;
  EXPECT_TRUE(up_.Interrupt()) << "weir up does not end on Ctrl-C; it wrote:\n" << up_.Output();
}

// ---- Orders into a function -----------------------------------------------------------------------------------------------

class FunctionCrashTest : public CrashTest {
 protected:
  using CrashTest::Call;
  template <typename Request, typename Response>
  using Method = grpc::Status (runner::v1::RunnerService::Stub::*)(grpc::ClientContext*, const Request&,
                                                                  Response*);
  template <typename Request, typename Response>
  Response Call(Method<Request, Response> method, const Request& request) {
    const auto stub = runner::v1::RunnerService::NewStub(runner_.channel());
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    Response response;
    const grpc::Status status = ((*stub).*method)(&context, request, &response);
    EXPECT_TRUE(status.ok()) << ErrorName(status) << ": " << status.error_message();
    return response;
  }

  void DeployConsumer(const std::string& orders_file) {
    using Stub = runner::v1::RunnerService::Stub;
    std::string runtime;
    const auto runtimes = Call(&Stub::ListRuntimes, runner::v1::ListRuntimesRequest());
    for (const auto& known : runtimes.runtimes()) {
      if (known.available()) runtime = known.name();
    }
    ASSERT_NE(runtime, "") << "No Python on this machine can run functions.";

    runner::v1::DeployFunctionRequest deploy;
    deploy.mutable_function()->set_name("order-consumer");
    auto& configuration = *deploy.mutable_configuration();
    configuration.set_runtime(runtime);
    configuration.set_handler("order_consumer.lambda_handler");
    configuration.set_concurrency_limit(3);
    configuration.mutable_timeout()->set_seconds(10);
    auto& variables = *configuration.mutable_environment()->mutable_variables();
    variables["ORDERS_FILE"] = orders_file;
    // Should workers be started with an environment of their own, they are found by this all the same.
    variables["WEIR_TEST_RUN"] = up_.marker().substr(up_.marker().find('=') + 1);
    (*deploy.mutable_code()->mutable_inline_files()->mutable_files())["order_consumer.py"] =
        TailOf(WEIR_SOURCE_DIR "/tests/fault/testdata/order_consumer.py");
    Call(&Stub::DeployFunction, deploy);

    runner::v1::CreateEventSourceMappingRequest map;
    map.mutable_function()->set_name("order-consumer");
    map.set_event_source_arn("arn:aws:sqs:us-east-1:000000000000:order-processing");
    map.mutable_configuration()->set_batch_size(5);
    Call(&Stub::CreateEventSourceMapping, map);
  }

  // Sends orders until told to stop; the ids that were acknowledged are the answer.
  std::set<std::string> SendOrders(const Notification& stop) {
    std::set<std::string> acknowledged;
    for (int i = 0; !stop.WaitForNotificationWithTimeout(absl::Milliseconds(5)); ++i) {
      queue::v1::SendMessageRequest send;
      send.mutable_queue()->set_name("order-processing");
      send.mutable_message()->set_body(absl::StrCat("Order", i));
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
      queue::v1::SendMessageResponse response;
      const auto stub = queue::v1::QueueService::NewStub(queue_.channel());
      if (stub->SendMessage(&context, send, &response).ok()) {
        acknowledged.insert(send.message().body());
      }
    }
    return acknowledged;
  }

  // Until the queue has nothing left, in flight or ready.
  bool AwaitQueueEmpty(absl::Duration limit) {
    const absl::Time deadline = absl::Now() + limit;
    queue::v1::GetQueueRequest request;
    request.mutable_queue()->set_name("order-processing");
    while (absl::Now() < deadline) {
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
      queue::v1::GetQueueResponse response;
      const grpc::Status status =
          queue::v1::QueueService::NewStub(queue_.channel())->GetQueue(&context, request, &response);
      const auto& stats = response.queue().stats();
      if (status.ok() && stats.ready() + stats.in_flight() + stats.delayed() == 0) return true;
      if (up_.AwaitExit(absl::Milliseconds(50))) return false;
    }
    return false;
  }
};

TEST_F(FunctionCrashTest, EveryAcknowledgedOrderReachesItsFunctionAndNoWorkerIsLeftBehind) {
  const uint64_t seed = TestSeed();
  const int rounds = EnvironmentOr("WEIR_CRASH_ROUNDS", 4);
  std::mt19937_64 gen(seed);
  const std::string orders_file = dir_.path() + "/orders";
  std::ofstream(orders_file).close();
  ASSERT_EQ(chmod(orders_file.c_str(), 0666), 0);

  ASSERT_NO_FATAL_FAILURE(Start());
  Load load({.queues = {{.name = "order-processing", .visibility_timeout = absl::Seconds(10)}}}, queue_,
            ledger_);
  ASSERT_TRUE(load.CreateQueues(absl::Now() + kRecovery).ok());
  ASSERT_NO_FATAL_FAILURE(DeployConsumer(orders_file));

  Notification stop;
  std::set<std::string> acknowledged;
  std::thread sender([&] { acknowledged = SendOrders(stop); });
  for (int round = 0; round < rounds && !HasFatalFailure(); ++round) {
    // Kills shall meet workers, so wait for what they write first.
    const auto bytes = std::filesystem::file_size(orders_file);
    const absl::Time deadline = absl::Now() + kRecovery;
    while (std::filesystem::file_size(orders_file) == bytes && absl::Now() < deadline &&
           !up_.AwaitExit(absl::Milliseconds(5))) {
    }
    EXPECT_GT(std::filesystem::file_size(orders_file), bytes) << "No order reaches the function; "
                                                              << up_.Output();
    const auto running = ProcessSet::WithEnvironment(up_.marker()).Describe();
    EXPECT_THAT(running, Contains(HasSubstr("python"))) << "What is looked for is not found.";
    EXPECT_THAT(running, Contains(HasSubstr("postgres"))) << "What is looked for is not found.";
    KillAndStart(gen, absl::Milliseconds(absl::Uniform(gen, 0, 700)));
  }
  stop.Notify();
  sender.join();
  ASSERT_TRUE(AwaitQueueEmpty(kRecovery)) << "Orders stay in the queue; weir up wrote:\n" << up_.Output();

  std::set<std::string> processed;
  size_t invocations = 0;
  std::ifstream file(orders_file);
  for (std::string line; std::getline(file, line); ++invocations) processed.insert(line);
  std::vector<std::string> missing;
  std::set_difference(acknowledged.begin(), acknowledged.end(), processed.begin(), processed.end(),
                      std::back_inserter(missing));
  EXPECT_THAT(missing, IsEmpty()) << "acknowledged, and never processed";
  std::printf("%d rounds: %zu orders acknowledged, %zu processed, %zu times\n", rounds,
              acknowledged.size(), processed.size(), invocations);

  EXPECT_TRUE(up_.Interrupt()) << "weir up does not end on Ctrl-C; it wrote:\n" << up_.Output();
  EXPECT_THAT(ProcessSet::WithEnvironment(up_.marker()).AwaitGone(absl::ZeroDuration()), IsEmpty());
}

}  // namespace
}  // namespace weir
