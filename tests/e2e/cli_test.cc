// The real binary: `weir up` and the commands against it, as a person or a script uses them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/fault/weir_up.h"
#include "tests/support/pg_fixture.h"
#include "tests/support/shell.h"

namespace weir {
namespace {

using nlohmann::json;
using testing::HasSubstr;

struct Outcome : ShellOutcome {
  json document() const { return json::parse(out, nullptr, false); }
};

class CliTest : public testing::Test {
 protected:
  void SetUp() override { StartSuite(); }

  void StartSuite() {
    up_ = std::make_unique<WeirUp>(dir_.path());
    ASSERT_TRUE(up_->Launch().ok());
    const absl::Status ready = up_->AwaitReady();
    ASSERT_TRUE(ready.ok()) << ready;
  }

  // A command line as a shell reads it, without "weir".
  Outcome Weir(const std::string& command) const {
    return {RunShell(absl::StrCat("WEIR_QUEUE_ENDPOINT=", up_->endpoint("queue"), " WEIR_RUNNER_ENDPOINT=", up_->endpoint("runner"),
                                  " " WEIR_BIN_DIR "/weir ", command),
                     dir_.path() + "/stderr")};
  }

  json Json(const std::string& command) const {
    const Outcome outcome = Weir(absl::StrCat(command, " --output json"));
    EXPECT_EQ(outcome.exit_code, 0) << command << ": " << outcome.err;
    EXPECT_FALSE(outcome.document().is_discarded()) << command << " printed: " << outcome.out;
    return outcome.document();
  }

