// Produce and Consume: order and answers, flow control, credit, what a stream gives back when it ends.
#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/mutex.h"
#include "tests/integration/queue_fixture.h"

namespace weir::queue {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// One stream, used by one thread. Every operation ends by the stream's deadline.
template <typename Request, typename Response>
class Stream {
 public:
  using Open = std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> (v1::QueueService::Stub::*)(
      grpc::ClientContext*);
  Stream(v1::QueueService::Stub& stub, Open open) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
    stream_ = (stub.*open)(&context_);
  }
  ~Stream() {
    context_.TryCancel();
    if (!finished_) (void)Finish();
  }

  bool Write(const Request& request) { return stream_->Write(request); }
  bool Write(const std::string& request) { return Write(Proto<Request>(request)); }
  // Nothing: the stream has ended.
  std::optional<Response> Read() {
    Response response;
    if (!stream_->Read(&response)) return std::nullopt;
    return response;
  }
  void CloseWrites() { stream_->WritesDone(); }
  void Cancel() { context_.TryCancel(); }
  // How it ended; answers that were not read are lost.
  absl::Status Finish() {
    while (Read().has_value()) {
    }
    finished_ = true;
    return grpcx::FromGrpcStatus(stream_->Finish());
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream_;
  bool finished_ = false;
};

class Producing : public Stream<v1::ProduceRequest, v1::ProduceResponse> {
 public:
  explicit Producing(v1::QueueService::Stub& stub) : Stream(stub, &v1::QueueService::Stub::Produce) {}

  // Reads until `count` results have come, and checks their numbers.
  std::vector<v1::ProduceResult> Results(size_t count) {
    std::vector<v1::ProduceResult> results;
    while (results.size() < count) {
      const auto response = Read();
      if (!response.has_value()) break;
      EXPECT_EQ(response->first_number(), next_number_);
      next_number_ += response->results_size();
      results.insert(results.end(), response->results().begin(), response->results().end());
    }
    EXPECT_EQ(results.size(), count);
    return results;
  }

 private:
  int64_t next_number_ = 1;
};

class Consuming : public Stream<v1::ConsumeRequest, v1::ConsumeResponse> {
 public:
  Consuming(v1::QueueService::Stub& stub, const std::string& queue, int credit,
            const std::string& start = "")
      : Stream(stub, &v1::QueueService::Stub::Consume) {
    Write(absl::StrCat("start { queue { name: '", queue, "' } ", start, " } add_credit: ", credit));
  }

  // The next `count` deliveries; other answers that come meanwhile are kept.
  std::vector<v1::Delivery> Deliveries(size_t count) {
    while (deliveries_.size() < count && ReadMore()) {
    }
    EXPECT_GE(deliveries_.size(), count);
    count = std::min(count, deliveries_.size());
    std::vector<v1::Delivery> taken(deliveries_.begin(), deliveries_.begin() + count);
    deliveries_.erase(deliveries_.begin(), deliveries_.begin() + count);
    return taken;
  }
  std::vector<std::string> Bodies(size_t count) {
    std::vector<std::string> bodies;
    for (const v1::Delivery& delivery : Deliveries(count)) bodies.push_back(delivery.message().body());
    return bodies;
  }
  int64_t Deleted() { return Next(&Consuming::deleted_); }
  int64_t Changed() { return Next(&Consuming::changed_); }
  // "id REASON"
  std::string Failure() {
    while (failures_.empty() && ReadMore()) {
    }
    if (failures_.empty()) return "no failure";
    const v1::ConsumeFailure failure = failures_.front();
    failures_.erase(failures_.begin());
    return absl::StrCat(failure.delivery_id(), " ",
                        ErrorInfoOf(static_cast<ErrorReason>(failure.failure().reason())).name);
  }
  // What came and was not asked for.
  size_t unread_deliveries() const { return deliveries_.size(); }

 private:
  int64_t Next(std::vector<int64_t> Consuming::*which) {
    while ((this->*which).empty() && ReadMore()) {
    }
    if ((this->*which).empty()) return 0;
    const int64_t id = (this->*which).front();
    (this->*which).erase((this->*which).begin());
    return id;
  }
  bool ReadMore() {
    const auto response = Read();
    if (!response.has_value()) return false;
    deliveries_.insert(deliveries_.end(), response->deliveries().begin(), response->deliveries().end());
    deleted_.insert(deleted_.end(), response->deleted().begin(), response->deleted().end());
    changed_.insert(changed_.end(), response->changed().begin(), response->changed().end());
    failures_.insert(failures_.end(), response->failures().begin(), response->failures().end());
    return true;
  }

