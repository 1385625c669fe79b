#include "services/queue/api/validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/grpcx/page_token.h"
#include "services/queue/api/queue_codec.h"
#include "weir/queue/v1/queue_service.pb.h"

namespace weir::queue::api {
namespace {

using testing::HasSubstr;

v1::QueueRef Ref(const std::string& name) {
  v1::QueueRef ref;
  ref.set_name(name);
  return ref;
}

TEST(CheckQueueRefTest, FillsInTheDefaultNamespace) {
  const auto name = CheckQueueRef(Ref("orders"), "queue");
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->account, "000000000000");
  EXPECT_EQ(name->region, "us-east-1");
  EXPECT_EQ(name->name, "orders");
}

TEST(CheckQueueRefTest, NamesFieldValueAndWhatIsAllowed) {
  const absl::Status status = CheckQueueRef(Ref("a b"), "queue").status();
  EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidParameterValue);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"a b\" for queue.name"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("1 to 80"));
  EXPECT_EQ(ReasonOf(CheckQueueRef(Ref(""), "queue").status()), ErrorReason::kMissingParameter);
  EXPECT_FALSE(CheckQueueRef(Ref(std::string(81, 'a')), "queue").ok());
  EXPECT_TRUE(CheckQueueRef(Ref(std::string(80, 'a')), "queue").ok());
  v1::QueueRef foreign = Ref("a");
  foreign.mutable_namespace_()->set_account("12");
  EXPECT_FALSE(CheckQueueRef(foreign, "queue").ok());
}

TEST(CheckDurationTest, BoundsAreInclusive) {
  google::protobuf::Duration duration;
  const auto check = [&](int64_t seconds, int32_t nanos) {
    duration.set_seconds(seconds);
    duration.set_nanos(nanos);
    return CheckDuration(duration, "delay", absl::ZeroDuration(), absl::Minutes(15), true).ok();
  };
  EXPECT_TRUE(check(0, 0));
  EXPECT_TRUE(check(900, 0));
  EXPECT_FALSE(check(901, 0));
  EXPECT_FALSE(check(-1, 0));
  EXPECT_FALSE(check(1, 500'000'000));
}

TEST(CheckBatchTest, WholeRequestErrorsOfSqs) {
  v1::DeleteMessageBatchRequest request;
  EXPECT_EQ(ReasonOf(CheckBatch(request.entries())), ErrorReason::kBatchEmpty);
  for (int i = 0; i < 11; ++i) request.add_entries()->set_id(std::to_string(i));
  EXPECT_EQ(ReasonOf(CheckBatch(request.entries())), ErrorReason::kBatchTooManyEntries);
  request.mutable_entries()->RemoveLast();
  EXPECT_TRUE(CheckBatch(request.entries()).ok());
  request.mutable_entries(9)->set_id("0");
  EXPECT_EQ(ReasonOf(CheckBatch(request.entries())), ErrorReason::kBatchEntryIdsNotDistinct);
  request.mutable_entries(9)->set_id("a.b");
  EXPECT_EQ(ReasonOf(CheckBatch(request.entries())), ErrorReason::kBatchEntryIdInvalid);
}

TEST(ApplyAttributesTest, ChangesWhatIsSetAndLeavesTheRest) {
  v1::QueueAttributes change;
  change.mutable_visibility_timeout()->set_seconds(0);
  store::QueueAttributes base;
  base.delay = absl::Seconds(7);
  const auto changed = ApplyAttributes(change, base);
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(changed->visibility_timeout, absl::ZeroDuration());
  EXPECT_EQ(changed->delay, absl::Seconds(7));
}

TEST(ApplyAttributesTest, EmptyPolicyRemovesIt) {
  v1::QueueAttributes change;
  change.mutable_redrive_policy();
  store::QueueAttributes base;
  base.redrive_policy = {"arn:aws:sqs:us-east-1:000000000000:dlq", 3};
  EXPECT_FALSE(ApplyAttributes(change, base)->redrive_policy.has_value());
}