  TempDir dir_;
  std::unique_ptr<WeirUp> up_;
};

TEST_F(CliTest, PeekAndTraceTellWhereAMessageIs) {
  EXPECT_EQ(Weir("queue create orders").exit_code, 0);
  const std::string id = Json("send orders Order123 -a amount:Number=5")["message_id"];
  EXPECT_EQ(Weir("send orders later --delay 5m").exit_code, 0);
  const json all = Json("queue peek orders");
  ASSERT_EQ(all["messages"].size(), 2u);
  EXPECT_EQ(all["more"], false);
  EXPECT_EQ(all["messages"][0]["state"], "READY");
  EXPECT_EQ(all["messages"][0]["message_attributes"]["amount"]["value"], "5");
  EXPECT_EQ(Json("queue peek orders --state delayed")["messages"][0]["body"], "later");
  EXPECT_EQ(Json("queue peek orders --contains nowhere")["messages"].size(), 0u);
  EXPECT_THAT(Weir("queue peek orders").out, HasSubstr("Order123"));
  EXPECT_EQ(Weir("queue peek orders --state lost").exit_code, 2);
  EXPECT_EQ(Weir("receive orders --delete").exit_code, 0);
  const json events = Json("trace " + id)["events"];
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["kind"], "SENT");
  EXPECT_EQ(events[1]["kind"], "RECEIVED");
  EXPECT_THAT(events[1]["consumer"].get<std::string>(), HasSubstr("127.0.0.1:"));
  EXPECT_EQ(events[2]["kind"], "DELETED");
  EXPECT_THAT(Weir("trace " + id).out, HasSubstr("deleted"));
  EXPECT_THAT(Weir("trace 0f8fad5b-d9cb-469f-a165-70867728950e").err, HasSubstr("MESSAGE_DOES_NOT_EXIST"));
}

TEST_F(CliTest, MessagesSurviveARestart) {
  EXPECT_EQ(Weir("queue create orders").exit_code, 0);
  EXPECT_EQ(Weir("send orders Order123 -a amount:Number=5").exit_code, 0);
  ASSERT_TRUE(up_->Interrupt()) << up_->Output();
  StartSuite();
  const json message = Json("receive orders --delete")["messages"][0];
  EXPECT_EQ(message["body"], "Order123");
  EXPECT_EQ(message["receive_count"], 1);
  EXPECT_EQ(message["message_attributes"]["amount"], json({{"data_type", "Number"}, {"value", "5"}}));
}

TEST_F(CliTest, QueueCommandsAnswerOneDocumentEach) {
  Json("queue create orders-dlq");
  const json created = Json("queue create orders --visibility-timeout 1m --dead-letter-queue orders-dlq --max-receive-count 3");
  EXPECT_EQ(created["created"], true);
  EXPECT_EQ(created["attributes"]["visibility_timeout_seconds"], 60);
  EXPECT_EQ(created["attributes"]["redrive_policy"]["max_receive_count"], 3);
  EXPECT_EQ(Json("queue create orders --visibility-timeout 60")["created"], false);
  EXPECT_EQ(Json("queue list")["queues"].size(), 2u);
  EXPECT_EQ(Json("queue update orders --partitions 3")["attributes"]["partitions"], 3);
  EXPECT_EQ(Json("queue update orders --no-dead-letter-queue --delay 2s")["attributes"]["redrive_policy"], nullptr);
  EXPECT_EQ(Json("send orders 'later'")["md5_of_body"].get<std::string>().size(), 32u);
  EXPECT_EQ(Json("queue describe orders")["stats"]["delayed"], 1);
  EXPECT_EQ(Json("queue purge orders")["removed_messages"], 1);
  EXPECT_EQ(Json("queue delete orders")["deleted"], true);
}

TEST_F(CliTest, FifoQueueShowsGroupsAndWhatBlocksThem) {
  const json created = Json("queue create pay.fifo --fifo --content-based-deduplication --tag team=shop");
  EXPECT_EQ(created["attributes"]["fifo_queue"], true);
  EXPECT_EQ(created["attributes"]["deduplication_scope"], "QUEUE");
  EXPECT_EQ(created["tags"]["team"], "shop");
  const json first = Json("send pay.fifo charge --group customer-7");
  EXPECT_EQ(Json("send pay.fifo charge --group customer-7")["message_id"], first["message_id"]);
  Json("send pay.fifo refund --group customer-7 --deduplication-id r1");
  const json received = Json("receive pay.fifo")["messages"][0];
  EXPECT_EQ(received["body"], "charge");
  EXPECT_EQ(received["message_group_id"], "customer-7");
  EXPECT_EQ(received["sequence_number"], first["sequence_number"]);
  const json group = Json("queue groups pay.fifo --blocked")["groups"][0];
  EXPECT_EQ(group["message_group_id"], "customer-7");
  EXPECT_EQ(group["blocked_by"]["message_id"], first["message_id"]);
  EXPECT_THAT(group["blocked_by"]["consumer"].get<std::string>(), HasSubstr("127.0.0.1:"));
  EXPECT_EQ(Json("queue describe pay.fifo")["blocked_groups"].size(), 1u);
  const Outcome described = Weir("queue describe pay.fifo");
  EXPECT_THAT(described.out, HasSubstr("FIFO"));
  EXPECT_THAT(described.out, HasSubstr("Blocked groups:"));
  EXPECT_THAT(described.out, HasSubstr("team=shop"));
  EXPECT_EQ(Weir("queue tag pay.fifo cost=12").exit_code, 0);
  EXPECT_EQ(Weir("queue untag pay.fifo team").exit_code, 0);
  EXPECT_EQ(Json("queue describe pay.fifo")["tags"], json({{"cost", "12"}}));
  EXPECT_EQ(Weir("queue tag pay.fifo nonsense").exit_code, 2);
}

TEST_F(CliTest, PoliciesAreSetShownEditedAndRemoved) {
  const std::string policy =
      R"({"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Allow","Principal":{"AWS":"111122223333"},)"
      R"("Action":"sqs:SendMessage","Resource":"arn:aws:sqs:us-east-1:000000000000:orders"}]})";
  std::ofstream(dir_.path() + "/policy.json") << policy;
  const std::string file = dir_.path() + "/policy.json";
  EXPECT_EQ(Json(absl::StrCat("queue create orders --policy-file ", file))["attributes"]["policy"], policy);
  EXPECT_THAT(Weir("queue describe orders").out, HasSubstr("\"Sid\":\"s\""));
  EXPECT_EQ(Json("queue update orders --no-policy")["attributes"]["policy"], nullptr);
  EXPECT_EQ(Json("queue update orders --policy-file - < " + file)["attributes"]["policy"], policy);
  EXPECT_EQ(Json("queue update orders --policy '" + policy + "'")["attributes"]["policy"], policy);
  EXPECT_EQ(Json("queue add-permission orders shop --account 444455556666 --action SendMessage")["added"], true);
  const json edited = json::parse(Json("queue describe orders")["attributes"]["policy"].get<std::string>());
  EXPECT_EQ(edited["Statement"].size(), 2u);
  EXPECT_EQ(edited["Statement"][1]["Sid"], "shop");
  const Outcome again = Weir("queue add-permission orders shop --account 444455556666 --action SendMessage");
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("INVALID_PARAMETER_VALUE"));
  EXPECT_EQ(Json("queue remove-permission orders shop")["removed"], true);
  EXPECT_EQ(Weir("queue remove-permission orders s").exit_code, 0);
  EXPECT_EQ(Json("queue describe orders")["attributes"]["policy"], nullptr);
  EXPECT_EQ(Weir("queue update orders --policy nonsense").exit_code, 1);
  EXPECT_EQ(Weir("queue update orders --policy-file /nowhere").exit_code, 2);
}

TEST_F(CliTest, EachLineOfStdinIsAMessage) {
  Json("queue create q");
  std::ofstream(dir_.path() + "/lines") << "one\ntwo\n\nthree\n";
  EXPECT_EQ(Json("send q --lines < " + dir_.path() + "/lines")["messages"].size(), 3u);
  EXPECT_EQ(Json("receive q --max 10")["messages"].size(), 3u);
}

