#include "services/queue/store/conformance/store_conformance.h"

namespace weir::queue::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <typename Backend>
class RegistryConformance : public StoreConformance<Backend> {
 protected:
  static QueueName Name(std::string name) { return {"000000000000", "us-east-1", std::move(name)}; }
  QueueRecord Create(std::string name, const QueueAttributes& attributes = {}, const Tags& tags = {}) {
    auto record = this->registry().CreateQueue(
        {.name = Name(std::move(name)), .attributes = attributes, .tags = tags, .shards = {kShard}}, Soon());
    WEIR_CHECK(record.ok(), record.status().ToString());
    return *record;
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const auto records = this->registry().ListQueues(Soon());
    WEIR_CHECK(records.ok(), records.status().ToString());
    for (const QueueRecord& record : *records) names.push_back(record.name.name);
    return names;
  }
  int64_t Version() { return this->registry().Version(Soon()).value(); }
};
TYPED_TEST_SUITE(RegistryConformance, Backends, BackendNames);

QueueAttributes UnusualAttributes() {
  return {.visibility_timeout = absl::Hours(12),
          .delay = absl::Minutes(15),
          .retention = absl::Hours(24 * 14),
          .receive_wait_time = absl::Seconds(20),
          .maximum_message_bytes = 1024,
          .redrive_policy = QueueAttributes::RedrivePolicy{"arn:aws:sqs:us-east-1:000000000000:dead", 3},
          .redrive_allow_policy = QueueAttributes::RedriveAllowPolicy{
              RedrivePermission::kByQueue, {"arn:a", "arn with \"quotes\", \\ and commas", ""}},
          .fifo = true,
          .content_based_deduplication = true,
          .deduplication_scope = core::DeduplicationScope::kMessageGroup,
          .fifo_throughput_limit = FifoThroughputLimit::kPerMessageGroupId,
          .partitions = 64,
          .policy = R"({"Id": "\"é\\", "Statement": [{"Sid": "it's {a}, $1"}]})",
          .annotations = {{"KmsMasterKeyId", "alias/aws/sqs"}, {"a \"b\", {c}", "\\ \u00e9"}, {"empty", ""}}};
}

TYPED_TEST(RegistryConformance, ShardCountIsFixedByTheFirstCall) {
  EXPECT_EQ(this->registry().EnsureShards(7, Soon()).value(), 1);
  EXPECT_EQ(this->leases().ListShards(Soon()).value().size(), 1u);
}

TYPED_TEST(RegistryConformance, CreatedQueueIsListedWithEveryAttribute) {
  const QueueRecord made = this->Create("jobs", UnusualAttributes());
  EXPECT_EQ(made.version, 1);
  ASSERT_EQ(made.partitions.size(), 1u);
  EXPECT_EQ(made.partitions[0].shard, kShard);
  EXPECT_EQ(made.partitions[0].queue, made.id);
  EXPECT_GT(made.created_at, absl::FromUnixSeconds(1'600'000'000));

  const std::vector<QueueRecord> listed = this->registry().ListQueues(Soon()).value();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].id, made.id);
  EXPECT_EQ(listed[0].name, this->Name("jobs"));
  EXPECT_EQ(listed[0].attributes, UnusualAttributes());
  EXPECT_EQ(listed[0].created_at, made.created_at);
  EXPECT_EQ(listed[0].partitions, made.partitions);
}

TYPED_TEST(RegistryConformance, PartitionsAreAddedBehindThoseThatThereAre) {
  const NewQueue spread{.name = this->Name("spread"), .shards = {kShard, kShard}};
  const QueueRecord made = this->registry().CreateQueue(spread, Soon()).value();
  ASSERT_EQ(made.partitions.size(), 2u);
  EXPECT_EQ(made.created_partitions, 2);
  this->Create("other");

  const QueueRecord grown =
      this->registry().UpdateQueue(made.id, made.version, {.partitions = 4}, {kShard, kShard}, Soon()).value();
  ASSERT_EQ(grown.partitions.size(), 4u);
  EXPECT_EQ(grown.created_partitions, 2);
  EXPECT_EQ(grown.partitions[0], made.partitions[0]);
  EXPECT_EQ(grown.partitions[1], made.partitions[1]);
  std::set<core::PartitionId> ids;
  for (const core::PartitionAddress& address : grown.partitions) {
    EXPECT_EQ(address.queue, made.id);
    ids.insert(address.partition);
  }
  EXPECT_EQ(ids.size(), 4u);
  const QueueRecord listed = this->registry().ListQueues(Soon()).value().front();
  EXPECT_EQ(listed.partitions, grown.partitions);
  EXPECT_EQ(listed.created_partitions, 2);
}