  std::vector<v1::Delivery> deliveries_;
  std::vector<int64_t> deleted_;
  std::vector<int64_t> changed_;
  std::vector<v1::ConsumeFailure> failures_;
};

class QueueStreamsTest : public QueueTest {
 protected:
  v1::QueueService::Stub& stub() { return server_->stub(); }

  // Over a connection of its own with small windows, so that a client that does not read is soon felt.
  std::unique_ptr<v1::QueueService::Stub> NarrowStub() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return v1::QueueService::NewStub(
        grpc::CreateCustomChannel(server_->address(), grpc::InsecureChannelCredentials(), arguments));
  }

  // A request with messages of these bodies.
  static v1::ProduceRequest Messages(const std::vector<std::string>& bodies) {
    v1::ProduceRequest request;
    for (const std::string& body : bodies) request.add_messages()->set_body(body);
    return request;
  }
  static v1::ProduceRequest First(const std::string& queue, const std::vector<std::string>& bodies) {
    v1::ProduceRequest request = Messages(bodies);
    request.mutable_start()->mutable_queue()->set_name(queue);
    return request;
  }
  void SendMany(const std::string& queue, int count, const std::string& filling = "") {
    Producing producing(stub());
    v1::ProduceRequest request = First(queue, {});
    for (int i = 0; i < count; ++i) {
      request.add_messages()->set_body(absl::StrCat(i, filling));
      if (request.messages_size() * filling.size() > 3'000'000 || request.messages_size() == 100 || i + 1 == count) {
        ASSERT_TRUE(producing.Write(request));
        request.Clear();
      }
    }
    for (const auto& result : producing.Results(static_cast<size_t>(count))) ASSERT_TRUE(result.has_sent());
    producing.CloseWrites();
    ASSERT_TRUE(producing.Finish().ok());
  }
  // Waits until the queue's counts are these; they are exact, but deletes and releases need a commit.
  std::string AwaitCounts(const std::string& queue, const std::string& counts) {
    const absl::Time give_up = absl::Now() + absl::Seconds(30);
    std::string now = Counts(queue);
    while (now != counts && absl::Now() < give_up) now = Counts(queue);
    return now;
  }
};

// ---- Produce -----------------------------------------------------------------------------------------------------------

TEST_F(QueueStreamsTest, EveryMessageIsAnsweredInOrder) {
  CreateQueue("jobs");
  Producing producing(stub());
  ASSERT_TRUE(producing.Write(First("jobs", {"a", "b"})));
  ASSERT_TRUE(producing.Write(Messages({"c"})));
  ASSERT_TRUE(producing.Write(Messages({})));
  ASSERT_TRUE(producing.Write(Messages({"d", "e"})));
  producing.CloseWrites();
  const auto results = producing.Results(5);
  ASSERT_TRUE(producing.Finish().ok());
  std::vector<std::string> ids;
  for (const auto& result : results) ids.push_back(result.sent().message_id());
  EXPECT_EQ(results[0].sent().md5_of_body(), "0cc175b9c0f1b6a831c399e269772661");
  const auto received = Receive("jobs");
  EXPECT_THAT(BodiesOf(received), ElementsAre("a", "b", "c", "d", "e"));
  for (size_t i = 0; i < received.size(); ++i) EXPECT_EQ(received[i].message_id(), ids[i]);
}

