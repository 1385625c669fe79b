// The engine in this process on a real PostgreSQL, without gRPC, on one shard with small segments: for what needs options that the
// service does not have.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/check.h"
#include "services/queue/engine/queue_engine.h"
#include "services/queue/service.h"
#include "services/queue/store/pg/pg_queue_store.h"
#include "tests/support/pg_fixture.h"

namespace weir::queue {

inline absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

class EngineOnPgTest : public PgTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(MigrateSchema(dsn()).ok());
    store_ = store::CreatePgQueueStore({.database_url = dsn()}).value();
    Restart();
    connection_ = std::make_unique<pqxx::connection>(dsn());
  }
  void TearDown() override { engine_.reset(); }

  void Restart() {
    engine_.reset();
    engine_ = std::make_unique<engine::QueueEngine>(
        engine::EngineOptions{.shards = 1,
                              .shard = {.segment_rows_max = 40, .segments_max = 3, .copy_rows = 7}},
        *store_.registry, *store_.leases, *store_.logs, *store_.move_tasks, SystemClock(), metrics_);
    ASSERT_TRUE(engine_->Start("here", Soon()).ok());
  }

  static store::QueueName Name(const std::string& name) { return {"000000000000", "us-east-1", name}; }
  void CreateQueue(const std::string& name, store::QueueAttributes attributes = {}) {
    attributes.visibility_timeout = absl::Hours(1);
    ASSERT_TRUE(engine_->registry().Create(Name(name), attributes, Soon()).ok());
  }
  engine::QueueInfoPtr Queue(const std::string& name) { return engine_->registry().Find(Name(name)); }

  core::Reply Do(core::Command command) {
    std::promise<core::Reply> promise;
    const auto submitted = engine_->shard(core::ShardId(0)).Submit(std::move(command), [&](core::Reply reply) {
      promise.set_value(std::move(reply));
      return true;
    });
    WEIR_CHECK(submitted.ok(), submitted.status().ToString());
    return promise.get_future().get();
  }

  void Send(const std::string& name, std::optional<absl::Duration> delay = std::nullopt) {
    const engine::QueueInfoPtr queue = Queue(name);
    auto content = std::make_shared<core::MessageContent>();
    content->message_id = absl::StrFormat("0f8fad5b-d9cb-469f-a165-%012d", ++sent_);
    content->body = absl::StrCat("body ", sent_);
    core::Send send{.partition = queue->address.partition, .config = queue->config};
    send.messages.push_back({.content = std::move(content), .delay = delay});
    Do(std::move(send));
  }
  std::vector<core::Receipt> Receive(const std::string& name, int max,
                                     std::optional<absl::Duration> timeout = std::nullopt) {
    const engine::QueueInfoPtr queue = Queue(name);
    const core::Reply reply = Do(core::Receive{.partition = queue->address.partition,
                                               .config = queue->config,
                                               .max_messages = max,
                                               .visibility_timeout = timeout});
    std::vector<core::Receipt> receipts;
    for (const auto& message : std::get<core::ReceiveReply>(reply).messages) {
      receipts.push_back({message.seq, message.receive_count});
    }
    return receipts;
  }

  // Once more when a segment went away in between, as queue.messages asks for.
  pqxx::result Query(const std::string& sql) {
    while (true) {
      try {
        pqxx::work tx(*connection_);
        return tx.exec(sql);
      } catch (const pqxx::serialization_failure&) {
      }
    }
  }
  int64_t Count(const std::string& sql) { return Query(sql)[0][0].as<int64_t>(); }

  store::PgQueueStore store_;
  engine::NoEngineMetrics metrics_;
  std::unique_ptr<engine::QueueEngine> engine_;
  std::unique_ptr<pqxx::connection> connection_;
  int sent_ = 0;
};

}  // namespace weir::queue
