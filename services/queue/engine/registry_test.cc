#include "services/queue/engine/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "services/queue/store/memory/memory_queue_store.h"
#include "tests/support/fake_clock.h"

namespace weir::queue::engine {
namespace {

constexpr absl::Time kDeadline = absl::InfiniteFuture();

store::QueueName Name(const std::string& name) {
  return {.account = "000000000000", .region = "us-east-1", .name = name};
}

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() : store_(clock_), registry_(store_, 2) {
    EXPECT_TRUE(store_.EnsureShards(2, kDeadline).ok());
    registry_.OnConfigChange(
        [this](const QueueInfo& queue) { changed_.push_back(queue.record.name.name); });
  }

  QueueInfoPtr Create(const std::string& name, const std::string& dead_letter = "") {
    store::QueueAttributes attributes;
    if (!dead_letter.empty()) attributes.redrive_policy = {QueueArn(Name(dead_letter)), 3};
    return registry_.Create(Name(name), attributes, kDeadline).value();
  }

  std::vector<std::string> ListNames(absl::string_view prefix, absl::string_view after,
                                     size_t limit) {
    std::vector<std::string> names;
    for (const auto& queue : registry_.List("000000000000", "us-east-1", prefix, after, limit)) {
      names.push_back(queue->record.name.name);
    }
    return names;
  }