TYPED_TEST(RegistryConformance, PartitionsLieOnShardsThatExist) {
  const core::ShardId none(17);
  EXPECT_FALSE(this->registry().CreateQueue({.name = this->Name("a"), .shards = {kShard, none}}, Soon()).ok());
  const QueueRecord made = this->Create("b");
  EXPECT_FALSE(this->registry().UpdateQueue(made.id, made.version, {.partitions = 2}, {none}, Soon()).ok());
  const std::vector<QueueRecord> listed = this->registry().ListQueues(Soon()).value();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].version, made.version);
  EXPECT_EQ(listed[0].partitions, made.partitions);
}

TYPED_TEST(RegistryConformance, DefaultAttributesHaveNoPolicies) {
  this->Create("plain");
  EXPECT_EQ(this->registry().ListQueues(Soon()).value()[0].attributes, QueueAttributes());
}

TYPED_TEST(RegistryConformance, EmptyAllowListIsNotNoPolicy) {
  QueueAttributes attributes;
  attributes.redrive_allow_policy =
      QueueAttributes::RedriveAllowPolicy{RedrivePermission::kDenyAll, {}};
  this->Create("closed", attributes);
  EXPECT_EQ(this->registry().ListQueues(Soon()).value()[0].attributes, attributes);
}

TYPED_TEST(RegistryConformance, TagsAreKeptAsTheyAre) {
  const Tags tags = {{"team", "orders"}, {"empty", ""}, {"NULL", "NULL"}, {"a \"b\", {c}", "\\ \u00e9"}};
  const QueueRecord made = this->Create("jobs", {}, tags);
  EXPECT_EQ(made.tags, tags);
  EXPECT_EQ(this->registry().ListQueues(Soon()).value()[0].tags, tags);
}

TYPED_TEST(RegistryConformance, SettingTagsChangesNothingElse) {
  const QueueRecord made = this->Create("jobs", UnusualAttributes(), {{"team", "orders"}});
  const int64_t before = this->Version();
  const QueueRecord tagged =
      this->registry().SetTags(made.id, made.version, {{"cost", "12"}}, Soon()).value();
  EXPECT_THAT(tagged.tags, ElementsAre(testing::Pair("cost", "12")));
  EXPECT_GT(tagged.version, made.version);
  EXPECT_GT(this->Version(), before);
  EXPECT_EQ(tagged.attributes, UnusualAttributes());
  EXPECT_EQ(tagged.updated_at, made.updated_at);
  EXPECT_TRUE(absl::IsAborted(this->registry().SetTags(made.id, made.version, {}, Soon()).status()));
  EXPECT_EQ(ReasonOf(this->registry().SetTags(core::QueueId(99), 1, {}, Soon()).status()),
            ErrorReason::kQueueDoesNotExist);
  const QueueRecord updated = this->registry().UpdateQueue(made.id, tagged.version, {}, {}, Soon()).value();
  EXPECT_EQ(updated.tags, tagged.tags);
}

TYPED_TEST(RegistryConformance, DeletedNameRestsForWhoAsksForIt) {
  const QueueRecord first = this->Create("jobs");
  const NewQueue again{.name = this->Name("jobs"), .shards = {kShard}, .name_rest = kRestMax};
  EXPECT_EQ(ReasonOf(this->registry().CreateQueue(again, Soon()).status()),
            ErrorReason::kQueueAlreadyExists);
  ASSERT_TRUE(this->registry().DeleteQueue(first.id, Soon()).ok());
  EXPECT_EQ(ReasonOf(this->registry().CreateQueue(again, Soon()).status()),
            ErrorReason::kQueueDeletedRecently);
  EXPECT_THAT(this->Names(), IsEmpty());
  const NewQueue other{.name = this->Name("other"), .shards = {kShard}, .name_rest = kRestMax};
  EXPECT_TRUE(this->registry().CreateQueue(other, Soon()).ok());
  this->Create("jobs");
}

TYPED_TEST(RegistryConformance, PurgeRestsUntilItIsForgotten) {
  const QueueRecord queue = this->Create("jobs");
  const int64_t version = this->Version();
  EXPECT_TRUE(this->registry().BeginPurge(queue.id, kRestMax, Soon()).ok());
  EXPECT_EQ(ReasonOf(this->registry().BeginPurge(queue.id, kRestMax, Soon())),
            ErrorReason::kPurgeInProgress);
  EXPECT_TRUE(this->registry().BeginPurge(queue.id, absl::ZeroDuration(), Soon()).ok());
  EXPECT_TRUE(this->registry().ForgetPurge(queue.id, Soon()).ok());
  EXPECT_TRUE(this->registry().BeginPurge(queue.id, kRestMax, Soon()).ok());
  EXPECT_EQ(ReasonOf(this->registry().BeginPurge(core::QueueId(99), kRestMax, Soon())),
            ErrorReason::kQueueDoesNotExist);
  EXPECT_TRUE(this->registry().ForgetPurge(core::QueueId(99), Soon()).ok());
  EXPECT_EQ(this->Version(), version);
}

