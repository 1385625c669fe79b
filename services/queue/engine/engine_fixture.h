// The engine over the store in memory that can fail, and verbs to use it, for tests: real threads, real waits, no sleeps. Time in
// deadlines is the machine's.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/error.h"
#include "services/queue/engine/queue_engine.h"
#include "services/queue/store/faulty/faulty_queue_store.h"
#include "services/queue/store/memory/memory_queue_store.h"

namespace weir::queue::engine {

inline absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

inline core::ContentPtr Content(const std::string& body) {
  auto content = std::make_shared<core::MessageContent>();
  content->message_id = body;
  content->body = body;
  return content;
}

class EngineTest : public testing::Test {
 protected:
  EngineTest()
      : store_(SystemClock()), leases_(store_, faults_), logs_(store_, faults_), move_tasks_(store_, faults_) {
    Restart();
  }

  void Restart(ShardOptions options = {}) {
    engine_.reset();
    engine_ = std::make_unique<QueueEngine>(EngineOptions{.shards = 2, .shard = options}, store_,
                                            leases_, logs_, move_tasks_, SystemClock(), metrics_);
    const absl::Status started = engine_->Start("here", Soon());
    ASSERT_TRUE(started.ok()) << started;
  }

  QueueInfoPtr CreateQueue(const std::string& name, store::QueueAttributes attributes = {}) {
    return engine_->registry()
        .Create({.account = "000000000000", .region = "us-east-1", .name = name}, attributes, Soon())
        .value();
  }

  ShardEngine& Shard(const QueueInfo& queue) { return engine_->local(queue.address.shard); }

  std::future<core::Reply> Submit(const QueueInfo& queue, core::Command command) {
    auto promise = std::make_shared<std::promise<core::Reply>>();
    std::future<core::Reply> future = promise->get_future();
    const auto submitted = engine_->shard(queue.address.shard).Submit(std::move(command), [promise](core::Reply reply) {
      promise->set_value(std::move(reply));
      return true;
    });
    if (!submitted.ok()) promise->set_value(submitted.status());
    return future;
  }

  absl::Status Send(const QueueInfo& queue, const std::vector<std::string>& bodies) {
    core::Send send{.partition = queue.address.partition, .config = queue.config};
    for (const std::string& body : bodies) send.messages.push_back({.content = Content(body)});
    const core::Reply reply = Submit(queue, std::move(send)).get();
    const auto* status = std::get_if<absl::Status>(&reply);
    return status == nullptr ? absl::OkStatus() : *status;
  }

  core::Receive ReceiveCommand(const QueueInfo& queue, int max,
                               absl::Duration wait = absl::ZeroDuration()) {
    core::Receive receive{.partition = queue.address.partition, .config = queue.config,
                          .max_messages = max};
    if (wait > absl::ZeroDuration()) receive.wait_until = engine_->Now() + wait;
    return receive;
  }

  core::ReceiveReply Receive(const QueueInfo& queue, int max,
                             absl::Duration wait = absl::ZeroDuration()) {
    return std::get<core::ReceiveReply>(Submit(queue, ReceiveCommand(queue, max, wait)).get());
  }

  static std::vector<std::string> Bodies(const core::ReceiveReply& reply) {
    std::vector<std::string> bodies;
    for (const auto& message : reply.messages) bodies.push_back(message.content->body);
    return bodies;
  }

  void Delete(const QueueInfo& queue, const core::ReceiveReply& received) {
    core::Delete command{.partition = queue.address.partition};
    for (const auto& message : received.messages) {
      command.receipts.push_back({message.seq, message.receive_count});
    }
    std::get<core::DeleteReply>(Submit(queue, std::move(command)).get());
  }

  core::PartitionStats Stats(const QueueInfo& queue) { return engine_->Stats(queue, Soon()).value(); }

  store::FaultInjector faults_;
  store::MemoryQueueStore store_;
  store::FaultyLeaseStore leases_;
  store::FaultyShardLogFactory logs_;
  store::FaultyMoveTaskStore move_tasks_;
  NoEngineMetrics metrics_;
  std::unique_ptr<QueueEngine> engine_;
};

}  // namespace weir::queue::engine
