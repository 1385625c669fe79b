// Every argument that can be wrong: the code, the reason, which field it is, and that the sentence names it.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/queue_fixture.h"

namespace weir::queue {
namespace {

class InvalidArgumentTest : public QueueTest {
 protected:
  void SetUp() override {
    QueueTest::SetUp();
    CreateQueue("jobs");
  }

  template <typename Request, typename Response>
  void Expect(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
              const std::string& request, ErrorReason reason, const std::string& field,
              std::string word = "") {
    SCOPED_TRACE(request.substr(0, 200));
    const absl::Status status = Call(method, Proto<Request>(request)).status();
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(ReasonOf(status), reason) << status;
    if (field.empty()) return;
    ErrorMetadata metadata = MetadataOf(status);
    const std::string named = metadata.count("field") != 0       ? metadata["field"]
                              : metadata.count("attribute") != 0 ? metadata["attribute"]
                                                                 : metadata["id"];
    EXPECT_EQ(named, field) << status;
    // What the sentence calls it: the field, unless SQS has a word of its own.
    if (word.empty()) word = field.substr(field.rfind('.') + 1);
    EXPECT_TRUE(absl::StrContains(std::string(status.message()), word)) << status;
    EXPECT_TRUE(absl::EndsWith(status.message(), ".")) << status;
  }
};

constexpr ErrorReason kInvalid = ErrorReason::kInvalidParameterValue;
constexpr ErrorReason kMissing = ErrorReason::kMissingParameter;
constexpr ErrorReason kAttribute = ErrorReason::kInvalidAttributeValue;

TEST_F(InvalidArgumentTest, QueueNames) {
  Expect(&Stub::CreateQueue, "", kMissing, "queue.name");
  Expect(&Stub::CreateQueue, "queue { name: 'a b' }", kInvalid, "queue.name");
  Expect(&Stub::CreateQueue, "queue { name: 'a.fifo' }", kInvalid, "queue.name");
  Expect(&Stub::CreateQueue, "queue { name: 'a' } attributes { fifo_queue: true }", kInvalid, "queue.name");
  Expect(&Stub::CreateQueue, "queue { name: 'a.b.fifo' } attributes { fifo_queue: true }", kInvalid, "queue.name");
  Expect(&Stub::CreateQueue, absl::StrCat("queue { name: '", std::string(81, 'a'), "' }"), kInvalid, "queue.name");
  Expect(&Stub::GetQueue, "queue { name: 'jobs' namespace { account: '12' } }", kInvalid, "queue.namespace.account");
  Expect(&Stub::GetQueue, "queue { name: 'jobs' namespace { region: 'US' } }", kInvalid, "queue.namespace.region");
  Expect(&Stub::GetQueue, "", kMissing, "queue.name");
  Expect(&Stub::UpdateQueue, "", kMissing, "queue.name");
  Expect(&Stub::DeleteQueue, "", kMissing, "queue.name");
  Expect(&Stub::PurgeQueue, "", kMissing, "queue.name");
  Expect(&Stub::SendMessage, "", kMissing, "queue.name");
  Expect(&Stub::SendMessageBatch, "", kMissing, "queue.name");
  Expect(&Stub::ReceiveMessages, "", kMissing, "queue.name");
  Expect(&Stub::DeleteMessage, "", kMissing, "queue.name");
  Expect(&Stub::DeleteMessageBatch, "", kMissing, "queue.name");
  Expect(&Stub::ChangeMessageVisibility, "", kMissing, "queue.name");
  Expect(&Stub::ChangeMessageVisibilityBatch, "", kMissing, "queue.name");
  Expect(&Stub::ListDeadLetterSourceQueues, "", kMissing, "queue.name");
  Expect(&Stub::TagQueue, "", kMissing, "queue.name");
  Expect(&Stub::UntagQueue, "", kMissing, "queue.name");
  Expect(&Stub::AddPermission, "", kMissing, "queue.name");
  Expect(&Stub::RemovePermission, "", kMissing, "queue.name");
}

TEST_F(InvalidArgumentTest, Attributes) {
  const auto create = [&](const std::string& attributes, const std::string& field,
                          ErrorReason reason = kAttribute) {
    Expect(&Stub::CreateQueue, absl::StrCat("queue { name: 'new' } attributes { ", attributes, " }"), reason, field);
    Expect(&Stub::UpdateQueue, absl::StrCat("queue { name: 'jobs' } attributes { ", attributes, " }"), reason, field);
  };
  create("visibility_timeout { seconds: 43201 }", "attributes.visibility_timeout");
  create("visibility_timeout { seconds: -1 }", "attributes.visibility_timeout");
  create("visibility_timeout { nanos: 1 }", "attributes.visibility_timeout");
  create("delay { seconds: 901 }", "attributes.delay");
  create("retention { seconds: 59 }", "attributes.retention");
  create("retention { seconds: 1209601 }", "attributes.retention");
  create("receive_wait_time { seconds: 21 }", "attributes.receive_wait_time");
  create("maximum_message_bytes: 1023", "maximum_message_bytes");
  create("maximum_message_bytes: 1048577", "maximum_message_bytes");
  create("redrive_policy { dead_letter_queue_arn: 'arn:aws:sqs:us-east-1:000000000000:jobs2' }",
         "redrive_policy.max_receive_count");
  create("redrive_policy { dead_letter_queue_arn: 'x' max_receive_count: 1 }", "redrive_policy.dead_letter_queue_arn");
  create("redrive_allow_policy { redrive_permission: REDRIVE_PERMISSION_BY_QUEUE }",
         "redrive_allow_policy.source_queue_arns");
  create("fifo_queue: false", "fifo_queue", ErrorReason::kInvalidAttributeName);
  create("content_based_deduplication: false", "content_based_deduplication", ErrorReason::kInvalidAttributeName);
  create("deduplication_scope: DEDUPLICATION_SCOPE_QUEUE", "deduplication_scope", ErrorReason::kInvalidAttributeName);
  create("fifo_throughput_limit: FIFO_THROUGHPUT_LIMIT_PER_QUEUE", "fifo_throughput_limit",
         ErrorReason::kInvalidAttributeName);
  create("partitions: 0", "partitions");
  create("partitions: 65", "partitions");
  create("policy: 'nonsense'", "policy");
  create("annotations { key: 'a b' value: 'v' }", "annotations");
  create("annotations { key: 'k' value: '\\n' }", "annotations.k", kAttribute);
  Expect(&Stub::UpdateQueue, "queue { name: 'jobs' } attributes { fifo_queue: true }", kAttribute, "fifo_queue");
}

TEST_F(InvalidArgumentTest, Tags) {
  Expect(&Stub::TagQueue, "queue { name: 'jobs' }", kMissing, "tags");
  Expect(&Stub::TagQueue, "queue { name: 'jobs' } tags { key: '' value: 'v' }", kInvalid, "tags");
  Expect(&Stub::TagQueue, absl::StrCat("queue { name: 'jobs' } tags { key: '", std::string(129, 'k'), "' }"), kInvalid,
         "tags");
  Expect(&Stub::UntagQueue, "queue { name: 'jobs' }", kMissing, "tag_keys");
  std::string tags;
  for (int i = 0; i < 51; ++i) absl::StrAppend(&tags, " tags { key: 'k", i, "' }");
  Expect(&Stub::TagQueue, absl::StrCat("queue { name: 'jobs' }", tags), kInvalid, "tags");
  Expect(&Stub::CreateQueue, absl::StrCat("queue { name: 'new' }", tags), kInvalid, "tags");
}

TEST_F(InvalidArgumentTest, Permissions) {
  Expect(&Stub::AddPermission, "queue { name: 'jobs' }", kMissing, "label");
  Expect(&Stub::AddPermission, "queue { name: 'jobs' } label: 'l'", kMissing, "account_ids");
  Expect(&Stub::AddPermission, "queue { name: 'jobs' } label: 'l' account_ids: '111122223333'", kMissing, "actions");
  Expect(&Stub::RemovePermission, "queue { name: 'jobs' }", kMissing, "label");
  Expect(&Stub::RemovePermission, "queue { name: 'none' } label: 'l'", ErrorReason::kQueueDoesNotExist, "");
}

TEST_F(InvalidArgumentTest, Listing) {
  Expect(&Stub::ListQueues, "page_size: 1001", kInvalid, "page_size");
  Expect(&Stub::ListQueues, "page_size: -1", kInvalid, "page_size");
  Expect(&Stub::ListQueues, "namespace { account: 'x' }", kInvalid, "namespace.account");
  Expect(&Stub::ListDeadLetterSourceQueues, "queue { name: 'jobs' } page_size: 1001", kInvalid, "page_size");
  Expect(&Stub::ListDeadLetterSourceQueues, "queue { name: 'jobs' } page_token: 'x'", ErrorReason::kPageTokenInvalid, "");
}

TEST_F(InvalidArgumentTest, Messages) {
  const auto send = [&](const std::string& message, ErrorReason reason, const std::string& field,
                        const std::string& word = "") {
    Expect(&Stub::SendMessage, absl::StrCat("queue { name: 'jobs' } message { ", message, " }"), reason, field, word);
  };
  send("", kMissing, "message.body");
  send("body: 'a\\000b'", ErrorReason::kInvalidMessageContents, "");
  send("body: 'a\\001b'", ErrorReason::kInvalidMessageContents, "");
  send("body: 'x' delay { seconds: 345601 }", kInvalid, "message.delay");
  send("body: 'x' message_group_id: 'two words'", kInvalid, "message.message_group_id");
  send("body: 'x' message_deduplication_id: 'd'", kInvalid, "message.message_deduplication_id");
  for (const char* attribute : {"key: 'amazon.x' value { data_type: 'String' string_value: 'v' }",
                                "key: 'a..b' value { data_type: 'String' string_value: 'v' }",
                                "key: 'a' value { data_type: 'Text' string_value: 'v' }",
                                "key: 'a' value { data_type: 'String' }",
                                "key: 'a' value { data_type: 'String' binary_value: 'v' }",
                                "key: 'a' value { data_type: 'Number' string_value: 'v' }"}) {
    send(absl::StrCat("body: 'x' message_attributes { ", attribute, " }"), kInvalid, "message.message_attributes", "Message (user) attribute 'a");
  }
  Expect(&Stub::SendMessage,
         absl::StrCat("queue { name: 'jobs' } message { body: '", std::string(1'048'577, 'x'), "' }"), kInvalid, "message", "Message must be shorter than 1048576");
}

TEST_F(InvalidArgumentTest, Batches) {
  Expect(&Stub::SendMessageBatch, "queue { name: 'jobs' }", ErrorReason::kBatchEmpty, "");
  Expect(&Stub::DeleteMessageBatch, "queue { name: 'jobs' }", ErrorReason::kBatchEmpty, "");
  Expect(&Stub::ChangeMessageVisibilityBatch, "queue { name: 'jobs' }", ErrorReason::kBatchEmpty, "");
  std::string eleven = "queue { name: 'jobs' }";
  for (int i = 0; i < 11; ++i) absl::StrAppend(&eleven, " entries { id: '", i, "' }");
  Expect(&Stub::SendMessageBatch, eleven, ErrorReason::kBatchTooManyEntries, "");
  Expect(&Stub::DeleteMessageBatch, eleven, ErrorReason::kBatchTooManyEntries, "");
  Expect(&Stub::ChangeMessageVisibilityBatch, eleven, ErrorReason::kBatchTooManyEntries, "");
  Expect(&Stub::SendMessageBatch, "queue { name: 'jobs' } entries { id: 'a' } entries { id: 'a' }",
         ErrorReason::kBatchEntryIdsNotDistinct, "a");
  Expect(&Stub::DeleteMessageBatch, "queue { name: 'jobs' } entries { id: 'a!' }", ErrorReason::kBatchEntryIdInvalid, "a!");
  Expect(&Stub::ChangeMessageVisibilityBatch, "queue { name: 'jobs' } entries { id: '' }",
         ErrorReason::kBatchEntryIdInvalid, "");
  const std::string half(600'000, 'x');
  Expect(&Stub::SendMessageBatch,
         absl::StrCat("queue { name: 'jobs' } entries { id: 'a' message { body: '", half,
                      "' } } entries { id: 'b' message { body: '", half, "' } }"),
         ErrorReason::kBatchTooLong, "");
  EXPECT_EQ(Counts("jobs"), "0/0/0") << "nothing of these was stored";
}

TEST_F(InvalidArgumentTest, Receives) {
  const auto receive = [&](const std::string& fields, const std::string& field) {
    Expect(&Stub::ReceiveMessages, absl::StrCat("queue { name: 'jobs' } ", fields), kInvalid, field);
  };
  receive("max_messages: 0", "max_messages");
  receive("max_messages: 11", "max_messages");
  receive("wait_time { seconds: 21 }", "wait_time");
  receive("wait_time { seconds: -1 }", "wait_time");
  receive("visibility_timeout { seconds: 43201 }", "visibility_timeout");
  receive("visibility_timeout { nanos: 5 }", "visibility_timeout");
  receive("receive_request_attempt_id: 'a'", "receive_request_attempt_id");
}

TEST_F(InvalidArgumentTest, Receipts) {
  Expect(&Stub::DeleteMessage, "queue { name: 'jobs' }", kMissing, "receipt_handle");
  Expect(&Stub::DeleteMessage, "queue { name: 'jobs' } receipt_handle: 'x'", ErrorReason::kReceiptHandleInvalid, "");
  Expect(&Stub::ChangeMessageVisibility, "queue { name: 'jobs' } visibility_timeout {}", kMissing, "receipt_handle");
  Expect(&Stub::ChangeMessageVisibility, "queue { name: 'jobs' } receipt_handle: 'x' visibility_timeout {}", ErrorReason::kReceiptHandleInvalid, "");
  Send("jobs", "x");
  const std::string handle = Receive("jobs")[0].receipt_handle();
  Expect(&Stub::ChangeMessageVisibility, absl::StrCat("queue { name: 'jobs' } receipt_handle: '", handle, "'"), kMissing,
         "visibility_timeout");
  Expect(&Stub::ChangeMessageVisibility,
         absl::StrCat("queue { name: 'jobs' } receipt_handle: '", handle, "' visibility_timeout { seconds: 43201 }"),
         kInvalid, "visibility_timeout");
}

TEST_F(InvalidArgumentTest, MoveTasks) {
  CreateQueue("user",
              "redrive_policy { dead_letter_queue_arn: 'arn:aws:sqs:us-east-1:000000000000:jobs' max_receive_count: 1 }");
  Expect(&Stub::StartMessageMoveTask, "source { name: 'jobs' } max_messages_per_second: 501", kInvalid,
         "max_messages_per_second");
  Expect(&Stub::StartMessageMoveTask, "", kMissing, "source.name");
  Expect(&Stub::ListMessageMoveTasks, "source { name: 'jobs' } max_results: 11", kInvalid, "max_results");
  Expect(&Stub::ListMessageMoveTasks, "", kMissing, "source.name");
  Expect(&Stub::CancelMessageMoveTask, "", kMissing, "task_handle");
  Expect(&Stub::CancelMessageMoveTask, "task_handle: '!'", kInvalid, "task_handle");
  Expect(&Stub::CancelMessageMoveTask, "task_handle: 'AAAA'", kInvalid, "task_handle");
}

}  // namespace
}  // namespace weir::queue
