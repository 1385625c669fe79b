// What becomes of a call that creates its queue when its client goes away, at every point.
#include "services/gateway/sqs/auto_create.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "libs/base/mutex.h"
#include "services/gateway/sqs/shapes.h"

namespace weir::gateway::sqs {
namespace {

using testing::ElementsAre;
using wire::AwsError;
using wire::Outcome;
using wire::Service;
using wire::Value;

constexpr wire::Operation kSend = {"SendMessage", &shapes::kSendMessageInput, &shapes::kSendMessageOutput};
constexpr wire::Operation kCreate = {"CreateQueue", &shapes::kCreateQueueInput, &shapes::kQueueUrlOutput};

AwsError Missing() { return {.code = "QueueDoesNotExist"}; }
AwsError Cancelled() { return {.code = "ServiceUnavailable"}; }
std::string CodeOf(const Outcome& outcome) {
  const auto* error = std::get_if<AwsError>(&outcome);
  return error == nullptr ? "OK" : error->code;
}

// The calls to the queue service, each answered when the test says so.
class Calls {
 public:
  struct One {
    std::string name;
    Service::Done done;
    int cancels = 0;
  };

  StartOnce start() {
    return [this](const wire::Operation& operation, const wire::CallContext&, Value, Service::Done done) {
      const size_t index = all.size();
      all.push_back({std::string(operation.name), std::move(done)});
      if (on_start != nullptr) on_start(index);
      return Service::Cancel([this, index] { ++all[index].cancels; });
    };
  }
  void Answer(size_t index, Outcome outcome) {
    Service::Done done = std::exchange(all[index].done, nullptr);
    done(std::move(outcome));
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const One& call : all) names.push_back(call.name);
    return names;
  }

  std::vector<One> all;
  std::function<void(size_t)> on_start;  // before the call's cancel is known
};

class AutoCreateTest : public testing::Test {
 protected:
  void Start() {
    Value input;
    input.Set("QueueUrl", Value("orders"));
    auto alive = std::make_shared<int>();
    alive_ = alive;
    cancel_ = StartCreatingQueue(calls_.start(), kSend, kCreate, options_, context_, std::move(input),
                                 [this, alive = std::move(alive)](Outcome outcome) { outcomes_.push_back(CodeOf(outcome)); });
  }
  // What the call held is gone with its answer.
  void ExpectAnsweredOnce(const std::string& code) {
    EXPECT_THAT(outcomes_, ElementsAre(code));
    EXPECT_TRUE(alive_.expired());
    cancel_();
    EXPECT_THAT(outcomes_, ElementsAre(code));
  }

