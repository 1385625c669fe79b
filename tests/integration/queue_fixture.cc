#include "tests/integration/queue_fixture.h"

#include "absl/strings/str_cat.h"
#include "libs/grpcx/channel.h"

namespace weir::queue {

void QueueServerUnderTest::Start() {
  auto server = QueueServer::Start({.listen = "127.0.0.1:0",
                                    .database_url = database_url_,
                                    .lease_time = lease_time_,
                                    .sqs_sixty_second_rules = sqs_sixty_second_rules_},
                                   metrics_);
  WEIR_CHECK(server.ok(), server.status().ToString());
  server_ = *std::move(server);
  stub_ = v1::QueueService::NewStub(grpcx::MakeChannel(server_->address()));
}

void QueueServerUnderTest::Stop() { server_.reset(); }

v1::Queue QueueTest::CreateQueue(const std::string& name, const std::string& attributes) {
  return Must(&Stub::CreateQueue,
              Proto<v1::CreateQueueRequest>(
                  absl::StrCat("queue { name: '", name, "' } attributes { ", attributes, " }")))
      .queue();
}

v1::Queue QueueTest::GetQueue(const std::string& name) {
  return Must(&Stub::GetQueue,
              Proto<v1::GetQueueRequest>(absl::StrCat("queue { name: '", name, "' }")))
      .queue();
}

std::string QueueTest::Counts(const std::string& name) {
  const v1::QueueStats stats = GetQueue(name).stats();
  return absl::StrCat(stats.ready(), "/", stats.in_flight(), "/", stats.delayed());
}

v1::SentMessage QueueTest::Send(const std::string& queue, const std::string& body, int delay_s) {
  v1::SendMessageRequest request;
  request.mutable_queue()->set_name(queue);
  request.mutable_message()->set_body(body);
  if (delay_s > 0) request.mutable_message()->mutable_delay()->set_seconds(delay_s);
  return Must(&Stub::SendMessage, request).message();
}

std::vector<v1::ReceivedMessage> QueueTest::Receive(const std::string& queue, int max_messages, int wait_s) {
  return ReceiveWith(queue, absl::StrCat("max_messages: ", max_messages, " wait_time { seconds: ", wait_s, " }"));
}

std::vector<v1::ReceivedMessage> QueueTest::ReceiveWith(const std::string& queue, const std::string& fields) {
  const auto response = Must(&Stub::ReceiveMessages, Proto<v1::ReceiveMessagesRequest>(absl::StrCat(
                                                         "queue { name: '", queue, "' } ", fields)));
  return {response.messages().begin(), response.messages().end()};
}

absl::Status QueueTest::Delete(const std::string& queue, const std::string& receipt_handle) {
  v1::DeleteMessageRequest request;
  request.mutable_queue()->set_name(queue);
  request.set_receipt_handle(receipt_handle);
  return Call(&Stub::DeleteMessage, request).status();
}

absl::Status QueueTest::ChangeVisibility(const std::string& queue, const std::string& receipt_handle, int seconds) {
  v1::ChangeMessageVisibilityRequest request;
  request.mutable_queue()->set_name(queue);
  request.set_receipt_handle(receipt_handle);
  request.mutable_visibility_timeout()->set_seconds(seconds);
  return Call(&Stub::ChangeMessageVisibility, request).status();
}

std::vector<std::string> BodiesOf(const std::vector<v1::ReceivedMessage>& messages) {
  std::vector<std::string> bodies;
  for (const v1::ReceivedMessage& message : messages) bodies.push_back(message.body());
  return bodies;
}

}  // namespace weir::queue