TEST_F(CliTest, AReceiptAcksOrGivesBack) {
  Json("queue create q");
  Json("send q '[1,2]'");
  const std::string first = Json("receive q --visibility-timeout 1h")["messages"][0]["receipt_handle"];
  EXPECT_EQ(Json("receive q")["messages"], json::array());
  EXPECT_EQ(Json(absl::StrCat("nack q ", first))["changed"], 1);
  const json again = Json("receive q --wait 5s")["messages"][0];
  EXPECT_EQ(again["body"], "[1,2]");
  EXPECT_EQ(again["receive_count"], 2);
  EXPECT_EQ(Json(absl::StrCat("ack q ", again["receipt_handle"].get<std::string>()))["deleted"], 1);
  EXPECT_EQ(Json("queue describe q")["stats"]["in_flight"], 0);
  EXPECT_EQ(Weir("receive q").err, "No messages.\n");
}

TEST_F(CliTest, StreamsCarryLinesThereAndBack) {
  ASSERT_EQ(Weir("queue create jobs").exit_code, 0);
  const std::string input = dir_.path() + "/input";
  std::ofstream(input) << "a\n\nb\nc\n";
  EXPECT_EQ(Weir(absl::StrCat("produce jobs <", input)).out, "Sent 3 messages\n");
  EXPECT_EQ(Json(absl::StrCat("produce jobs <", input)), json::parse(R"({"sent": 3, "failed": 0})"));
  EXPECT_EQ(Weir("consume jobs --max 2").out, "a\nb\n") << "they are not deleted, so they come again";
  EXPECT_EQ(Weir("consume jobs --max 6 --delete").exit_code, 0);
  EXPECT_EQ(Json("queue describe jobs")["stats"]["ready"], 0);
  const Outcome missing = Weir(absl::StrCat("produce nothing <", input));
  EXPECT_NE(missing.exit_code, 0);
  EXPECT_THAT(missing.err, HasSubstr("QUEUE_DOES_NOT_EXIST"));
}

TEST_F(CliTest, FunctionCommandsAnswerOneDocumentEach) {
  std::ofstream(dir_.path() + "/f.py") << "def ok(event, context):\n    print('ran')\n    return event\n"
                                          "def bad(event, context):\n    raise ValueError('no')\n";
  std::string python;
  const json runtimes = Json("runtime list");
  for (const json& runtime : runtimes["runtimes"]) {
    if (runtime["available"] == true) python = runtime["name"];
  }
  const json deployed = Json(absl::StrCat("function deploy f --runtime ", python, " --handler f.ok --file ", dir_.path(),
                                          "/f.py --env MODE=test --timeout 5s"));
  EXPECT_EQ(deployed["created"], true);
  EXPECT_EQ(deployed["environment"]["MODE"], "test");
  EXPECT_EQ(Json("function list")["functions"].size(), 1u);
  EXPECT_EQ(Json("function describe f")["timeout_seconds"], 5);
  EXPECT_EQ(Weir("function invoke f '{\"a\": 1}'").out, "{\"a\": 1}\n");
  EXPECT_THAT(Weir("function logs f").out, HasSubstr("ran"));
  Json("function deploy f --handler f.bad");
  const Outcome failed = Weir("function invoke f");
  EXPECT_EQ(failed.exit_code, 4);
  EXPECT_THAT(failed.err, HasSubstr("ValueError: no"));
  Json("queue create q");
  const std::string uuid = Json("mapping create --queue q --function f --disabled")["uuid"];
  EXPECT_EQ(Json("mapping list")["mappings"][0]["uuid"], uuid);
  EXPECT_EQ(Json(absl::StrCat("mapping update ", uuid, " --batch-size 5"))["batch_size"], 5);
  EXPECT_EQ(Weir("function delete f").exit_code, 1);
  Json(absl::StrCat("mapping delete ", uuid));
  EXPECT_EQ(Json("function delete f")["deleted"], true);
}

TEST_F(CliTest, ExitCodesTellWhatWentWrong) {
  const Outcome missing = Weir("send nowhere Hello");
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("weir: QUEUE_DOES_NOT_EXIST: "));
  EXPECT_EQ(Weir("queue create").exit_code, 2);
  EXPECT_EQ(Weir("queue create q --delay 5x").exit_code, 2);
  EXPECT_EQ(Weir("send q Hello -a broken").exit_code, 2);
  const Outcome unreachable = Weir("--endpoint 127.0.0.1:1 queue list");
  EXPECT_EQ(unreachable.exit_code, 3);
  EXPECT_THAT(unreachable.err, HasSubstr("weir up"));
}

TEST_F(CliTest, CompletionKnowsTheQueuesThatAreThere) {
  Json("queue create orders");
  EXPECT_EQ(Weir("__complete -- send ''").out, "orders\n");
  EXPECT_EQ(Weir("completion bash | bash -n").exit_code, 0);
}

TEST_F(CliTest, ASecondUpOnTheSameFolderIsRefused) {
  const Outcome second = Weir("up --data-dir " + dir_.path() + "/data --queue-port 0 --runner-port 0 --gateway-port 0 --metrics-port 0");
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr("is in use by another `weir up` (process "));
}

TEST_F(CliTest, ATakenPortIsNamedWithItsFlag) {
  const std::string taken = up_->endpoint("queue").substr(up_->endpoint("queue").rfind(':') + 1);
  const Outcome second = Weir("up --data-dir " + dir_.path() + "/other --queue-port " + taken);
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr("(--queue-port)"));
}

}  // namespace
}  // namespace weir
