#include "services/gateway/sqs/queue_declarer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/gateway/sqs/shapes.h"

namespace weir::gateway::sqs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using wire::AwsError;
using wire::Outcome;
using wire::Value;

constexpr wire::Operation kOperations[] = {
    {"CreateQueue", &shapes::kCreateQueueInput, &shapes::kQueueUrlOutput},
    {"GetQueueAttributes", &shapes::kGetAttributesInput, &shapes::kGetAttributesOutput},
    {"SetQueueAttributes", &shapes::kSetAttributesInput, nullptr},
    {"ListQueueTags", &shapes::kOnlyQueueUrl, &shapes::kListTagsOutput},
    {"TagQueue", &shapes::kTagQueueInput, nullptr}};

AwsError ErrorOf(const std::string& code, bool sender_fault = true) {
  return {.code = code, .query_code = code, .sender_fault = sender_fault, .message = "Because of " + code + "."};
}

// Keeps queues, and tells what it was asked to change: "SetQueueAttributes a DelaySeconds=5".
class FakeSqs final : public wire::Service {
 public:
  const wire::ServiceNames& names() const override {
    static constexpr wire::ServiceNames kNames = {};
    return kNames;
  }
  const wire::Operation* Find(absl::string_view name) const override {
    for (const wire::Operation& operation : kOperations) {
      if (operation.name == name) return &operation;
    }
    return nullptr;
  }
  void AddFromPath(const wire::CallContext&, const wire::Operation&, Value&) const override {}
  void Drain() override {}
  Cancel Start(const wire::Operation& operation, const wire::CallContext& context, Value input, Done done) override {
    if (operation.name == hangs_at) {
      hanging.Notify();
      return [done = std::move(done)] { done(ErrorOf("ServiceUnavailable", /*sender_fault=*/false)); };
    }
    const std::function<Outcome()> answer = [&] { return Answer(operation, context, input); };
    if (errors.empty()) {
      done(answer());
    } else {
      const AwsError error = errors.back();
      errors.pop_back();
      done(error);
    }
    return [] {};
  }

  std::vector<std::string> changes;
  std::vector<AwsError> errors;  // answered first, the last one first
  std::string refuses;           // an attribute
  std::string hangs_at;          // an operation that is answered when it is cancelled
  Notification hanging;
  struct Queue {
    std::map<std::string, std::string> attributes;
    std::map<std::string, std::string> tags;
  };
  std::map<std::string, Queue> queues;  // "ACCOUNT/NAME"

 private:
  Outcome Answer(const wire::Operation& operation, const wire::CallContext& context, const Value& input) {
    const bool creates = operation.name == "CreateQueue";
    const std::string name = creates ? input["QueueName"].text() : input["QueueUrl"].text();
    const std::string key = absl::StrCat(context.account, "/", name);
    if (!creates && queues.count(key) == 0) return ErrorOf("QueueDoesNotExist");
    if (!input["Attributes"][refuses].absent()) return ErrorOf("InvalidAttributeValue");
    Queue& queue = queues[key];
    if (operation.name == "GetQueueAttributes") return With("Attributes", queue.attributes);
    if (operation.name == "ListQueueTags") return With("Tags", queue.tags);
    std::vector<std::string> words = {std::string(operation.name), name};
    Take(input["Attributes"], queue.attributes, words);
    Take(input[creates ? "tags" : "Tags"], queue.tags, words);
    changes.push_back(absl::StrJoin(words, " "));
    return Value();
  }
  static Value With(const char* name, const std::map<std::string, std::string>& fields) {
    Value map{Value::Fields()};
    for (const auto& [key, value] : fields) map.Set(key, Value(value));
    Value out{Value::Fields()};
    if (!fields.empty()) out.Set(name, std::move(map));
    return out;
  }
  static void Take(const Value& fields, std::map<std::string, std::string>& into, std::vector<std::string>& words) {
    for (const auto& [key, value] : fields.fields()) {
      into[key] = value.text();
      words.push_back(absl::StrCat(key, "=", value.text()));
    }
  }
};

class QueueDeclarerTest : public testing::Test {
 protected:
  absl::Status Declare(const std::string& file) {
    QueueDeclarer declarer(sqs_, Parsed(file), Options());
    return declarer.Await(absl::InfiniteDuration());
  }
  static std::vector<DeclaredQueue> Parsed(const std::string& file) {
    auto queues = ParseQueuesFile(
        file, {.path = "queues.json", .default_account = "000000000000", .default_region = "us-east-1"});
    EXPECT_TRUE(queues.ok()) << queues.status();
    return *std::move(queues);
  }
  DeclarerOptions Options() {
    return {.path = "queues.json",
            .when_there = [this] { there_ = true; },
            .pause_min = absl::ZeroDuration(),
            .pause_max = absl::ZeroDuration()};
  }

  FakeSqs sqs_;
  bool there_ = false;
};

TEST_F(QueueDeclarerTest, WhatIsMissingIsCreated) {
  EXPECT_TRUE(Declare(R"({"queues": [{"name": "a", "attributes": {"DelaySeconds": 5}, "tags": {"team": "shop"},
                                      "deadLetterQueue": {"name": "b", "maxReceiveCount": 3}},
                                     {"name": "b"}, {"name": "c", "account": "111122223333"}]})")
                  .ok());
  EXPECT_THAT(sqs_.changes,
              ElementsAre("CreateQueue b",
                          "CreateQueue a DelaySeconds=5 "
                          R"(RedrivePolicy={"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:b","maxReceiveCount":3} team=shop)",
                          "CreateQueue c"));
  EXPECT_EQ(sqs_.queues.count("111122223333/c"), 1u);
  EXPECT_TRUE(there_);
}