TYPED_TEST(RegistryConformance, NameIsTakenOncePerNamespace) {
  this->Create("jobs");
  const absl::Status again =
      this->registry().CreateQueue({.name = this->Name("jobs"), .shards = {kShard}}, Soon()).status();
  EXPECT_EQ(ReasonOf(again), ErrorReason::kQueueAlreadyExists) << again;
  EXPECT_TRUE(this->registry()
                  .CreateQueue({.name = {"111111111111", "us-east-1", "jobs"}, .shards = {kShard}}, Soon())
                  .ok());
  EXPECT_TRUE(this->registry()
                  .CreateQueue({.name = {"000000000000", "eu-west-1", "jobs"}, .shards = {kShard}}, Soon())
                  .ok());
  EXPECT_TRUE(this->registry()
                  .CreateQueue({.name = {"000000000000", "us-east-1", "Jobs"}, .shards = {kShard}}, Soon())
                  .ok());
}

TYPED_TEST(RegistryConformance, CreateOnAShardThatIsNotThereFails) {
  EXPECT_EQ(ReasonOf(this->registry()
                         .CreateQueue({.name = this->Name("jobs"), .shards = {core::ShardId(9)}}, Soon())
                         .status()),
            ErrorReason::kInternal);
  EXPECT_THAT(this->Names(), IsEmpty());
}

TYPED_TEST(RegistryConformance, UpdateReplacesAttributesAndRaisesTheVersion) {
  const QueueRecord made = this->Create("jobs", UnusualAttributes());
  const QueueRecord updated =
      this->registry().UpdateQueue(made.id, made.version, QueueAttributes(), {}, Soon()).value();
  EXPECT_EQ(updated.attributes, QueueAttributes());
  EXPECT_GT(updated.version, made.version);
  EXPECT_EQ(updated.created_at, made.created_at);
  EXPECT_GE(updated.updated_at, made.updated_at);
  EXPECT_EQ(updated.partitions, made.partitions);
  EXPECT_EQ(this->registry().ListQueues(Soon()).value()[0].attributes, QueueAttributes());
}

TYPED_TEST(RegistryConformance, UpdateOfAnOldVersionIsAborted) {
  const QueueRecord made = this->Create("jobs");
  ASSERT_TRUE(
      this->registry().UpdateQueue(made.id, made.version, UnusualAttributes(), {}, Soon()).ok());
  const absl::Status late =
      this->registry().UpdateQueue(made.id, made.version, QueueAttributes(), {}, Soon()).status();
  EXPECT_TRUE(absl::IsAborted(late)) << late;
  EXPECT_EQ(this->registry().ListQueues(Soon()).value()[0].attributes, UnusualAttributes());
}

TYPED_TEST(RegistryConformance, UpdateAndDeleteOfNoQueueAreNotFound) {
  EXPECT_EQ(ReasonOf(this->registry().UpdateQueue(core::QueueId(99), 1, {}, {}, Soon()).status()),
            ErrorReason::kQueueDoesNotExist);
  EXPECT_EQ(ReasonOf(this->registry().DeleteQueue(core::QueueId(99), Soon())),
            ErrorReason::kQueueDoesNotExist);
}

TYPED_TEST(RegistryConformance, DeletedNameCanBeTakenAgainWithNewIds) {
  const QueueRecord first = this->Create("jobs");
  ASSERT_TRUE(this->registry().DeleteQueue(first.id, Soon()).ok());
  EXPECT_THAT(this->Names(), IsEmpty());
  const QueueRecord second = this->Create("jobs");
  EXPECT_GT(second.id, first.id);
  EXPECT_GT(second.partitions[0].partition, first.partitions[0].partition);
}

TYPED_TEST(RegistryConformance, VersionRisesWithEveryChangeAndOnlyThen) {
  const int64_t start = this->Version();
  const QueueRecord made = this->Create("jobs");
  const int64_t created = this->Version();
  EXPECT_GT(created, start);
  EXPECT_FALSE(this->registry().CreateQueue({.name = this->Name("jobs"), .shards = {kShard}}, Soon()).ok());
  EXPECT_FALSE(this->registry().UpdateQueue(made.id, 77, {}, {}, Soon()).ok());
  EXPECT_THAT(this->Names(), ElementsAre("jobs"));
  EXPECT_EQ(this->Version(), created);
  ASSERT_TRUE(this->registry().UpdateQueue(made.id, made.version, {}, {}, Soon()).ok());
  const int64_t updated = this->Version();
  EXPECT_GT(updated, created);
  ASSERT_TRUE(this->registry().DeleteQueue(made.id, Soon()).ok());
  EXPECT_GT(this->Version(), updated);
}

}  // namespace
}  // namespace weir::queue::store