TEST(ApplyAttributesTest, RefusesWhatIsOutOfRange) {
  const auto reason_of = [](const v1::QueueAttributes& change) {
    return ReasonOf(ApplyAttributes(change, {}).status());
  };
  v1::QueueAttributes change;
  change.mutable_retention()->set_seconds(59);
  EXPECT_EQ(reason_of(change), ErrorReason::kInvalidAttributeValue);
  change.Clear();
  change.set_maximum_message_bytes(1023);
  EXPECT_EQ(reason_of(change), ErrorReason::kInvalidAttributeValue);
  change.Clear();
  change.mutable_redrive_policy()->set_dead_letter_queue_arn("arn:aws:sqs:r:a:q");
  change.mutable_redrive_policy()->set_max_receive_count(1001);
  EXPECT_EQ(reason_of(change), ErrorReason::kInvalidAttributeValue);
  change.Clear();
  change.mutable_redrive_policy()->set_dead_letter_queue_arn("dlq");
  change.mutable_redrive_policy()->set_max_receive_count(1);
  EXPECT_EQ(reason_of(change), ErrorReason::kInvalidAttributeValue);
  change.Clear();
  change.mutable_redrive_allow_policy()->set_redrive_permission(v1::REDRIVE_PERMISSION_BY_QUEUE);
  EXPECT_EQ(reason_of(change), ErrorReason::kInvalidAttributeValue);
  change.Clear();
  change.set_fifo_queue(true);
  EXPECT_EQ(reason_of(change), ErrorReason::kInvalidAttributeValue);
}

TEST(PageTokenTest, IsGoodForItsOwnQueryOnly) {
  const std::string token = grpcx::FormatPageToken("orders", "ListQueues/a");
  EXPECT_EQ(grpcx::ParsePageToken(token, "ListQueues/a").value(), "orders");
  EXPECT_EQ(ReasonOf(grpcx::ParsePageToken(token, "ListQueues/b").status()),
            ErrorReason::kPageTokenInvalid);
  EXPECT_EQ(ReasonOf(grpcx::ParsePageToken("garbage!", "x").status()), ErrorReason::kPageTokenInvalid);
  EXPECT_EQ(grpcx::ParsePageToken("", "x").value(), "");
}

TEST(CheckAnnotationsTest, BoundsKeysAndValues) {
  EXPECT_TRUE(CheckAnnotations({}).ok());
  EXPECT_TRUE(CheckAnnotations({{"KmsMasterKeyId", "alias/aws/sqs"}, {"my.own_key-2", std::string(2'048, 'v')}}).ok());
  std::string umlauts;
  for (int i = 0; i < 2'048; ++i) umlauts += "\u00fc";
  EXPECT_TRUE(CheckAnnotations({{"k", umlauts}}).ok()) << "characters count, not bytes";
  EXPECT_TRUE(CheckAnnotations({{std::string(128, 'k'), "v"}}).ok());
  struct Refused {
    std::map<std::string, std::string> annotations;
    std::string attribute;
    std::string words;
  };
  const Refused refused[] = {
      {{{"", "v"}}, "annotations", "Key \"\" of annotations is invalid: it has 1 to 128 of A-Z, a-z"},
      {{{"a b", "v"}}, "annotations", "Key \"a b\""},
      {{{"\u00fc", "v"}}, "annotations", "Key \"\\xc3\\xbc\""},
      {{{std::string(129, 'k'), "v"}}, "annotations", "Key \"kkk"},
      {{{"k", umlauts + "v"}}, "annotations.k", "this one has 2049."},
      {{{"k", "a\nb"}}, "annotations.k", "none of them a control character"},
      {{{"k", std::string("a\0b", 3)}}, "annotations.k", "none of them a control character"},
  };
  for (const Refused& c : refused) {
    const absl::Status status = CheckAnnotations(c.annotations);
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidAttributeValue) << c.words;
    EXPECT_EQ(MetadataOf(status)["attribute"], c.attribute);
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.words));
    EXPECT_LT(status.message().size(), 300u);
  }
}

TEST(CheckTagsTest, BoundsKeysValuesAndTheirNumber) {
  EXPECT_TRUE(CheckTags({}).ok());
  EXPECT_TRUE(CheckTags({{"team", "orders"}, {"empty", ""}}).ok());
  std::string umlauts;
  for (int i = 0; i < 128; ++i) umlauts += "\xc3\xbc";
  EXPECT_TRUE(CheckTags({{umlauts, std::string(256, 'v')}}).ok()) << "characters count, not bytes";
  EXPECT_FALSE(CheckTags({{umlauts + "u", ""}}).ok());
  EXPECT_FALSE(CheckTags({{"k", std::string(257, 'v')}}).ok());
  EXPECT_FALSE(CheckTags({{"", "v"}}).ok());
  EXPECT_FALSE(CheckTags({{std::string("a\0b", 3), "v"}}).ok());
  store::Tags tags;
  for (int i = 0; i < 50; ++i) tags["k" + std::to_string(i)] = "v";
  EXPECT_TRUE(CheckTags(tags).ok());
  tags["one more"] = "v";
  EXPECT_THAT(std::string(CheckTags(tags).message()), HasSubstr("at most 50 tags"));
}

}  // namespace
}  // namespace weir::queue::api
