// Access policies of queues and their annotations: set whole, edited a statement at a time, kept. What a policy may say is the matter of
// libs/policy.
#include <future>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "tests/integration/queue_fixture.h"

namespace weir::queue {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using Json = nlohmann::json;

constexpr char kPolicy[] =
    R"({"Version":"2012-10-17","Statement":[{"Sid":"first","Effect":"Allow","Principal":{"AWS":"111122223333"},)"
    R"("Action":"sqs:SendMessage","Resource":"arn:aws:sqs:us-east-1:000000000000:jobs"}]})";

class PermissionsTest : public QueueTest {
 protected:
  void SetUp() override {
    QueueTest::SetUp();
    CreateQueue("jobs");
  }

  absl::Status Add(const std::string& label, const std::vector<std::string>& actions = {"SendMessage"},
                   const std::vector<std::string>& accounts = {"444455556666"}) {
    v1::AddPermissionRequest request;
    request.mutable_queue()->set_name("jobs");
    request.set_label(label);
    for (const std::string& action : actions) request.add_actions(action);
    for (const std::string& account : accounts) request.add_account_ids(account);
    return Call(&Stub::AddPermission, request).status();
  }
  absl::Status Remove(const std::string& label) {
    v1::RemovePermissionRequest request;
    request.mutable_queue()->set_name("jobs");
    request.set_label(label);
    return Call(&Stub::RemovePermission, request).status();
  }
  absl::Status Set(const std::string& policy, const std::map<std::string, std::string>& annotations = {}) {
    v1::UpdateQueueRequest request;
    request.mutable_queue()->set_name("jobs");
    request.mutable_attributes()->set_policy(policy);
    for (const auto& [key, value] : annotations) (*request.mutable_attributes()->mutable_annotations())[key] = value;
    return Call(&Stub::UpdateQueue, request).status();
  }
  std::string Policy() { return GetQueue("jobs").attributes().policy(); }
  std::vector<std::string> Labels() {
    std::vector<std::string> labels;
    if (Policy().empty()) return labels;
    const Json policy = Json::parse(Policy());
    for (const Json& statement : policy["Statement"]) labels.push_back(statement["Sid"]);
    return labels;
  }
};

TEST_F(PermissionsTest, StatementsAreAddedAndThePolicyGoesWithTheLast) {
  EXPECT_FALSE(GetQueue("jobs").attributes().has_policy());
  ASSERT_TRUE(Add("senders").ok());
  const Json policy = Json::parse(Policy());
  EXPECT_EQ(policy["Id"], "arn:aws:sqs:us-east-1:000000000000:jobs/SQSDefaultPolicy");
  EXPECT_EQ(policy["Statement"][0]["Resource"], "arn:aws:sqs:us-east-1:000000000000:jobs");
  EXPECT_EQ(policy["Statement"][0]["Action"], "SQS:SendMessage");
  ASSERT_TRUE(Add("workers", {"ReceiveMessage", "DeleteMessage"}, {"444455556666", "777788889999"}).ok());
  EXPECT_THAT(Labels(), ElementsAre("senders", "workers"));
  StopServer();
  StartServer();
  EXPECT_THAT(Labels(), ElementsAre("senders", "workers"));
  EXPECT_TRUE(Remove("senders").ok());
  EXPECT_THAT(Labels(), ElementsAre("workers"));
  EXPECT_TRUE(Remove("workers").ok());
  EXPECT_FALSE(GetQueue("jobs").attributes().has_policy());
}

TEST_F(PermissionsTest, APolicyIsKeptAsItIsGivenAndStatementsComeBehindItsOwn) {
  const std::string spaced = absl::StrCat("  ", kPolicy, "\n");
  ASSERT_TRUE(Set(spaced).ok());
  EXPECT_EQ(Policy(), spaced);
  ASSERT_TRUE(Add("second").ok());
  EXPECT_THAT(Labels(), ElementsAre("first", "second"));
  EXPECT_TRUE(Remove("first").ok());
  EXPECT_THAT(Labels(), ElementsAre("second"));
  ASSERT_TRUE(Set("").ok());
  EXPECT_FALSE(GetQueue("jobs").attributes().has_policy());
}

TEST_F(PermissionsTest, LabelsAreTakenOnceAndRemovedOnce) {
  ASSERT_TRUE(Add("senders").ok());
  const absl::Status again = Add("senders", {"ReceiveMessage"});
  EXPECT_EQ(ReasonOf(again), ErrorReason::kInvalidParameterValue) << again;
  EXPECT_THAT(std::string(again.message()), HasSubstr("Already exists"));
  ASSERT_TRUE(Remove("senders").ok());
  const absl::Status gone = Remove("senders");
  EXPECT_EQ(ReasonOf(gone), ErrorReason::kInvalidParameterValue) << gone;
  EXPECT_THAT(std::string(gone.message()), HasSubstr("can't find label"));
}

TEST_F(PermissionsTest, WhatIsAddedAtTheSameTimeIsAllThere) {
  // Of four that change the queue together, one at least succeeds each time, so none is in vain more often than it tries.
  std::vector<std::future<absl::Status>> calls;
  for (int i = 0; i < 4; ++i) {
    calls.push_back(std::async(std::launch::async, [this, i] { return Add(absl::StrCat("label", i)); }));
  }
  for (auto& call : calls) {
    const absl::Status status = call.get();
    EXPECT_TRUE(status.ok()) << status;
  }
  EXPECT_THAT(Labels(), testing::UnorderedElementsAre("label0", "label1", "label2", "label3"));
}

TEST_F(PermissionsTest, WhatIsRefusedLeavesThePolicy) {
  ASSERT_TRUE(Set(kPolicy).ok());
  EXPECT_EQ(ReasonOf(Set("nonsense")), ErrorReason::kInvalidAttributeValue);
  EXPECT_EQ(MetadataOf(Set("nonsense"))["attribute"], "policy");
  EXPECT_EQ(ReasonOf(Add("two words")), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(ReasonOf(Add("l", {"Fly"})), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(ReasonOf(Add("l", {"SendMessage"}, {"everybody"})), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(ReasonOf(Add("l", std::vector<std::string>(8, "SendMessage"))), ErrorReason::kOverLimit);
  EXPECT_EQ(Policy(), kPolicy);
}

TEST_F(PermissionsTest, APolicyGrowsNoLargerThanOneThatIsSet) {
  const std::string policy = std::string(kPolicy) + std::string(8'192 - std::string(kPolicy).size(), ' ');
  ASSERT_TRUE(Set(policy).ok());
  EXPECT_EQ(ReasonOf(Set(policy + " ")), ErrorReason::kInvalidAttributeValue);
  EXPECT_EQ(Policy(), policy);
  const absl::Status accounts = Add("many", {"SendMessage"}, std::vector<std::string>(600, "444455556666"));
  EXPECT_EQ(ReasonOf(accounts), ErrorReason::kInvalidAttributeValue) << accounts;
  EXPECT_EQ(MetadataOf(accounts)["attribute"], "policy");
  EXPECT_EQ(Policy(), policy);
}

TEST_F(PermissionsTest, CreateAgainComparesThePolicyAndAnnotationsThatAreGiven) {
  v1::CreateQueueRequest request;
  request.mutable_queue()->set_name("spread");
  request.mutable_attributes()->set_policy(kPolicy);
  (*request.mutable_attributes()->mutable_annotations())["owner"] = "shop";
  EXPECT_TRUE(Must(&Stub::CreateQueue, request).created());
  EXPECT_FALSE(Must(&Stub::CreateQueue, request).created());
  EXPECT_FALSE(Must(&Stub::CreateQueue, Proto<v1::CreateQueueRequest>("queue { name: 'spread' }")).created());
  const auto difference = [&] {
    const absl::Status status = Call(&Stub::CreateQueue, request).status();
    EXPECT_EQ(ReasonOf(status), ErrorReason::kQueueAlreadyExists) << status;
    return MetadataOf(status)["attribute"];
  };
  (*request.mutable_attributes()->mutable_annotations())["owner"] = "somebody else";
  EXPECT_EQ(difference(), "annotations.owner");
  request.mutable_attributes()->set_policy("");
  EXPECT_EQ(difference(), "policy");
}

TEST_F(PermissionsTest, AnnotationsAreSetAndRemovedByKey) {
  ASSERT_TRUE(Set(kPolicy, {{"a", "1"}, {"b", "2"}}).ok());
  ASSERT_TRUE(Set("", {{"a", ""}, {"c", "\"3\", {é}"}}).ok());
  StopServer();
  StartServer();
  EXPECT_THAT(GetQueue("jobs").attributes().annotations(),
              testing::UnorderedElementsAre(Pair("b", "2"), Pair("c", "\"3\", {é}")));
  EXPECT_EQ(ReasonOf(Set("", {{"d", std::string(2'049, 'v')}})), ErrorReason::kInvalidAttributeValue);
  ASSERT_TRUE(Set("", {{"b", ""}, {"c", ""}, {"none", ""}}).ok());
  EXPECT_THAT(GetQueue("jobs").attributes().annotations(), IsEmpty());
}

}  // namespace
}  // namespace weir::queue