TEST_F(QueueStreamsTest, ManyUnderWayAtOnceStayInOrder) {
  CreateQueue("jobs");
  constexpr int kMessages = 20'000;
  Producing producing(stub());
  std::thread writer([&] {
    v1::ProduceRequest request = First("jobs", {});
    request.mutable_start()->set_omit_md5(true);
    for (int i = 0; i < kMessages; ++i) {
      request.add_messages()->set_body(absl::StrCat(i));
      if (request.messages_size() < 50) continue;
      EXPECT_TRUE(producing.Write(request));
      request.Clear();
    }
    producing.CloseWrites();
  });
  const auto results = producing.Results(kMessages);
  writer.join();
  ASSERT_TRUE(producing.Finish().ok());
  EXPECT_EQ(results[0].sent().md5_of_body(), "");
  std::set<std::string> ids;
  for (const auto& result : results) ids.insert(result.sent().message_id());
  EXPECT_THAT(ids, SizeIs(kMessages));
  Consuming consuming(stub(), "jobs", 10'000);
  const auto bodies = consuming.Bodies(10'000);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(bodies[static_cast<size_t>(i)], absl::StrCat(i));
}

TEST_F(QueueStreamsTest, RefusedMessageDoesNotStopThoseBehindIt) {
  CreateQueue("jobs", "maximum_message_bytes: 1024");
  Producing producing(stub());
  ASSERT_TRUE(producing.Write(First("jobs", {"a", "", std::string(2000, 'x'), "b\x01", "c"})));
  const auto results = producing.Results(5);
  EXPECT_TRUE(results[0].has_sent());
  EXPECT_EQ(results[1].failure().reason(), common::v1::ERROR_REASON_MISSING_PARAMETER);
  EXPECT_EQ(results[2].failure().reason(), common::v1::ERROR_REASON_INVALID_PARAMETER_VALUE);
  EXPECT_THAT(results[2].failure().message(), HasSubstr("1024"));
  EXPECT_EQ(results[3].failure().reason(), common::v1::ERROR_REASON_INVALID_MESSAGE_CONTENTS);
  EXPECT_TRUE(results[4].has_sent());
  // Attributes that change hold for the next request.
  Must(&Stub::UpdateQueue, Proto<v1::UpdateQueueRequest>(
                               "queue { name: 'jobs' } attributes { maximum_message_bytes: 4096 }"));
  ASSERT_TRUE(producing.Write(Messages({std::string(2000, 'x')})));
  EXPECT_TRUE(producing.Results(1)[0].has_sent());
  EXPECT_EQ(Counts("jobs"), "3/0/0");
}

TEST_F(QueueStreamsTest, FifoQueuesAnswerPlacesAndSwallowDuplicates) {
  Must(&Stub::CreateQueue, Proto<v1::CreateQueueRequest>(
                               "queue { name: 'jobs.fifo' } attributes { fifo_queue: true }"));
  Producing producing(stub());
  ASSERT_TRUE(producing.Write(
      "start { queue { name: 'jobs.fifo' } }"
      " messages { body: 'a' message_group_id: 'g' message_deduplication_id: '1' }"
      " messages { body: 'no group' message_deduplication_id: '2' }"
      " messages { body: 'b' message_group_id: 'g' message_deduplication_id: '3' }"
      " messages { body: 'a again' message_group_id: 'g' message_deduplication_id: '1' }"));
  const auto results = producing.Results(4);
  EXPECT_EQ(results[1].failure().reason(), common::v1::ERROR_REASON_MISSING_PARAMETER);
  EXPECT_EQ(results[3].sent().message_id(), results[0].sent().message_id());
  EXPECT_EQ(results[3].sent().sequence_number(), results[0].sent().sequence_number());
  EXPECT_LT(results[0].sent().sequence_number(), results[2].sent().sequence_number());
  Consuming consuming(stub(), "jobs.fifo", 10);
  const auto deliveries = consuming.Deliveries(2);
  EXPECT_EQ(deliveries[0].message().body(), "a");
  EXPECT_EQ(deliveries[1].message().sequence_number(), results[2].sent().sequence_number());
}

TEST_F(QueueStreamsTest, WrongRequestsEndTheProducersStream) {
  CreateQueue("jobs");
  {
    Producing producing(stub());
    producing.Write(Messages({"a"}));
    EXPECT_EQ(ReasonOf(producing.Finish()), ErrorReason::kMissingParameter);
  }
  {
    Producing producing(stub());
    producing.Write(First("nothing", {"a"}));
    EXPECT_EQ(ReasonOf(producing.Finish()), ErrorReason::kQueueDoesNotExist);
  }
  {
    Producing producing(stub());
    ASSERT_TRUE(producing.Write(First("jobs", {"a"})));
    producing.Write(First("jobs", {"b"}));
    EXPECT_THAT(producing.Results(1), SizeIs(1));
    const absl::Status status = producing.Finish();
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidParameterValue);
    EXPECT_EQ(MetadataOf(status)["field"], "start");
  }
  {
    Producing producing(stub());
    producing.Write(First("jobs", std::vector<std::string>(1001, "x")));
    EXPECT_EQ(ReasonOf(producing.Finish()), ErrorReason::kBatchTooManyEntries);
  }
  {
    Producing producing(stub());
    producing.Write(First("jobs", std::vector<std::string>(5, std::string(1'000'000, 'x'))));
    EXPECT_EQ(ReasonOf(producing.Finish()), ErrorReason::kBatchTooLong);
  }
  EXPECT_EQ(Counts("jobs"), "1/0/0");
}

TEST_F(QueueStreamsTest, ProducerThatReadsNoAnswersIsStopped) {
  CreateQueue("jobs");
  const auto narrow = NarrowStub();
  Producing producing(*narrow);
  std::atomic<int64_t> written{0};
  std::thread writer([&] {
    v1::ProduceRequest request = First("jobs", {});
    for (int i = 0; i < 1000; ++i) request.add_messages()->set_body(std::string(200, 'x'));
    while (written < 300'000 && producing.Write(request)) {
      request.clear_start();
      written += 1000;
    }
  });
  // When others' messages are stored and its own are no more, it has been stopped.
  int64_t stored = 0;
  for (int64_t before = -1; stored != before || stored == 0;) {
    before = stored;
    CreateQueue("other");
    SendMany("other", 2'000);
    stored = GetQueue("jobs").stats().ready();
  }
  EXPECT_LT(stored, 100'000) << "a response, the windows of the connection, and 10,000 messages";
  producing.Cancel();
  writer.join();
  EXPECT_LT(written, 200'000);
}

TEST_F(QueueStreamsTest, DeletedQueueEndsBothStreams) {
  CreateQueue("jobs");
  Producing producing(stub());
  ASSERT_TRUE(producing.Write(First("jobs", {"a"})));
  producing.Results(1);
  Consuming consuming(stub(), "jobs", 5);
  consuming.Deliveries(1);
  Must(&Stub::DeleteQueue, Proto<v1::DeleteQueueRequest>("queue { name: 'jobs' }"));
  EXPECT_EQ(ReasonOf(consuming.Finish()), ErrorReason::kQueueDoesNotExist);
  CreateQueue("jobs");
  producing.Write(Messages({"b"}));
  EXPECT_EQ(ReasonOf(producing.Finish()), ErrorReason::kQueueDoesNotExist) << "another queue has the name now";
  EXPECT_EQ(Counts("jobs"), "0/0/0");
}

// ---- Consume -----------------------------------------------------------------------------------------------------------

TEST_F(QueueStreamsTest, PushesWhatComesAndDeletes) {
  CreateQueue("jobs");
  Consuming consuming(stub(), "jobs", 100, "message_attribute_names: 'All' with_receipt_handles: true");
  Must(&Stub::SendMessage,
       Proto<v1::SendMessageRequest>("queue { name: 'jobs' } message { body: 'a' message_attributes {"
                                     " key: 'k' value { data_type: 'String' string_value: 'v' } } }"));
  const auto first = consuming.Deliveries(1);
  EXPECT_EQ(first[0].delivery_id(), 1);
  EXPECT_EQ(first[0].message().body(), "a");
  EXPECT_EQ(first[0].message().receive_count(), 1);
  EXPECT_EQ(first[0].message().message_attributes().at("k").string_value(), "v");
  EXPECT_EQ(first[0].message().md5_of_body(), "0cc175b9c0f1b6a831c399e269772661");
  Send("jobs", "b");
  EXPECT_EQ(consuming.Deliveries(1)[0].delivery_id(), 2);
  ASSERT_TRUE(consuming.Write("delete: 2"));
  EXPECT_EQ(consuming.Deleted(), 2);
  EXPECT_EQ(Counts("jobs"), "0/1/0");
  // The receipt handle is one of the other calls.
  ASSERT_TRUE(Delete("jobs", first[0].message().receipt_handle()).ok());
  EXPECT_EQ(Counts("jobs"), "0/0/0");
  ASSERT_TRUE(consuming.Write("delete: 1"));
  EXPECT_EQ(consuming.Deleted(), 1) << "it is gone, as was asked for";
}

TEST_F(QueueStreamsTest, CreditIsKeptExactly) {
  CreateQueue("jobs");
  SendMany("jobs", 50);
  Consuming consuming(stub(), "jobs", 7);
  EXPECT_THAT(consuming.Bodies(7), ElementsAre("0", "1", "2", "3", "4", "5", "6"));
  // An answer to a delete comes after whatever was pushed before it.
  ASSERT_TRUE(consuming.Write("delete: 1"));
  EXPECT_EQ(consuming.Deleted(), 1);
  EXPECT_EQ(consuming.unread_deliveries(), 0u) << "a delete is no credit";
  EXPECT_EQ(Counts("jobs"), "43/6/0");
  ASSERT_TRUE(consuming.Write("add_credit: 3"));
  EXPECT_THAT(consuming.Bodies(3), ElementsAre("7", "8", "9"));
  ASSERT_TRUE(consuming.Write("delete: 2"));
  EXPECT_EQ(consuming.Deleted(), 2);
  EXPECT_EQ(consuming.unread_deliveries(), 0u);
  EXPECT_EQ(Counts("jobs"), "40/8/0");
}

TEST_F(QueueStreamsTest, CreditAndWhatIsHeldAreAtMost10000) {
  CreateQueue("jobs");
  SendMany("jobs", 2);
  Consuming consuming(stub(), "jobs", 10'000);
  consuming.Deliveries(2);
  // Deletes of the same request make room first.
  ASSERT_TRUE(consuming.Write("delete: 1 add_credit: 1"));
  EXPECT_EQ(consuming.Deleted(), 1);
  ASSERT_TRUE(consuming.Write("add_credit: 1"));
  const absl::Status status = consuming.Finish();
  EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(MetadataOf(status)["field"], "add_credit");
  EXPECT_EQ(AwaitCounts("jobs", "1/0/0"), "1/0/0");
}

TEST_F(QueueStreamsTest, ConsumerThatDoesNotReadHoldsBackLittle) {
  CreateQueue("jobs");
  SendMany("jobs", 60, std::string(300'000, 'x'));
  const auto narrow = NarrowStub();
  Consuming consuming(*narrow, "jobs", 10'000);
  consuming.Deliveries(1);
  // It has credit for all, but what is on its way to it is bounded: others get the rest.
  Consuming other(stub(), "jobs", 60);
  other.Deliveries(30);
  // When it reads again there is more for it.
  SendMany("jobs", 30, std::string(300'000, 'x'));
  consuming.Deliveries(15);
}

TEST_F(QueueStreamsTest, LargeMessagesComeInResponsesThatEveryClientTakes) {
  CreateQueue("jobs");
  SendMany("jobs", 12, std::string(1'000'000, 'x'));
  Stream<v1::ConsumeRequest, v1::ConsumeResponse> stream(stub(), &Stub::Consume);
  stream.Write("start { queue { name: 'jobs' } } add_credit: 12");
  int received = 0;
  while (received < 12) {
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value());
    EXPECT_LT(response->ByteSizeLong(), 4u << 20);
    received += response->deliveries_size();
  }
}

TEST_F(QueueStreamsTest, BrokenStreamGivesBackAtOnce) {
  CreateQueue("jobs", "visibility_timeout { seconds: 3600 }");
  SendMany("jobs", 10);
  {
    Consuming consuming(stub(), "jobs", 6);
    consuming.Deliveries(6);
    ASSERT_TRUE(consuming.Write("delete: 1 change_visibility { delivery_id: 2 give_back: true visibility_timeout { seconds: 600 } }"
                                " change_visibility { delivery_id: 3 visibility_timeout { seconds: 600 } }"));
    EXPECT_EQ(consuming.Deleted(), 1);
    EXPECT_EQ(consuming.Changed(), 2);
    EXPECT_EQ(consuming.Changed(), 3);
    EXPECT_EQ(Counts("jobs"), "4/5/0");
    consuming.Cancel();
  }
  // All but the deleted one, and the one that was given back for later.
  EXPECT_EQ(AwaitCounts("jobs", "8/1/0"), "8/1/0");
  std::map<std::string, int> counts;
  Consuming other(stub(), "jobs", 8);
  for (const auto& delivery : other.Deliveries(8)) {
    counts[delivery.message().body()] = delivery.message().receive_count();
  }
  EXPECT_EQ(counts.size(), 8u);
  EXPECT_EQ(counts.count("0"), 0u);
  EXPECT_EQ(counts.count("1"), 0u);
  EXPECT_EQ(counts["2"], 2) << "it was extended, and held";
  EXPECT_EQ(counts["9"], 1);
}

TEST_F(QueueStreamsTest, BrokenStreamTakesNothingFromOthers) {
  CreateQueue("jobs");
  Send("jobs", "a");
  Consuming first(stub(), "jobs", 1, "visibility_timeout { seconds: 1 }");
  first.Deliveries(1);
  // Its time is over, and another has it.
  Consuming second(stub(), "jobs", 1, "visibility_timeout { seconds: 600 }");
  EXPECT_EQ(second.Deliveries(1)[0].message().receive_count(), 2);
  first.Cancel();
  EXPECT_FALSE(first.Finish().ok());
  Send("jobs", "b");
  EXPECT_THAT(BodiesOf(Receive("jobs", 10, 5)), ElementsAre("b"));
  EXPECT_EQ(Counts("jobs"), "0/2/0");
}

TEST_F(QueueStreamsTest, ClosingAnswersTheDeletesAndGivesBackTheRest) {
  CreateQueue("jobs", "visibility_timeout { seconds: 3600 }");
  SendMany("jobs", 20);
  Consuming consuming(stub(), "jobs", 10);
  consuming.Deliveries(10);
  ASSERT_TRUE(consuming.Write("delete: 1 delete: 2 delete: 3"));
  consuming.CloseWrites();
  for (int64_t id = 1; id <= 3; ++id) EXPECT_EQ(consuming.Deleted(), id);
  EXPECT_TRUE(consuming.Finish().ok());
  EXPECT_EQ(consuming.unread_deliveries(), 0u);
  EXPECT_EQ(AwaitCounts("jobs", "17/0/0"), "17/0/0");
}

TEST_F(QueueStreamsTest, IdleStreamLeavesNothingBehind) {
  CreateQueue("jobs");
  {
    Consuming consuming(stub(), "jobs", 10);
    Send("jobs", "a");
    consuming.Deliveries(1);
    ASSERT_TRUE(consuming.Write("delete: 1"));
    EXPECT_EQ(consuming.Deleted(), 1);
    consuming.CloseWrites();
    EXPECT_TRUE(consuming.Finish().ok());
  }
  Send("jobs", "b");
  EXPECT_THAT(BodiesOf(Receive("jobs")), ElementsAre("b"));
}

TEST_F(QueueStreamsTest, IdsThatAreNoneFailAndTheStreamGoesOn) {
  CreateQueue("jobs");
  SendMany("jobs", 3);
  Consuming consuming(stub(), "jobs", 3);
  consuming.Deliveries(3);
  ASSERT_TRUE(consuming.Write("delete: 7 delete: 0"));
  EXPECT_EQ(consuming.Failure(), "7 RECEIPT_HANDLE_INVALID");
  EXPECT_EQ(consuming.Failure(), "0 RECEIPT_HANDLE_INVALID");
  ASSERT_TRUE(consuming.Write("delete: 1"));
  EXPECT_EQ(consuming.Deleted(), 1);
  ASSERT_TRUE(consuming.Write("delete: 1"));
  EXPECT_EQ(consuming.Failure(), "1 RECEIPT_HANDLE_INVALID") << "it was deleted before";
  ASSERT_TRUE(consuming.Write("change_visibility { delivery_id: 2 }"));
  EXPECT_EQ(consuming.Failure(), "2 MISSING_PARAMETER");
  ASSERT_TRUE(consuming.Write("change_visibility { delivery_id: 2 visibility_timeout { seconds: 50000 } }"));
  EXPECT_EQ(consuming.Failure(), "2 INVALID_PARAMETER_VALUE");
  ASSERT_TRUE(consuming.Write("delete: 2 delete: 3"));
  EXPECT_EQ(consuming.Deleted(), 2);
  EXPECT_EQ(consuming.Deleted(), 3);
}

TEST_F(QueueStreamsTest, GivesBackNowAndExtends) {
  CreateQueue("jobs", "visibility_timeout { seconds: 2 }");
  Send("jobs", "a");
  Consuming consuming(stub(), "jobs", 2);
  consuming.Deliveries(1);
  ASSERT_TRUE(consuming.Write("change_visibility { delivery_id: 1 visibility_timeout {} }"));
  EXPECT_EQ(consuming.Changed(), 1);
  const auto again = consuming.Deliveries(1);
  EXPECT_EQ(again[0].delivery_id(), 2);
  EXPECT_EQ(again[0].message().receive_count(), 2);
  ASSERT_TRUE(consuming.Write("delete: 1"));
  EXPECT_EQ(consuming.Failure(), "1 RECEIPT_HANDLE_INVALID") << "it was given back";
  ASSERT_TRUE(consuming.Write("change_visibility { delivery_id: 2 visibility_timeout { seconds: 3600 } }"));
  EXPECT_EQ(consuming.Changed(), 2);
  EXPECT_THAT(Receive("jobs", 1, /*wait_s=*/3), IsEmpty()) << "it was extended";
  ASSERT_TRUE(consuming.Write("delete: 2"));
  EXPECT_EQ(consuming.Deleted(), 2);
  EXPECT_EQ(Counts("jobs"), "0/0/0");
}

TEST_F(QueueStreamsTest, WrongRequestsEndTheConsumersStream) {
  CreateQueue("jobs");
  for (const auto& [request, reason] : std::map<std::string, ErrorReason>{
           {"add_credit: 1", ErrorReason::kMissingParameter},
           {"start {}", ErrorReason::kMissingParameter},
           {"start { queue { name: 'nothing' } }", ErrorReason::kQueueDoesNotExist},
           {"start { queue { name: 'jobs' } } add_credit: -1", ErrorReason::kInvalidParameterValue},
           {"start { queue { name: 'jobs' } } add_credit: 10001", ErrorReason::kInvalidParameterValue},
           {"start { queue { name: 'jobs' } visibility_timeout { seconds: 50000 } }",
            ErrorReason::kInvalidParameterValue}}) {
    Stream<v1::ConsumeRequest, v1::ConsumeResponse> stream(stub(), &Stub::Consume);
    stream.Write(request);
    EXPECT_EQ(ReasonOf(stream.Finish()), reason) << request;
  }
}

TEST_F(QueueStreamsTest, StoppingServerEndsStreamsAfterTheirAnswers) {
  CreateQueue("jobs", "visibility_timeout { seconds: 3600 }");
  SendMany("jobs", 5);
  Producing producing(stub());
  ASSERT_TRUE(producing.Write(First("jobs", {"a"})));
  producing.Results(1);
  Consuming consuming(stub(), "jobs", 5);
  consuming.Deliveries(5);
  ASSERT_TRUE(consuming.Write("delete: 1"));
  EXPECT_EQ(consuming.Deleted(), 1);
  std::thread stop([this] { StopServer(); });
  EXPECT_EQ(ReasonOf(producing.Finish()), ErrorReason::kShuttingDown);
  EXPECT_EQ(ReasonOf(consuming.Finish()), ErrorReason::kShuttingDown);
  stop.join();
  StartServer();
  EXPECT_EQ(Counts("jobs"), "5/0/0") << "what was held was given back";
}

// ---- Both, through restarts ----------------------------------------------------------------------------------------------

TEST_F(QueueStreamsTest, NothingIsLostThroughRestarts) {
  CreateQueue("jobs", "visibility_timeout { seconds: 5 }");
  constexpr int kMessages = 3'000;
  Mutex mu;
  std::set<std::string> acknowledged;
  std::set<std::string> seen;
  Mutex address_mu;  // the server's address changes with each restart
  const auto open = [&] {
    MutexLock lock(&address_mu);
    return v1::QueueService::NewStub(grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials()));
  };
  std::thread producer([&] {
    int next = 0;
    while (next < kMessages) {
      const auto stub = open();
      Producing producing(*stub);
      for (bool first = true; next < kMessages; first = false) {
        v1::ProduceRequest request = first ? First("jobs", {}) : v1::ProduceRequest();
        for (int i = 0; i < 20; ++i) request.add_messages()->set_body(absl::StrCat(next + i));
        if (!producing.Write(request)) break;
        const auto response = producing.Read();
        if (!response.has_value() || !response->results(0).has_sent()) break;
        MutexLock lock(&mu);
        for (int i = 0; i < 20; ++i) acknowledged.insert(absl::StrCat(next + i));
        next += 20;
      }
    }
  });
  const auto done = [&] {
    MutexLock lock(&mu);
    return seen.size() == kMessages;
  };
  std::thread consumer([&] {
    while (!done()) {
      const auto stub = open();
      Consuming consuming(*stub, "jobs", 100);
      while (!done()) {
        const auto response = consuming.Read();
        if (!response.has_value()) break;
        v1::ConsumeRequest request;
        for (const auto& delivery : response->deliveries()) {
          MutexLock lock(&mu);
          seen.insert(delivery.message().body());
          request.add_delete_(delivery.delivery_id());
        }
        request.set_add_credit(request.delete__size());
        if (request.add_credit() > 0 && !consuming.Write(request)) break;
      }
    }
  });
  for (int restart = 1; restart <= 3; ++restart) {
    const auto enough = [&] {
      MutexLock lock(&mu);
      return static_cast<int>(seen.size()) >= restart * kMessages / 5;
    };
    while (!enough()) Counts("jobs");
    MutexLock lock(&address_mu);
    StopServer();
    StartServer();
  }
  producer.join();
  consumer.join();
  // A message whose delete or whose send was not answered may have come twice; none was lost.
  EXPECT_EQ(seen, acknowledged);
}

// ---- Several partitions ------------------------------------------------------------------------------------------------

TEST_F(QueueStreamsTest, StreamsGoOverAllPartitions) {
  CreateQueue("jobs", "partitions: 4");
  constexpr int kMessages = 2'000;
  SendMany("jobs", kMessages);
  EXPECT_EQ(Counts("jobs"), absl::StrCat(kMessages, "/0/0"));
  Consuming consuming(stub(), "jobs", 300);
  std::set<std::string> bodies;
  while (bodies.size() < kMessages) {
    const auto deliveries = consuming.Deliveries(100);
    ASSERT_THAT(deliveries, SizeIs(100));
    v1::ConsumeRequest request;
    for (const v1::Delivery& delivery : deliveries) {
      EXPECT_TRUE(bodies.insert(delivery.message().body()).second) << "twice";
      request.add_delete_(delivery.delivery_id());
    }
    request.set_add_credit(100);
    ASSERT_TRUE(consuming.Write(request));
  }
  consuming.CloseWrites();
  ASSERT_TRUE(consuming.Finish().ok());
  EXPECT_EQ(Counts("jobs"), "0/0/0");
}

TEST_F(QueueStreamsTest, CreditIsKeptExactlyOverPartitions) {
  CreateQueue("jobs", "partitions: 4");
  SendMany("jobs", 400);
  Consuming consuming(stub(), "jobs", 7);
  EXPECT_THAT(consuming.Deliveries(7), SizeIs(7));
  EXPECT_EQ(AwaitCounts("jobs", "393/7/0"), "393/7/0");
  ASSERT_TRUE(consuming.Write("add_credit: 1"));
  EXPECT_THAT(consuming.Deliveries(1), SizeIs(1));
  EXPECT_EQ(AwaitCounts("jobs", "392/8/0"), "392/8/0");
  EXPECT_EQ(consuming.unread_deliveries(), 0u);
  consuming.Cancel();
  EXPECT_EQ(AwaitCounts("jobs", "400/0/0"), "400/0/0") << "what was not deleted goes back to every partition";
}

TEST_F(QueueStreamsTest, LittleCreditStarvesNoPartition) {
  CreateQueue("jobs", "partitions: 4");
  Consuming consuming(stub(), "jobs", 1);
  for (int i = 0; i < 8; ++i) {
    Send("jobs", absl::StrCat(i));
    const auto deliveries = consuming.Deliveries(1);
    ASSERT_THAT(deliveries, SizeIs(1));
    EXPECT_EQ(deliveries[0].message().body(), absl::StrCat(i));
    EXPECT_EQ(deliveries[0].message().receive_count(), 1);
    ASSERT_TRUE(consuming.Write(absl::StrCat("delete: ", deliveries[0].delivery_id(), " add_credit: 1")));
  }
}

TEST_F(QueueStreamsTest, StreamHearsOfPartitionsThatItsQueueGets) {
  CreateQueue("jobs");
  Consuming consuming(stub(), "jobs", 100);
  Send("jobs", "0");
  EXPECT_THAT(consuming.Bodies(1), ElementsAre("0"));
  Must(&Stub::UpdateQueue,
       Proto<v1::UpdateQueueRequest>("queue { name: 'jobs' } attributes { partitions: 4 }"));
  std::set<std::string> bodies;
  for (int i = 1; i <= 8; ++i) Send("jobs", absl::StrCat(i));
  for (const std::string& body : consuming.Bodies(8)) bodies.insert(body);
  EXPECT_THAT(bodies, SizeIs(8));
  consuming.Cancel();
  EXPECT_EQ(AwaitCounts("jobs", "9/0/0"), "9/0/0");
}

TEST_F(QueueStreamsTest, FifoGroupsKeepTheirOrderOverPartitions) {
  CreateQueue("jobs.fifo",
              "fifo_queue: true deduplication_scope: DEDUPLICATION_SCOPE_MESSAGE_GROUP"
              " fifo_throughput_limit: FIFO_THROUGHPUT_LIMIT_PER_MESSAGE_GROUP_ID partitions: 4");
  constexpr int kGroups = 10;
  constexpr int kEach = 30;
  Producing producing(stub());
  v1::ProduceRequest request = First("jobs.fifo", {});
  for (int i = 0; i < kEach; ++i) {
    for (int group = 0; group < kGroups; ++group) {
      v1::OutgoingMessage& message = *request.add_messages();
      message.set_body(absl::StrCat(i));
      message.set_message_group_id(absl::StrCat("g", group));
      message.set_message_deduplication_id(absl::StrCat(i));
    }
    ASSERT_TRUE(producing.Write(request));
    request.Clear();
  }
  const auto results = producing.Results(kGroups * kEach);
  for (int group = 0; group < kGroups; ++group) {
    std::string last;
    for (int i = 0; i < kEach; ++i) {
      const std::string& number =
          results[static_cast<size_t>(i * kGroups + group)].sent().sequence_number();
      EXPECT_GT(number, last);
      last = number;
    }
  }
  Consuming consuming(stub(), "jobs.fifo", 50);
  std::map<std::string, int> next;
  for (int i = 0; i < kGroups * kEach; ++i) {
    const auto deliveries = consuming.Deliveries(1);
    ASSERT_THAT(deliveries, SizeIs(1));
    const auto& message = deliveries[0].message();
    EXPECT_EQ(message.body(), absl::StrCat(next[message.message_group_id()]++));
    ASSERT_TRUE(consuming.Write(absl::StrCat("delete: ", deliveries[0].delivery_id(), " add_credit: 1")));
  }
}

}  // namespace
}  // namespace weir::queue
