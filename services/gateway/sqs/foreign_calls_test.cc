// Which calls of the queue service an operation on another account's queue makes, and how they end early; over a queue service of the
// test's own.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/mutex.h"
#include "libs/grpcx/channel.h"
#include "libs/grpcx/server.h"
#include "libs/grpcx/status.h"
#include "services/gateway/sqs/sqs_service.h"
#include "weir/queue/v1/queue_service.grpc.pb.h"

namespace weir::gateway::sqs {
namespace {

using queue::v1::QueueService;
using testing::ElementsAre;
using testing::IsEmpty;

// Notes the calls. Reads of a queue can be held: they then end when they are cancelled.
class FakeQueueService final : public QueueService::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetQueue(grpc::CallbackServerContext* context, const queue::v1::GetQueueRequest* request,
                                     queue::v1::GetQueueResponse* response) override {
    MutexLock lock(&mu_);
    calls_.push_back(absl::StrCat("GetQueue ", request->queue().namespace_().account(), "/", request->queue().name()));
    if (held_) return new Held(*this);
    if (!error_.ok()) return Answer(context, grpcx::ToGrpcStatus(error_));
    response->mutable_queue()->mutable_attributes()->set_policy(policy_);
    return Answer(context, grpc::Status::OK);
  }
  grpc::ServerUnaryReactor* SendMessage(grpc::CallbackServerContext* context, const queue::v1::SendMessageRequest*,
                                        queue::v1::SendMessageResponse*) override {
    MutexLock lock(&mu_);
    calls_.push_back("SendMessage");
    return Answer(context, grpc::Status::OK);
  }
  grpc::ServerUnaryReactor* CreateQueue(grpc::CallbackServerContext* context, const queue::v1::CreateQueueRequest*,
                                        queue::v1::CreateQueueResponse*) override {
    MutexLock lock(&mu_);
    calls_.push_back("CreateQueue");
    return Answer(context, grpc::Status::OK);
  }

  void SetPolicy(const std::string& policy) {
    MutexLock lock(&mu_);
    policy_ = policy;
  }
  void SetError(const absl::Status& error) {
    MutexLock lock(&mu_);
    error_ = error;
  }
  void HoldReads() {
    MutexLock lock(&mu_);
    held_ = true;
  }
  void AwaitCalls(size_t count) {
    MutexLock lock(&mu_);
    WEIR_CHECK(mu_.AwaitWithTimeout([&] { return calls_.size() >= count; }, absl::Seconds(30)), "calls");
  }
  void AwaitCancelled(int count) {
    MutexLock lock(&mu_);
    WEIR_CHECK(mu_.AwaitWithTimeout([&] { return cancelled_ >= count; }, absl::Seconds(30)), "a cancelled call");
  }
  std::vector<std::string> calls() {
    MutexLock lock(&mu_);
    return calls_;
  }

 private:
  class Held final : public grpc::ServerUnaryReactor {
   public:
    explicit Held(FakeQueueService& service) : service_(service) {}
    void OnCancel() override {
      {
        MutexLock lock(&service_.mu_);
        ++service_.cancelled_;
      }
      Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }

   private:
    FakeQueueService& service_;
  };

  static grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, const grpc::Status& status) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(status);
    return reactor;
  }

  Mutex mu_;
  std::vector<std::string> calls_;
  std::string policy_;
  absl::Status error_;
  bool held_ = false;
  int cancelled_ = 0;
};

// The answer of an operation, from whatever thread.
class Answered {
 public:
  wire::Service::Done Done() {
    return [this](wire::Outcome outcome) {
      outcome_ = std::move(outcome);
      ++times_;
      done_.Notify();
    };
  }
  // "OK", or the error's code.
  std::string Await() {
    WEIR_CHECK(done_.WaitForNotificationWithTimeout(absl::Seconds(30)), "an answer");
    WEIR_CHECK(times_ == 1, "one answer");
    const auto* error = std::get_if<wire::AwsError>(&outcome_);
    return error == nullptr ? "OK" : error->query_code;
  }

 private:
  Notification done_;
  wire::Outcome outcome_;
  std::atomic<int> times_ = 0;
};

class ForeignCallsTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.AddService(queues_);
    ASSERT_TRUE(server_.Start().ok());
    Open({});
  }
  void TearDown() override {
    sqs_.reset();
    server_.Stop();
  }
  void Open(const SqsOptions& options) { sqs_ = MakeSqsService(grpcx::MakeChannel(server_.address()), options); }

  wire::Service::Cancel Start(const std::string& operation, Answered& answer, const std::string& account = "999999999999") {
    wire::Value input;
    input.Set("QueueUrl", wire::Value("http://localhost/" + account + "/orders"));
    input.Set("QueueName", wire::Value("orders"));
    input.Set("QueueOwnerAWSAccountId", wire::Value(account));
    input.Set("MessageBody", wire::Value("b"));
    input.Set("WaitTimeSeconds", wire::Value(int64_t{20}));
    return sqs_->Start(*sqs_->Find(operation), caller_, std::move(input), answer.Done());
  }
  std::string Ask(const std::string& operation, const std::string& account = "999999999999") {
    Answered answer;
    Start(operation, answer, account);
    return answer.Await();
  }
  static std::string Allowing(const std::string& action) {
    return absl::StrCat(R"({"Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":")", action,
                        R"(","Resource":"arn:aws:sqs:eu-west-1:999999999999:orders"}})");
  }

  const wire::CallContext caller_ = {
      .account = "111122223333", .region = "eu-west-1", .base_url = "http://localhost", .verified = true};
  FakeQueueService queues_;
  grpcx::Server server_{grpcx::ServerOptions()};
  std::unique_ptr<wire::Service> sqs_;
};

TEST_F(ForeignCallsTest, ThePolicyIsReadBeforeTheCall) {
  queues_.SetPolicy(Allowing("sqs:SendMessage"));
  EXPECT_EQ(Ask("SendMessage"), "OK");
  EXPECT_THAT(queues_.calls(), ElementsAre("GetQueue 999999999999/orders", "SendMessage"));
}

TEST_F(ForeignCallsTest, WhatIsNotAllowedIsNotCalled) {
  queues_.SetPolicy(Allowing("sqs:ReceiveMessage"));
  EXPECT_EQ(Ask("SendMessage"), "AccessDenied");
  EXPECT_THAT(queues_.calls(), ElementsAre("GetQueue 999999999999/orders"));
}

TEST_F(ForeignCallsTest, WhatSqsDoesNotShareIsNotEvenAsked) {
  queues_.SetPolicy(Allowing("sqs:*"));
  for (const char* operation : {"DeleteQueue", "SetQueueAttributes", "TagQueue", "ListQueueTags", "AddPermission", "RemovePermission"}) {
    EXPECT_EQ(Ask(operation), "AccessDenied") << operation;
  }
  EXPECT_THAT(queues_.calls(), IsEmpty());
}

TEST_F(ForeignCallsTest, AnOwnersPolicyIsNotAsked) {
  EXPECT_EQ(Ask("SendMessage", "111122223333"), "OK");
  EXPECT_THAT(queues_.calls(), ElementsAre("SendMessage"));
}

TEST_F(ForeignCallsTest, WithoutThePolicyThereIsNoCall) {
  queues_.SetError(MakeError(ErrorReason::kStoreUnavailable, "PostgreSQL cannot be reached."));
  EXPECT_EQ(Ask("SendMessage"), "ServiceUnavailable");
  queues_.SetError(MakeError(ErrorReason::kQueueDoesNotExist, "There is none."));
  EXPECT_EQ(Ask("SendMessage"), "AccessDenied");
  EXPECT_EQ(Ask("GetQueueUrl"), "AWS.SimpleQueueService.NonExistentQueue");
  EXPECT_THAT(queues_.calls(), testing::Each("GetQueue 999999999999/orders"));
}

TEST_F(ForeignCallsTest, NoQueueIsCreatedInAnotherAccount) {
  Open({.auto_create = true});
  queues_.SetError(MakeError(ErrorReason::kQueueDoesNotExist, "There is none."));
  EXPECT_EQ(Ask("GetQueueUrl"), "AWS.SimpleQueueService.NonExistentQueue");
  EXPECT_EQ(Ask("SendMessage"), "AccessDenied");
  EXPECT_THAT(queues_.calls(), testing::Each("GetQueue 999999999999/orders"));
}

TEST_F(ForeignCallsTest, ACallerThatGoesAwayEndsTheReadOfThePolicy) {
  queues_.HoldReads();
  Answered answer;
  const wire::Service::Cancel cancel = Start("SendMessage", answer);
  queues_.AwaitCalls(1);
  cancel();
  queues_.AwaitCancelled(1);
  EXPECT_EQ(answer.Await(), "ServiceUnavailable");
  EXPECT_THAT(queues_.calls(), ElementsAre("GetQueue 999999999999/orders"));
  cancel();
}

TEST_F(ForeignCallsTest, DrainingEndsALongPollWhosePolicyIsBeingRead) {
  queues_.HoldReads();
  Answered receives, sends, receives_later;
  Start("ReceiveMessage", receives);
  Start("SendMessage", sends);
  queues_.AwaitCalls(2);
  sqs_->Drain();
  EXPECT_EQ(receives.Await(), "OK") << "with nothing";
  Start("ReceiveMessage", receives_later);
  EXPECT_EQ(receives_later.Await(), "OK");
  // The end of the service ends the rest.
  sqs_.reset();
  EXPECT_EQ(sends.Await(), "ServiceUnavailable");
  queues_.AwaitCancelled(2);
}

}  // namespace
}  // namespace weir::gateway::sqs
