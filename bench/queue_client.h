// As much of the queue service as workloads need that call it one call at a time. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bench/report.h"
#include "weir/queue/v1/queue_service.grpc.pb.h"

namespace weir::bench {

// One for each of Options::channels, with a TCP connection of its own; dealt out to the targets in turn.
std::vector<std::unique_ptr<queue::v1::QueueService::Stub>> MakeStubs(const Options& options);

// 0 stands for "not sent".
uint64_t IdOfMessage(const std::string& message_id);

class QueueClient {
 public:
  // Of several targets, the first.
  explicit QueueClient(const std::string& target);

  // Waits until the service can be reached. Messages that were received stay hidden for longer than
  // any run.
  absl::Status Create(const std::string& queue);
  absl::Status Delete(const std::string& queue);
  absl::StatusOr<queue::v1::SentMessage> Send(const std::string& queue, const std::string& body);
  // 1 to 10 bodies.
  absl::Status SendBatch(const std::string& queue, const std::vector<std::string>& bodies);
  // Up to 10 messages, or none after the wait.
  absl::StatusOr<queue::v1::ReceiveMessagesResponse> Receive(const std::string& queue,
                                                             absl::Duration wait);
  // 1 to 10 receipts.
  absl::Status DeleteMessages(const std::string& queue, const std::vector<std::string>& receipts);

 private:
  std::unique_ptr<queue::v1::QueueService::Stub> stub_;
};

}  // namespace weir::bench