  const SqsOptions options_;
  const wire::CallContext context_ = {.account = "000000000000", .region = "us-east-1"};
  Calls calls_;
  std::vector<std::string> outcomes_;
  std::weak_ptr<int> alive_;
  Service::Cancel cancel_;
};

TEST_F(AutoCreateTest, CreatesAndTriesOnceMore) {
  Start();
  calls_.Answer(0, Missing());
  calls_.Answer(1, Value());
  EXPECT_TRUE(outcomes_.empty());
  calls_.Answer(2, Value());
  EXPECT_THAT(calls_.names(), ElementsAre("SendMessage", "CreateQueue", "SendMessage"));
  ExpectAnsweredOnce("OK");
  EXPECT_EQ(calls_.all[2].cancels, 0);
}

TEST_F(AutoCreateTest, CallsMayBeAnsweredBeforeTheyHaveStarted) {
  calls_.on_start = [this](size_t index) { calls_.Answer(index, index == 0 ? Outcome(Missing()) : Outcome(Value())); };
  Start();
  EXPECT_THAT(calls_.names(), ElementsAre("SendMessage", "CreateQueue", "SendMessage"));
  ExpectAnsweredOnce("OK");
}

TEST_F(AutoCreateTest, WhoGoesDuringTheFirstTryCreatesNothing) {
  Start();
  cancel_();
  EXPECT_EQ(calls_.all[0].cancels, 1);
  // The answer was on its way already.
  calls_.Answer(0, Missing());
  EXPECT_THAT(calls_.names(), ElementsAre("SendMessage"));
  ExpectAnsweredOnce("QueueDoesNotExist");
}

TEST_F(AutoCreateTest, WhoGoesDuringTheCreationEndsIt) {
  Start();
  calls_.Answer(0, Missing());
  cancel_();
  EXPECT_EQ(calls_.all[1].cancels, 1);
  calls_.Answer(1, Cancelled());
  EXPECT_THAT(calls_.names(), ElementsAre("SendMessage", "CreateQueue"));
  ExpectAnsweredOnce("ServiceUnavailable");
}

TEST_F(AutoCreateTest, WhoGoesWhenTheQueueWasJustCreatedHasItAndNoMore) {
  Start();
  calls_.Answer(0, Missing());
  cancel_();
  // Too late for the creation: its answer was on its way.
  calls_.Answer(1, Value());
  EXPECT_THAT(calls_.names(), ElementsAre("SendMessage", "CreateQueue"));
  ExpectAnsweredOnce("ServiceUnavailable");
}

TEST_F(AutoCreateTest, WhoGoesWhileTheSecondTryStartsEndsIt) {
  calls_.on_start = [this](size_t index) {
    if (index == 2) cancel_();
  };
  Start();
  calls_.Answer(0, Missing());
  calls_.Answer(1, Value());
  EXPECT_EQ(calls_.all[2].cancels, 1);
  calls_.Answer(2, Cancelled());
  ExpectAnsweredOnce("ServiceUnavailable");
}

TEST_F(AutoCreateTest, WhoGoesWhileTheCreationStartsEndsIt) {
  calls_.on_start = [this](size_t index) {
    if (index == 1) cancel_();
  };
  Start();
  calls_.Answer(0, Missing());
  EXPECT_EQ(calls_.all[1].cancels, 1);
  calls_.Answer(1, Cancelled());
  ExpectAnsweredOnce("ServiceUnavailable");
}

// Answers each call on a thread of its own, as gRPC does, while the client goes on another.
TEST(AutoCreateRaceTest, EachCallIsAnsweredOnceAndLetGoOf) {
  const SqsOptions options;
  const wire::CallContext context;
  for (int round = 0; round < 200; ++round) {
    Mutex mu;
    std::vector<std::thread> threads;
    std::atomic<int> started{0};
    std::atomic<bool> created{false};
    std::atomic<int> tries_after_creation{0};
    const StartOnce start = [&](const wire::Operation& operation, const wire::CallContext&, Value, Service::Done done) {
      const bool creates = &operation == &kCreate;
      const bool first = started.fetch_add(1) == 0;
      if (!first && !creates) ++tries_after_creation;
      const auto cancelled = std::make_shared<std::atomic<bool>>(false);
      MutexLock lock(&mu);
      threads.emplace_back([&created, creates, first, cancelled, done = std::move(done)] {
        if (*cancelled) return done(Cancelled());
        if (creates) created = true;
        done(first ? Outcome(Missing()) : Outcome(Value()));
      });
      return Service::Cancel([cancelled] { *cancelled = true; });
    };
    Notification answered;
    std::string code;
    auto alive = std::make_shared<int>();
    const std::weak_ptr<int> watched = alive;
    Value input;
    input.Set("QueueUrl", Value("orders"));
    const Service::Cancel cancel =
        StartCreatingQueue(start, kSend, kCreate, options, context, std::move(input),
                           [&answered, &code, alive = std::move(alive)](const Outcome& outcome) {
                             code = CodeOf(outcome);
                             answered.Notify();
                           });
    std::thread leaving([&cancel] { cancel(); });
    answered.WaitForNotification();
    leaving.join();
    // A thread starts the next one before it ends.
    for (size_t i = 0;; ++i) {
      std::thread thread;
      {
        MutexLock lock(&mu);
        if (i >= threads.size()) break;
        thread = std::move(threads[i]);
      }
      thread.join();
    }
    EXPECT_TRUE(watched.expired()) << round;
    // Only what was created is tried again.
    EXPECT_LE(tries_after_creation, created ? 1 : 0) << round;
    EXPECT_TRUE(created || code != "OK") << round;
  }
}

}  // namespace
}  // namespace weir::gateway::sqs