TEST_F(QueueDeclarerTest, WhatIsDifferentIsSetAndTheRestIsLeftAlone) {
  sqs_.queues["000000000000/a"] = {.attributes = {{"DelaySeconds", "5"}, {"VisibilityTimeout", "30"}, {"MaximumMessageSize", "2048"}},
                                   .tags = {{"team", "shop"}, {"stage", "test"}, {"kept", "yes"}}};
  sqs_.queues["000000000000/other"] = {};
  EXPECT_TRUE(Declare(R"({"queues": [{"name": "a", "attributes": {"DelaySeconds": 5, "VisibilityTimeout": 60},
                                      "tags": {"team": "shop", "stage": "live", "empty": ""}}]})")
                  .ok());
  EXPECT_THAT(sqs_.changes, ElementsAre("SetQueueAttributes a VisibilityTimeout=60", "TagQueue a stage=live empty="));
  EXPECT_EQ(sqs_.queues["000000000000/a"].tags["kept"], "yes");
}

TEST_F(QueueDeclarerTest, WhatIsTheSameIsNotTouched) {
  const std::string file =
      R"({"queues": [{"name": "a.fifo", "attributes": {"DelaySeconds": "05", "DeduplicationScope": "messageGroup",
                      "RedrivePolicy": {"maxReceiveCount": "3", "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:b.fifo"},
                      "RedriveAllowPolicy": ""}, "tags": {"a": ""}}]})";
  sqs_.queues["000000000000/a.fifo"] = {
      .attributes = {{"DelaySeconds", "5"},
                     {"FifoQueue", "true"},
                     {"DeduplicationScope", "messageGroup"},
                     {"RedrivePolicy", R"({"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:b.fifo","maxReceiveCount":3})"}},
      .tags = {{"a", ""}}};
  EXPECT_TRUE(Declare(file).ok());
  EXPECT_THAT(sqs_.changes, IsEmpty());
}

TEST_F(QueueDeclarerTest, APolicyThatIsEmptyIsRemoved) {
  sqs_.queues["000000000000/a"] = {.attributes = {{"RedrivePolicy", "{}"}}};
  EXPECT_TRUE(Declare(R"({"queues": [{"name": "a", "attributes": {"RedrivePolicy": ""}}]})").ok());
  EXPECT_THAT(sqs_.changes, ElementsAre("SetQueueAttributes a RedrivePolicy="));
}

TEST_F(QueueDeclarerTest, WhatMayPassIsTriedAgain) {
  sqs_.errors = {ErrorOf("QueueNameExists"), ErrorOf("QueueDeletedRecently"), ErrorOf("ServiceUnavailable", /*sender_fault=*/false),
                 ErrorOf("ServiceUnavailable", /*sender_fault=*/false)};
  EXPECT_TRUE(Declare(R"({"queues": [{"name": "a"}]})").ok());
  EXPECT_THAT(sqs_.changes, ElementsAre("CreateQueue a"));
  EXPECT_THAT(sqs_.errors, IsEmpty());
}

TEST_F(QueueDeclarerTest, WhatIsRefusedEndsIt) {
  sqs_.refuses = "DelaySeconds";
  const absl::Status refused = Declare(R"({"queues": [{"name": "a", "attributes": {"DelaySeconds": 5}}, {"name": "b"}]})");
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.message(),
            "queues.json: queue \"a\" of account 000000000000, region us-east-1, cannot be what the file says: InvalidAttributeValue: "
            "Because of InvalidAttributeValue.");
  EXPECT_THAT(sqs_.changes, IsEmpty());
  EXPECT_FALSE(there_);
}

TEST_F(QueueDeclarerTest, StopEndsTheCallThatRuns) {
  sqs_.hangs_at = "CreateQueue";
  QueueDeclarer declarer(sqs_, Parsed(R"({"queues": [{"name": "a"}]})"), Options());
  sqs_.hanging.WaitForNotification();
  EXPECT_EQ(declarer.Await(absl::ZeroDuration()).code(), absl::StatusCode::kDeadlineExceeded);
  declarer.Stop();
  EXPECT_EQ(declarer.Await(absl::ZeroDuration()).code(), absl::StatusCode::kCancelled);
  declarer.Stop();
  EXPECT_FALSE(there_);
}

TEST_F(QueueDeclarerTest, StopEndsAPause) {
  sqs_.errors = std::vector<AwsError>(1, ErrorOf("ServiceUnavailable", /*sender_fault=*/false));
  DeclarerOptions options = Options();
  options.pause_min = options.pause_max = absl::Hours(1);
  QueueDeclarer declarer(sqs_, Parsed(R"({"queues": [{"name": "a"}]})"), options);
  declarer.Stop();
  EXPECT_EQ(declarer.Await(absl::ZeroDuration()).code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(sqs_.changes, IsEmpty());
}

}  // namespace
}  // namespace weir::gateway::sqs
