#include "services/gateway/sqs/queues_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace weir::gateway::sqs {
namespace {

using testing::ElementsAre;
using testing::StartsWith;
using wire::Value;

const QueuesFileOptions kOptions = {
    .path = "queues.json", .default_account = "000000000000", .default_region = "us-east-1"};

std::string Shown(const Value& fields) {
  return absl::StrJoin(fields.fields(), " ", [](std::string* out, const auto& field) {
    absl::StrAppend(out, field.first, "=", field.second.text());
  });
}

// "NAME ACCOUNT REGION {ATTRIBUTES} {TAGS}" of each queue, or the error.
std::vector<std::string> Parsed(const std::string& text) {
  const auto queues = ParseQueuesFile(text, kOptions);
  if (!queues.ok()) return {std::string(queues.status().message())};
  std::vector<std::string> shown;
  for (const DeclaredQueue& queue : *queues) {
    shown.push_back(absl::StrCat(queue.name, " ", queue.owner.account, " ", queue.owner.region, " {", Shown(queue.attributes), "} {",
                                 Shown(queue.tags), "}"));
  }
  return shown;
}

TEST(QueuesFileTest, AQueueIsItsNameAndWhatIsSaidOfIt) {
  EXPECT_THAT(Parsed(R"({"queues": [{"name": "orders"}]})"), ElementsAre("orders 000000000000 us-east-1 {} {}"));
  EXPECT_THAT(Parsed(R"({"queues": [{"name": "a", "account": "111122223333", "region": "eu-central-1",
                                     "attributes": {"VisibilityTimeout": 60, "DelaySeconds": "5"}, "tags": {"team": "shop", "x": ""}}]})"),
              ElementsAre("a 111122223333 eu-central-1 {VisibilityTimeout=60 DelaySeconds=5} {team=shop x=}"));
  EXPECT_THAT(Parsed(R"({"queues": []})"), ElementsAre());
  EXPECT_THAT(Parsed("{\"queues\": [ // for the shop\n /* the first */ {\"name\": \"a\"}]}"),
              ElementsAre("a 000000000000 us-east-1 {} {}"));
}

TEST(QueuesFileTest, TheExampleIsOne) {
  std::ifstream file(WEIR_SOURCE_DIR "/examples/queues.json");
  EXPECT_EQ(Parsed(std::string(std::istreambuf_iterator<char>(file), {})).size(), 3u);
}

TEST(QueuesFileTest, AFifoQueueIsOneByItsName) {
  EXPECT_THAT(Parsed(R"({"queues": [{"name": "a.fifo", "attributes": {"ContentBasedDeduplication": true}}]})"),
              ElementsAre("a.fifo 000000000000 us-east-1 {ContentBasedDeduplication=true FifoQueue=true} {}"));
  EXPECT_THAT(Parsed(R"({"queues": [{"name": "a.fifo", "attributes": {"FifoQueue": "true"}}]})"),
              ElementsAre("a.fifo 000000000000 us-east-1 {FifoQueue=true} {}"));
}

TEST(QueuesFileTest, DeadLetterQueuesComeFirst) {
  EXPECT_THAT(Parsed(R"({"queues": [{"name": "a", "deadLetterQueue": {"name": "b", "maxReceiveCount": 3}}, {"name": "z"},
                                    {"name": "b", "deadLetterQueue": {"name": "c", "maxReceiveCount": 4}}, {"name": "c"}]})"),
              ElementsAre("c 000000000000 us-east-1 {} {}",
                          "b 000000000000 us-east-1 "
                          R"({RedrivePolicy={"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:c","maxReceiveCount":4}} {})",
                          "a 000000000000 us-east-1 "
                          R"({RedrivePolicy={"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:b","maxReceiveCount":3}} {})",
                          "z 000000000000 us-east-1 {} {}"));
}

