// A queue service in this process, on a database of its own, and a client of it.
//
//   TEST_F(QueueTest, …) {
//     CreateQueue("jobs");
//     Send("jobs", "body");
//     EXPECT_THAT(BodiesOf(Receive("jobs")), ElementsAre("body"));
//   }
//
// Every call has a deadline. What a test expects to succeed is checked where it is called; for the rest there is Call, which answers
// a Status with reason and metadata (ReasonOf, MetadataOf).
#pragma once

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/grpcx/status.h"
#include "libs/observe/metrics.h"
#include "services/queue/service.h"
#include "tests/support/pg_fixture.h"
#include "weir/queue/v1/queue_service.grpc.pb.h"

namespace weir::queue {

// A message of protobuf from its text form.
template <typename Message>
Message Proto(const std::string& text) {
  Message message;
  WEIR_CHECK(google::protobuf::TextFormat::ParseFromString(text, &message), text);
  return message;
}

// A server that can be stopped and started again on the same database.
class QueueServerUnderTest {
 public:
  explicit QueueServerUnderTest(std::string database_url, absl::Duration lease_time = absl::Seconds(10),
                                bool sqs_sixty_second_rules = false)
      : database_url_(std::move(database_url)),
        lease_time_(lease_time),
        sqs_sixty_second_rules_(sqs_sixty_second_rules) {
    Start();
  }
  void Start();
  void Stop();

  using Stub = v1::QueueService::Stub;
  Stub& stub() { return *stub_; }
  const std::string address() const { return server_->address(); }

  // One call, such as Call(&Stub::SendMessage, request).
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request, absl::Duration timeout = absl::Seconds(30)) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    Response response;
    const absl::Status status =
        grpcx::FromGrpcStatus((stub_.get()->*method)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

 private:
  const std::string database_url_;
  const absl::Duration lease_time_;
  const bool sqs_sixty_second_rules_;
  observe::Metrics metrics_;
  std::unique_ptr<QueueServer> server_;
  std::unique_ptr<Stub> stub_;
};

class QueueTest : public PgTest {
 protected:
  using Stub = QueueServerUnderTest::Stub;

  void SetUp() override { server_ = std::make_unique<QueueServerUnderTest>(dsn()); }
  void TearDown() override { server_.reset(); }

  void StopServer() { server_->Stop(); }
  void StartServer() { server_->Start(); }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request, absl::Duration timeout = absl::Seconds(30)) {
    return server_->Call(method, request, timeout);
  }
  // One that must succeed.
  template <typename Request, typename Response>
  Response Must(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                const Request& request) {
    absl::StatusOr<Response> response = server_->Call(method, request);
    WEIR_CHECK(response.ok(), response.status().ToString());
    return *std::move(response);
  }

  // `attributes` in text form.
  v1::Queue CreateQueue(const std::string& name, const std::string& attributes = "");
  v1::Queue GetQueue(const std::string& name);
  // "ready/in flight/delayed"
  std::string Counts(const std::string& name);
  v1::SentMessage Send(const std::string& queue, const std::string& body, int delay_s = 0);
  std::vector<v1::ReceivedMessage> Receive(const std::string& queue, int max_messages = 10, int wait_s = 0);
  // Further fields of the request in text form.
  std::vector<v1::ReceivedMessage> ReceiveWith(const std::string& queue, const std::string& fields);
  absl::Status Delete(const std::string& queue, const std::string& receipt_handle);
  absl::Status ChangeVisibility(const std::string& queue, const std::string& receipt_handle, int seconds);

  std::unique_ptr<QueueServerUnderTest> server_;
};

std::vector<std::string> BodiesOf(const std::vector<v1::ReceivedMessage>& messages);

}  // namespace weir::queue