  FakeClock clock_;
  store::MemoryQueueStore store_;
  Registry registry_;
  std::vector<std::string> changed_;
};

TEST(QueueArnTest, ComesBackAsItWas) {
  EXPECT_EQ(QueueArn(Name("orders")), "arn:aws:sqs:us-east-1:000000000000:orders");
  EXPECT_EQ(ParseQueueArn(QueueArn(Name("orders"))), Name("orders"));
  for (const char* bad : {"", "orders", "arn:aws:sns:r:a:q", "arn:aws:sqs:r:a:", "arn:aws:sqs:r:a:q:x"}) {
    EXPECT_FALSE(ParseQueueArn(bad).has_value()) << bad;
  }
}

TEST_F(RegistryTest, FindsByNameArnAndPartition) {
  const QueueInfoPtr queue = Create("orders");
  EXPECT_EQ(registry_.Find(Name("orders")), queue);
  EXPECT_EQ(registry_.FindByArn(queue->arn), queue);
  EXPECT_EQ(registry_.FindByPartition(queue->address.partition), queue);
  EXPECT_EQ(registry_.Find(Name("other")), nullptr);
}

TEST_F(RegistryTest, EveryPartitionLeadsToItsQueue) {
  const QueueInfoPtr queue = registry_.Create(Name("orders"), {.partitions = 3}, kDeadline).value();
  ASSERT_EQ(queue->record.partitions.size(), 3u);
  EXPECT_NE(queue->record.partitions[0].shard, queue->record.partitions[1].shard);
  EXPECT_EQ(queue->address, queue->record.partitions[0]);

  store::QueueAttributes attributes = queue->record.attributes;
  attributes.partitions = 5;
  const QueueInfoPtr grown = registry_.Update(*queue, attributes, kDeadline).value();
  ASSERT_EQ(grown->record.partitions.size(), 5u);
  for (const auto& address : grown->record.partitions) {
    EXPECT_EQ(registry_.FindByPartition(address.partition), grown);
  }
  ASSERT_TRUE(registry_.Delete(*grown, kDeadline).ok());
  for (const auto& address : grown->record.partitions) {
    EXPECT_EQ(registry_.FindByPartition(address.partition), nullptr);
  }
}

TEST_F(RegistryTest, ListsByPrefixInPages) {
  for (const char* name : {"b", "a1", "a3", "a2", "c"}) Create(name);
  EXPECT_THAT(ListNames("", "", 10), testing::ElementsAre("a1", "a2", "a3", "b", "c"));
  EXPECT_THAT(ListNames("a", "", 2), testing::ElementsAre("a1", "a2"));
  EXPECT_THAT(ListNames("a", "a2", 2), testing::ElementsAre("a3"));
  EXPECT_THAT(ListNames("", "c", 2), testing::IsEmpty());
}

TEST_F(RegistryTest, RedriveTargetComesAndGoesWithItsQueue) {
  const QueueInfoPtr dlq = Create("dlq");
  const QueueInfoPtr source = Create("orders", "dlq");
  ASSERT_TRUE(source->config->redrive.has_value());
  EXPECT_EQ(source->config->redrive->dead_letter, dlq->address);

  ASSERT_TRUE(registry_.Delete(*dlq, kDeadline).ok());
  EXPECT_FALSE(registry_.Find(Name("orders"))->config->redrive.has_value());

  changed_.clear();
  const QueueInfoPtr again = Create("dlq");
  EXPECT_EQ(registry_.Find(Name("orders"))->config->redrive->dead_letter, again->address);
  EXPECT_THAT(changed_, testing::UnorderedElementsAre("dlq", "orders"));
}

TEST_F(RegistryTest, EveryConfigHasAHigherVersion) {
  const QueueInfoPtr first = Create("orders");
  store::QueueAttributes attributes = first->record.attributes;
  attributes.delay = absl::Seconds(5);
  const QueueInfoPtr second = registry_.Update(*first, attributes, kDeadline).value();
  EXPECT_GT(second->config->version, first->config->version);
  EXPECT_EQ(second->config->delay, absl::Seconds(5));
  EXPECT_TRUE(absl::IsAborted(registry_.Update(*first, attributes, kDeadline).status()));
}

TEST_F(RegistryTest, RefreshBringsWhatAnotherReplicaChanged) {
  std::vector<std::string> gone;
  registry_.OnDisappearance([&](const QueueInfo& queue) { gone.push_back(queue.record.name.name); });
  const QueueInfoPtr stays = Create("stays");
  const QueueInfoPtr goes = Create("goes", "dead");
  const QueueInfoPtr dead = Create("dead");
  Registry other(store_, 2);
  ASSERT_TRUE(other.Load(kDeadline).ok());
  ASSERT_TRUE(other.Update(*other.Find(Name("stays")), {.retention = absl::Hours(1)}, kDeadline).ok());
  ASSERT_TRUE(other.Delete(*other.Find(Name("goes")), kDeadline).ok());
  ASSERT_TRUE(other.Delete(*other.Find(Name("dead")), kDeadline).ok());
  const QueueInfoPtr theirs = other.Create(Name("new"), {}, kDeadline).value();

  changed_.clear();
  ASSERT_TRUE(registry_.Refresh(kDeadline).ok());
  EXPECT_EQ(registry_.FindByPartition(stays->address.partition)->config->retention, absl::Hours(1));
  EXPECT_EQ(registry_.Find(Name("goes")), nullptr);
  EXPECT_EQ(registry_.FindByPartition(goes->address.partition), nullptr);
  ASSERT_NE(registry_.FindByPartition(theirs->address.partition), nullptr);
  EXPECT_THAT(changed_, testing::IsSupersetOf({"stays", "new"}));
  EXPECT_THAT(gone, testing::UnorderedElementsAre("goes", "dead"));

  changed_.clear();
  ASSERT_TRUE(registry_.Refresh(kDeadline).ok());
  EXPECT_THAT(changed_, testing::IsEmpty());
}

TEST_F(RegistryTest, LoadFindsWhatWasStored) {
  Create("orders", "dlq");  // before its dead-letter queue
  Create("dlq");
  Registry other(store_, 2);
  ASSERT_TRUE(other.Load(kDeadline).ok());
  EXPECT_EQ(other.All().size(), 2u);
  EXPECT_TRUE(other.Find(Name("orders"))->config->redrive.has_value());
  EXPECT_EQ(other.DeadLetterSources(QueueArn(Name("dlq")), "", 10).size(), 1u);
}

}  // namespace
}  // namespace weir::queue::engine