TEST(QueuesFileTest, APolicyIsItsTextOrItsObject) {
  const std::string policy = R"({"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:old","maxReceiveCount":"3"})";
  const std::string expected = "a 000000000000 us-east-1 {RedrivePolicy=" + policy + "} {}";
  EXPECT_THAT(Parsed(R"({"queues": [{"name": "a", "attributes": {"RedrivePolicy": )" + policy + "}}]}"), ElementsAre(expected));
  EXPECT_THAT(
      Parsed(R"({"queues": [{"name": "a", "attributes": {"RedrivePolicy": "{\"deadLetterTargetArn\":)"
             R"(\"arn:aws:sqs:us-east-1:000000000000:old\",\"maxReceiveCount\":\"3\"}"}}]})"),
      ElementsAre(expected));
  EXPECT_THAT(Parsed(R"({"queues": [{"name": "a", "attributes": {"RedriveAllowPolicy": {"redrivePermission": "denyAll"}}}]})"),
              ElementsAre(R"(a 000000000000 us-east-1 {RedriveAllowPolicy={"redrivePermission":"denyAll"}} {})"));
  EXPECT_THAT(Parsed(R"({"queues": [{"name": "a", "attributes": {"RedrivePolicy": ""}}]})"),
              ElementsAre("a 000000000000 us-east-1 {RedrivePolicy=} {}"));
}

TEST(QueuesFileTest, TheSameNameInAnotherAccountOrRegionIsAnotherQueue) {
  EXPECT_THAT(Parsed(R"({"queues": [{"name": "a"}, {"name": "a", "region": "eu-west-1"}, {"name": "a", "account": "111122223333"}]})"),
              ElementsAre("a 000000000000 us-east-1 {} {}", "a 000000000000 eu-west-1 {} {}", "a 111122223333 us-east-1 {} {}"));
}

struct BadFile {
  std::string text;
  std::string error;  // behind "queues.json: "
};

void ExpectErrors(const std::vector<BadFile>& files) {
  for (const BadFile& file : files) EXPECT_THAT(Parsed(file.text), ElementsAre("queues.json: " + file.error)) << file.text;
}

TEST(QueuesFileTest, WhatIsNoFileOfQueues) {
  EXPECT_THAT(Parsed("{\"queues\": [\n{\"name\": }]}"), ElementsAre(StartsWith("queues.json: it is not JSON: line 2, column 10: ")));
  EXPECT_THAT(Parsed(""), ElementsAre(StartsWith("queues.json: it is not JSON: line 1, column 1: ")));
  const std::string at_least = R"(it must be an object with "queues": {"queues": [ … ]})";
  ExpectErrors({
      {"[]", at_least},
      {"{}", at_least},
      {R"({"queues": {}})", R"("queues" must be a list)"},
      {R"({"queues": [], "topics": []})", R"("topics" is not known; what may stand here is queues)"},
      {R"({"queues": [], "queues": []})", R"("queues" stands twice in one object; leave one of them)"},
      {R"({"queues": [{"name": "a", "tags": {"x": "1", "x": "2"}}]})", R"("x" stands twice in one object; leave one of them)"},
      {"{\"queues\": [{\"name\": \"\xff\"}]}", "it is not UTF-8"},
  });
}

TEST(QueuesFileTest, WhatIsNoQueue) {
  const std::string names =
      "a name has 1 to 80 of A-Z, a-z, 0-9, '-' and '_', and ends in .fifo if the queue is a FIFO queue";
  const std::string of_81(81, 'a');
  ExpectErrors({
      {R"({"queues": ["a"]})", "queue 1: it must be an object"},
      {R"({"queues": [{"name": "a"}, {}]})", R"(queue 2: it has no "name")"},
      {R"({"queues": [{"name": 1}]})", R"(queue 1: "name" is 1, and must be a text)"},
      {R"({"queues": [{"name": "a b"}]})", R"(queue 1, "a b": )" + names},
      {R"({"queues": [{"name": ".fifo"}]})", R"(queue 1, ".fifo": )" + names},
      {R"({"queues": [{"name": ")" + of_81 + R"("}]})", "queue 1, \"" + of_81 + "\": " + names},
      {R"({"queues": [{"name": "a", "Attributes": {}}]})",
       R"(queue 1, "a": "Attributes" is not known; what may stand here is name, attributes, deadLetterQueue, tags, account, region)"},
      {R"({"queues": [{"name": "a"}, {"name": "b"}, {"name": "a"}]})", R"(queue 3, "a": it is declared already, as queue 1)"},
      {R"({"queues": [{"name": "a", "account": "123"}]})", R"(queue 1, "a": "account" is "123", and must be 12 digits)"},
      {R"({"queues": [{"name": "a", "account": 111122223333}]})", R"(queue 1, "a": "account" is 111122223333, and must be a text)"},
      {R"({"queues": [{"name": "a", "region": "EU"}]})", R"(queue 1, "a": "region" is "EU", and must be a region such as us-east-1)"},
      {R"({"queues": [{"name": "a", "attributes": []}]})", R"(queue 1, "a": "attributes" must be an object of SQS's attributes)"},
  });
}

