#include "services/queue/api/queue_codec.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>

#include "libs/base/check.h"
#include "libs/base/error.h"

namespace weir::queue::api {
namespace {

v1::QueueAttributes Attributes(const std::string& text) {
  v1::QueueAttributes attributes;
  WEIR_CHECK(google::protobuf::TextFormat::ParseFromString(text, &attributes), text);
  return attributes;
}

absl::Status TypeOf(const std::string& name, const std::string& attributes) {
  return CheckType({.account = "000000000000", .region = "us-east-1", .name = name},
                   Attributes(attributes));
}

TEST(CheckTypeTest, SuffixAndFifoQueueAgreeBothWays) {
  EXPECT_TRUE(TypeOf("jobs", "").ok());
  EXPECT_TRUE(TypeOf("jobs.fifo", "fifo_queue: true").ok());
  for (const auto& [name, attributes] :
       {std::pair("jobs", "fifo_queue: true"), std::pair("jobs.fifo", ""),
        std::pair("jobs.fifo", "fifo_queue: false")}) {
    const absl::Status status = TypeOf(name, attributes);
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidParameterValue) << name << attributes;
    EXPECT_EQ(MetadataOf(status)["field"], "queue.name");
  }
}

class ApplyTest : public testing::Test {
 protected:
  static absl::StatusOr<store::QueueAttributes> Apply(bool fifo, const std::string& attributes) {
    return ApplyAttributes(Attributes(attributes), {.fifo = fifo});
  }
  static void ExpectRefused(bool fifo, const std::string& attributes, ErrorReason reason,
                            const std::string& attribute) {
    const absl::Status status = Apply(fifo, attributes).status();
    EXPECT_EQ(ReasonOf(status), reason) << attributes << status;
    EXPECT_EQ(MetadataOf(status)["attribute"], attribute);
  }
};

TEST_F(ApplyTest, FifoAttributesAreUnknownToStandardQueues) {
  ExpectRefused(false, "fifo_queue: false", ErrorReason::kInvalidAttributeName, "fifo_queue");
  ExpectRefused(false, "content_based_deduplication: true", ErrorReason::kInvalidAttributeName,
                "content_based_deduplication");
  ExpectRefused(false, "deduplication_scope: DEDUPLICATION_SCOPE_QUEUE",
                ErrorReason::kInvalidAttributeName, "deduplication_scope");
  ExpectRefused(false, "fifo_throughput_limit: FIFO_THROUGHPUT_LIMIT_PER_QUEUE",
                ErrorReason::kInvalidAttributeName, "fifo_throughput_limit");
}

TEST_F(ApplyTest, TypeIsNeverModified) {
  ExpectRefused(false, "fifo_queue: true", ErrorReason::kInvalidAttributeValue, "fifo_queue");
  ExpectRefused(true, "fifo_queue: false", ErrorReason::kInvalidAttributeValue, "fifo_queue");
  EXPECT_TRUE(Apply(true, "fifo_queue: true").ok());
}

TEST_F(ApplyTest, ThroughputByGroupNeedsDeduplicationByGroup) {
  ExpectRefused(true, "fifo_throughput_limit: FIFO_THROUGHPUT_LIMIT_PER_MESSAGE_GROUP_ID",
                ErrorReason::kInvalidAttributeValue, "fifo_throughput_limit");
  const auto applied = Apply(true,
                             "fifo_throughput_limit: FIFO_THROUGHPUT_LIMIT_PER_MESSAGE_GROUP_ID "
                             "deduplication_scope: DEDUPLICATION_SCOPE_MESSAGE_GROUP "
                             "content_based_deduplication: true");
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_TRUE(applied->content_based_deduplication);
  EXPECT_EQ(applied->deduplication_scope, core::DeduplicationScope::kMessageGroup);
  EXPECT_EQ(applied->fifo_throughput_limit, store::FifoThroughputLimit::kPerMessageGroupId);
  // Nor may the scope be taken away from under it.
  EXPECT_EQ(ReasonOf(ApplyAttributes(Attributes("deduplication_scope: DEDUPLICATION_SCOPE_QUEUE"),
                                     *applied)
                         .status()),
            ErrorReason::kInvalidAttributeValue);
}

TEST_F(ApplyTest, PartitionsAreOneForNow) {
  EXPECT_TRUE(Apply(false, "partitions: 1").ok());
  ExpectRefused(false, "partitions: 0", ErrorReason::kInvalidAttributeValue, "partitions");
  ExpectRefused(false, "partitions: 65", ErrorReason::kInvalidAttributeValue, "partitions");
  EXPECT_EQ(Apply(false, "partitions: 64")->partitions, 64);
}

constexpr char kPolicy[] =
    R"({"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Allow","Principal":{"AWS":"111122223333"},)"
    R"("Action":"sqs:SendMessage","Resource":"arn:aws:sqs:us-east-1:000000000000:orders"}]})";

// Maps are filled in by hand: parsing them uses reflection, and there ThreadSanitizer's build disagrees with the distribution's library
// about how a map is laid out.
v1::QueueAttributes Annotations(const std::map<std::string, std::string>& annotations) {
  v1::QueueAttributes attributes;
  for (const auto& [key, value] : annotations) (*attributes.mutable_annotations())[key] = value;
  return attributes;
}

TEST_F(ApplyTest, PolicyIsReplacedKeptOrRemoved) {
  v1::QueueAttributes change;
  change.set_policy(kPolicy);
  const auto with_policy = ApplyAttributes(change, {});
  ASSERT_TRUE(with_policy.ok()) << with_policy.status();
  EXPECT_EQ(with_policy->policy, kPolicy);
  EXPECT_EQ(ApplyAttributes({}, *with_policy)->policy, kPolicy);
  change.set_policy("");
  EXPECT_EQ(ApplyAttributes(change, *with_policy)->policy, "");
}

TEST_F(ApplyTest, PolicyHasTheSizeOfSqs) {
  const auto padded = [](size_t bytes) { return kPolicy + std::string(bytes - std::strlen(kPolicy), ' '); };
  v1::QueueAttributes change;
  change.set_policy(padded(8'192));
  EXPECT_TRUE(ApplyAttributes(change, {}).ok());
  change.set_policy(padded(8'193));
  const absl::Status too_large = ApplyAttributes(change, {}).status();
  EXPECT_EQ(ReasonOf(too_large), ErrorReason::kInvalidAttributeValue);
  EXPECT_EQ(MetadataOf(too_large)["attribute"], "policy");
  EXPECT_THAT(std::string(too_large.message()),
              testing::StartsWith("Value for attribute policy is invalid: The policy has 8193 bytes"));
}

TEST_F(ApplyTest, PolicyIsOneOfSqs) {
  const auto refused = [](const std::string& policy) {
    v1::QueueAttributes change;
    change.set_policy(policy);
    return ApplyAttributes(change, {}).status();
  };
  for (const char* policy : {"nonsense", "[]", "{}", R"({"Statement":[{"Effect":"Maybe"}]})"}) {
    const absl::Status status = refused(policy);
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidAttributeValue) << policy << status;
    EXPECT_EQ(MetadataOf(status)["attribute"], "policy");
  }
  const absl::Status action =
      refused(R"({"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:Fly","Resource":"*"}]})");
  EXPECT_EQ(ReasonOf(action), ErrorReason::kInvalidParameterValue) << action;
}

TEST_F(ApplyTest, AnnotationsAreSetKeptAndRemovedByKey) {
  const auto first = ApplyAttributes(Annotations({{"a", "1"}, {"b", "2"}, {"none", ""}}), {});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(first->annotations, testing::ElementsAre(testing::Pair("a", "1"), testing::Pair("b", "2")));
  EXPECT_EQ(ApplyAttributes({}, *first)->annotations, first->annotations);
  EXPECT_THAT(ApplyAttributes(Annotations({{"a", ""}, {"b", "3"}}), *first)->annotations,
              testing::ElementsAre(testing::Pair("b", "3")));
}

TEST_F(ApplyTest, FiftyAnnotationsAreTheLimitOfAQueueNotOfAChange) {
  std::map<std::string, std::string> fifty;
  while (fifty.size() < 50) fifty["k" + std::to_string(fifty.size())] = "v";
  const auto full = ApplyAttributes(Annotations(fifty), {});
  ASSERT_TRUE(full.ok()) << full.status();
  const absl::Status more = ApplyAttributes(Annotations({{"more", "v"}}), *full).status();
  EXPECT_EQ(ReasonOf(more), ErrorReason::kInvalidAttributeValue);
  EXPECT_TRUE(ApplyAttributes(Annotations({{"more", "v"}, {"k0", ""}}), *full).ok());
}

TEST(FirstDifferenceTest, PolicyAndAnnotationsAreComparedWhereTheyAreSet) {
  const store::QueueAttributes current{.policy = kPolicy, .annotations = {{"b", "2"}}};
  const auto difference = [&](const v1::QueueAttributes& wanted) {
    return FirstDifference(wanted, ApplyAttributes(wanted, current).value(), current).value_or("");
  };
  v1::QueueAttributes policy;
  policy.set_policy(kPolicy);
  EXPECT_EQ(difference({}), "");
  EXPECT_EQ(difference(policy), "");
  policy.set_policy("");
  EXPECT_EQ(difference(policy), "policy");
  EXPECT_EQ(difference(Annotations({{"a", ""}, {"b", "2"}})), "");
  EXPECT_EQ(difference(Annotations({{"a", "1"}, {"c", "3"}})), "annotations.a");
  EXPECT_EQ(difference(Annotations({{"b", ""}})), "annotations.b");
}

TEST(FirstDifferenceTest, ComparesOnlyWhatIsSet) {
  const store::QueueAttributes current{.fifo = true, .content_based_deduplication = true};
  const auto difference = [&](const std::string& text) {
    const v1::QueueAttributes wanted = Attributes(text);
    return FirstDifference(wanted, ApplyAttributes(wanted, current).value(), current).value_or("");
  };
  EXPECT_EQ(difference(""), "");
  EXPECT_EQ(difference("fifo_queue: true content_based_deduplication: true"), "");
  EXPECT_EQ(difference("content_based_deduplication: false"), "content_based_deduplication");
  EXPECT_EQ(difference("deduplication_scope: DEDUPLICATION_SCOPE_MESSAGE_GROUP"), "deduplication_scope");
}

TEST_F(ApplyTest, FifoQueueIsSpreadOnlyWhereGroupsStandForThemselves) {
  const std::string by_group =
      "deduplication_scope: DEDUPLICATION_SCOPE_MESSAGE_GROUP "
      "fifo_throughput_limit: FIFO_THROUGHPUT_LIMIT_PER_MESSAGE_GROUP_ID ";
  ExpectRefused(true, "partitions: 2", ErrorReason::kInvalidAttributeValue, "partitions");
  ExpectRefused(true, "partitions: 2 deduplication_scope: DEDUPLICATION_SCOPE_MESSAGE_GROUP",
                ErrorReason::kInvalidAttributeValue, "partitions");
  const auto spread = Apply(true, by_group + "partitions: 2");
  ASSERT_TRUE(spread.ok()) << spread.status();
  // Nor can it be taken back.
  const auto back = ApplyAttributes(
      Attributes("fifo_throughput_limit: FIFO_THROUGHPUT_LIMIT_PER_QUEUE"), *spread);
  EXPECT_EQ(MetadataOf(back.status())["attribute"], "partitions") << back.status();
}

TEST(PartitionsChangeTest, StandardQueueGetsMoreButNeverFewer) {
  EXPECT_TRUE(CheckPartitionsChange({.partitions = 2}, {.partitions = 2}).ok());
  EXPECT_TRUE(CheckPartitionsChange({.partitions = 2}, {.partitions = 64}).ok());
  const absl::Status fewer = CheckPartitionsChange({.partitions = 2}, {.partitions = 1});
  EXPECT_EQ(ReasonOf(fewer), ErrorReason::kInvalidAttributeValue);
  EXPECT_THAT(std::string(fewer.message()), testing::HasSubstr("the queue has 2 and keeps them"));
}

TEST(PartitionsChangeTest, FifoQueueKeepsThoseOfItsCreation) {
  const store::QueueAttributes fifo{.fifo = true, .partitions = 4};
  EXPECT_TRUE(CheckPartitionsChange(fifo, fifo).ok());
  for (const int partitions : {2, 8}) {
    const absl::Status changed = CheckPartitionsChange(fifo, {.fifo = true, .partitions = partitions});
    EXPECT_EQ(ReasonOf(changed), ErrorReason::kInvalidAttributeValue);
    EXPECT_THAT(std::string(changed.message()), testing::HasSubstr("decided at its creation"));
  }
}

}  // namespace
}  // namespace weir::queue::api