TEST(QueuesFileTest, WhatIsNoAttribute) {
  const auto with = [](const std::string& attributes, const std::string& name = "a") {
    return R"({"queues": [{"name": ")" + name + R"(", "attributes": {)" + attributes + "}}]}";
  };
  const std::string a = R"(queue 1, "a": attribute )";
  const std::string fifo = R"(queue 1, "a.fifo": attribute )";
  EXPECT_THAT(Parsed(with(R"("VisibilityTimout": 5)")),
              ElementsAre(StartsWith("queues.json: " + a +
                                     "VisibilityTimout: it cannot be set; those that can are VisibilityTimeout, MaximumMessageSize, ")));
  EXPECT_THAT(Parsed(with(R"("QueueArn": "x")")), ElementsAre(StartsWith("queues.json: " + a + "QueueArn: it cannot be set")));
  ExpectErrors({
      {with(R"("VisibilityTimeout": "soon")"),
       a + R"(VisibilityTimeout: it is "soon", and must be a whole number between 0 and 43200)"},
      {with(R"("VisibilityTimeout": 43201)"),
       a + R"(VisibilityTimeout: it is "43201", and must be a whole number between 0 and 43200)"},
      {with(R"("DelaySeconds": -1)"), a + R"(DelaySeconds: it is "-1", and must be a whole number between 0 and 900)"},
      {with(R"("MessageRetentionPeriod": 59)"),
       a + R"(MessageRetentionPeriod: it is "59", and must be a whole number between 60 and 1209600)"},
      {with(R"("ReceiveMessageWaitTimeSeconds": 21)"),
       a + R"(ReceiveMessageWaitTimeSeconds: it is "21", and must be a whole number between 0 and 20)"},
      {with(R"("MaximumMessageSize": 1048577)"),
       a + R"(MaximumMessageSize: it is "1048577", and must be a whole number between 1024 and 1048576)"},
      {with(R"("DelaySeconds": 1.5)"),
       a + "DelaySeconds: it is 1.5, and must be a text, a whole number, true or false, or a policy's object"},
      {with(R"("DelaySeconds": null)"),
       a + "DelaySeconds: it is null, and must be a text, a whole number, true or false, or a policy's object"},
      {with(R"("FifoQueue": true)"),
       a + "FifoQueue: the queue's name does not end in .fifo, so it is a standard queue; leave the attribute out, or name the queue "
           "NAME.fifo"},
      {with(R"("ContentBasedDeduplication": true)"),
       a + "ContentBasedDeduplication: only FIFO queues have it, whose names end in .fifo"},
      {with(R"("FifoQueue": false)", "a.fifo"), fifo + "FifoQueue: the queue's name ends in .fifo, so it must be true, or be left out"},
      {with(R"("DeduplicationScope": "group")", "a.fifo"),
       fifo + R"(DeduplicationScope: it is "group", and must be queue or messageGroup)"},
      {with(R"("ContentBasedDeduplication": "yes")", "a.fifo"),
       fifo + R"(ContentBasedDeduplication: it is "yes", and must be true or false)"},
      {with(R"("FifoThroughputLimit": "perMessageGroupId")", "a.fifo"),
       fifo + "FifoThroughputLimit: perMessageGroupId needs the attribute DeduplicationScope to be messageGroup"},
      {with(R"("RedriveAllowPolicy": {"redrivePermission": "byQueue"})"),
       a + "RedriveAllowPolicy: sourceQueueArns must be 1 to 10 queues where redrivePermission is byQueue, and be left out else"},
      {with(R"("RedriveAllowPolicy": {"redrivePermission": "byQueue", "sourceQueueArns": ["b"]})"),
       a + R"(RedriveAllowPolicy: in sourceQueueArns, "b" must be arn:aws:sqs:REGION:ACCOUNT:NAME)"},
      {with(R"("RedrivePolicy": {"deadLetterTargetArn": "b", "maxReceiveCount": 1})"),
       a + R"(RedrivePolicy: deadLetterTargetArn is "b", and must be arn:aws:sqs:REGION:ACCOUNT:NAME)"},
      {with(R"("RedrivePolicy": {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:b", "maxReceiveCount": 1})"),
       a + R"(RedrivePolicy: deadLetterTargetArn is "arn:aws:sqs:eu-west-1:000000000000:b", and must be a queue of the same account and )"
           "region, arn:aws:sqs:us-east-1:000000000000:…"},
  });
}

TEST(QueuesFileTest, WhatIsNoDeadLetterQueue) {
  const auto with = [](const std::string& dead_letter_queue) {
    return R"({"queues": [{"name": "b"}, {"name": "b.fifo"}, {"name": "a", )" + dead_letter_queue + "}]}";
  };
  const std::string a = R"(queue 3, "a": )";
  const std::string wanted = a + R"("deadLetterQueue": it must be {"name": …, "maxReceiveCount": 1 to 1000})";
  ExpectErrors({
      {with(R"("deadLetterQueue": "b")"), wanted},
      {with(R"("deadLetterQueue": {"name": "b"})"), wanted},
      {with(R"("deadLetterQueue": {"maxReceiveCount": 1})"), wanted},
      {with(R"("deadLetterQueue": {"name": "b", "maxReceiveCount": 0})"), wanted},
      {with(R"("deadLetterQueue": {"name": "b", "maxReceiveCount": 1001})"), wanted},
      {with(R"("deadLetterQueue": {"name": "b", "maxReceiveCount": "3"})"), wanted},
      {with(R"("deadLetterQueue": {"name": "b", "maxReceiveCount": 1, "arn": "x"})"),
       a + R"("deadLetterQueue": "arn" is not known; what may stand here is name, maxReceiveCount)"},
      {with(R"("deadLetterQueue": {"name": "c", "maxReceiveCount": 1})"),
       a + R"("deadLetterQueue": "c" is not declared in this file for the same account and region; declare it, or name a queue that )"
           "exists by its ARN in the attribute RedrivePolicy"},
      {with(R"("region": "eu-west-1", "deadLetterQueue": {"name": "b", "maxReceiveCount": 1})"),
       a + R"("deadLetterQueue": "b" is not declared in this file for the same account and region; declare it, or name a queue that )"
           "exists by its ARN in the attribute RedrivePolicy"},
      {with(R"("deadLetterQueue": {"name": "b.fifo", "maxReceiveCount": 1})"),
       a + "attribute RedrivePolicy: the dead-letter queue of a standard queue must be one, too, and b.fifo is not"},
      {with(R"("attributes": {"RedrivePolicy": ""}, "deadLetterQueue": {"name": "b", "maxReceiveCount": 1})"),
       a + R"("deadLetterQueue" and the attribute RedrivePolicy say the same; leave one of them)"},
      {with(R"("deadLetterQueue": {"name": "a", "maxReceiveCount": 1})"), a + "dead-letter queues must not form a circle: a → a"},
      {R"({"queues": [{"name": "a", "deadLetterQueue": {"name": "b", "maxReceiveCount": 1}},
                      {"name": "b", "deadLetterQueue": {"name": "c", "maxReceiveCount": 1}},
                      {"name": "c", "deadLetterQueue": {"name": "b", "maxReceiveCount": 1}}]})",
       R"(queue 1, "a": dead-letter queues must not form a circle: a → b → c → b)"},
  });
}

TEST(QueuesFileTest, WhatIsNoTag) {
  std::string many;
  for (int i = 0; i < 51; ++i) absl::StrAppend(&many, i == 0 ? "" : ",", "\"t", i, "\": \"\"");
  const auto with = [](const std::string& tags) { return R"({"queues": [{"name": "a", "tags": )" + tags + "}]}"; };
  const std::string sizes = ": a key has 1 to 128 characters, a value at most 256, none of them a control character";
  const std::string long_key(129, 'k');
  ExpectErrors({
      {with("[]"), R"(queue 1, "a": "tags" must be an object of texts)"},
      {with(R"({"n": 1})"), R"(queue 1, "a": tag "n" is 1, and must be a text)"},
      {with("{" + many + "}"), R"(queue 1, "a": it has 51 tags; 50 are the most)"},
      {with(R"({"": "x"})"), R"(queue 1, "a": tag "")" + sizes},
      {with("{\"" + long_key + "\": \"\"}"), "queue 1, \"a\": tag \"" + long_key + "\"" + sizes},
      {with(R"({"k": ")" + std::string(257, 'v') + "\"}"), R"(queue 1, "a": tag "k")" + sizes},
      {with(R"({"aws:k": "v"})"), R"(queue 1, "a": tag "aws:k": keys that begin with aws: are reserved)"},
  });
  EXPECT_EQ(Parsed(with("{\"" + std::string(128, 'k') + "\": \"" + std::string(256, 'v') + "\"}")).size(), 1u);
}

}  // namespace
}  // namespace weir::gateway::sqs
