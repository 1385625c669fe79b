#include "bench/sqs.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bench/blocking_cycle.h"
#include "bench/paced.h"
#include "bench/queue_client.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"

namespace weir::bench {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Json = nlohmann::json;

constexpr int kReceiveWaitSeconds = 1;
// Longer than any run of which the latencies are worth reading, so that no message comes twice by time.
constexpr const char* kVisibilitySeconds = "600";
// Nothing is verified, but the gateway finds account and region here, as with an SDK.
constexpr const char* kAuthorization =
    "AWS4-HMAC-SHA256 Credential=weir-bench/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=none";

// One connection, kept alive. Used by one thread at a time.
class SqsConnection {
 public:
  static absl::StatusOr<std::unique_ptr<SqsConnection>> Connect(const std::string& target) {
    const size_t colon = target.rfind(':');
    if (colon == std::string::npos || colon == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("Value \"", target, "\" for target is invalid: must be HOST:PORT of a gateway."));
    }
    std::unique_ptr<SqsConnection> connection(new SqsConnection(target));
    boost::system::error_code error;
    asio::ip::tcp::resolver resolver(connection->io_);
    const auto found = resolver.resolve(target.substr(0, colon), target.substr(colon + 1), error);
    if (!error) asio::connect(connection->socket_, found, error);
    if (!error) connection->socket_.set_option(asio::ip::tcp::no_delay(true), error);
    if (error) return absl::UnavailableError(absl::StrCat("Gateway at ", target, ": ", error.message()));
    return connection;
  }

  // The answer's JSON.
  absl::StatusOr<Json> Call(const char* operation, const Json& parameters) {
    request_.set("X-Amz-Target", absl::StrCat("AmazonSQS.", operation));
    request_.body() = parameters.dump();
    request_.prepare_payload();
    boost::system::error_code error;
    http::write(socket_, request_, error);
    http::response<http::string_body> response;
    if (!error) http::read(socket_, buffer_, response, error);
    if (error) return absl::UnavailableError(absl::StrCat(operation, ": ", error.message()));
    if (response.result() != http::status::ok) {
      return absl::InternalError(absl::StrCat(operation, " was answered ", response.result_int(), ": ", response.body()));
    }
    if (response.body().empty()) return Json::object();
    Json answer = Json::parse(response.body(), nullptr, /*allow_exceptions=*/false);
    if (!answer.is_object()) return absl::InternalError(absl::StrCat(operation, " was answered with no JSON object."));
    return answer;
  }

 private:
  explicit SqsConnection(const std::string& target) : socket_(io_), request_(http::verb::post, "/", 11) {
    request_.set(http::field::host, target);
    request_.set(http::field::content_type, "application/x-amz-json-1.0");
    request_.set(http::field::authorization, kAuthorization);
  }

  asio::io_context io_;
  asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
};

// Of an answer; empty where it is not there.
const std::string& Text(const Json& json, const char* key) {
  static const std::string kNone;
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get_ref<const std::string&>() : kNone;
}

absl::Status CheckBatch(const char* operation, const Json& answer) {
  const auto failed = answer.find("Failed");
  if (failed == answer.end() || failed->empty()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(operation, ": ", failed->front().dump()));
}

class SqsClient final : public BlockingClient {
 public:
  SqsClient(std::unique_ptr<SqsConnection> connection, std::string queue_url)
      : connection_(std::move(connection)), queue_url_(std::move(queue_url)) {}

  absl::Status Send(const std::vector<std::string>& bodies, std::vector<uint64_t>& ids) override {
    if (bodies.size() == 1) {
      WEIR_ASSIGN_OR_RETURN(
          const Json sent, connection_->Call("SendMessage", {{"QueueUrl", queue_url_}, {"MessageBody", bodies[0]}}));
      ids.push_back(IdOfMessage(Text(sent, "MessageId")));
      return absl::OkStatus();
    }
    Json entries = Json::array();
    for (size_t i = 0; i < bodies.size(); ++i) {
      entries.push_back({{"Id", absl::StrCat(i)}, {"MessageBody", bodies[i]}});
    }
    WEIR_ASSIGN_OR_RETURN(const Json sent, connection_->Call("SendMessageBatch", {{"QueueUrl", queue_url_},
                                                                                 {"Entries", std::move(entries)}}));
    WEIR_RETURN_IF_ERROR(CheckBatch("SendMessageBatch", sent));
    std::vector<uint64_t> by_entry(bodies.size());
    for (const Json& entry : sent.value("Successful", Json::array())) {
      size_t number = 0;
      if (!absl::SimpleAtoi(Text(entry, "Id"), &number) || number >= by_entry.size()) {
        return absl::InternalError(absl::StrCat("SendMessageBatch answered an entry that was not sent: ", entry.dump()));
      }
      by_entry[number] = IdOfMessage(Text(entry, "MessageId"));
    }
    ids.insert(ids.end(), by_entry.begin(), by_entry.end());
    return absl::OkStatus();
  }

  absl::Status Receive(int max, std::vector<ReceivedMessage>& received) override {
    WEIR_ASSIGN_OR_RETURN(received_, connection_->Call("ReceiveMessage", {{"QueueUrl", queue_url_},
                                                                         {"MaxNumberOfMessages", max},
                                                                         {"WaitTimeSeconds", kReceiveWaitSeconds}}));
    const auto messages = received_.find("Messages");
    if (messages == received_.end()) return absl::OkStatus();
    for (const Json& message : *messages) {
      received.push_back({.body = Text(message, "Body"), .id = IdOfMessage(Text(message, "MessageId"))});
    }
    return absl::OkStatus();
  }

  absl::Status DeleteReceived() override {
    const Json& messages = received_["Messages"];
    if (messages.size() == 1) {
      return connection_
          ->Call("DeleteMessage", {{"QueueUrl", queue_url_}, {"ReceiptHandle", Text(messages[0], "ReceiptHandle")}})
          .status();
    }
    Json entries = Json::array();
    for (const Json& message : messages) {
      entries.push_back({{"Id", absl::StrCat(entries.size())}, {"ReceiptHandle", Text(message, "ReceiptHandle")}});
    }
    WEIR_ASSIGN_OR_RETURN(const Json deleted, connection_->Call("DeleteMessageBatch", {{"QueueUrl", queue_url_},
                                                                                      {"Entries", std::move(entries)}}));
    return CheckBatch("DeleteMessageBatch", deleted);
  }

 private:
  const std::unique_ptr<SqsConnection> connection_;
  const std::string queue_url_;
  Json received_;
};

// The queues of a run, which are deleted at its end.
class SqsQueues {
 public:
  static absl::StatusOr<SqsQueues> Create(const Options& options, int count) {
    SqsQueues queues;
    WEIR_ASSIGN_OR_RETURN(queues.connection_, SqsConnection::Connect(options.target));
    const std::string run_name = RandomToken(4);
    for (int i = 0; i < count; ++i) {
      const Json parameters = {{"QueueName", absl::StrCat("weir-bench-", run_name, "-", i)},
                               {"Attributes", {{"VisibilityTimeout", kVisibilitySeconds}}}};
      WEIR_ASSIGN_OR_RETURN(const Json created, queues.connection_->Call("CreateQueue", parameters));
      queues.urls_.push_back(Text(created, "QueueUrl"));
    }
    return queues;
  }

  const std::string& url(int queue) const { return urls_[static_cast<size_t>(queue)]; }

  absl::Status Delete() {
    for (const std::string& url : urls_) {
      WEIR_RETURN_IF_ERROR(connection_->Call("DeleteQueue", {{"QueueUrl", url}}).status());
    }
    return absl::OkStatus();
  }

 private:
  std::unique_ptr<SqsConnection> connection_;
  std::vector<std::string> urls_;
};

absl::StatusOr<std::unique_ptr<BlockingClient>> MakeClient(const Options& options, const std::string& queue_url) {
  WEIR_ASSIGN_OR_RETURN(std::unique_ptr<SqsConnection> connection, SqsConnection::Connect(options.target));
  return std::make_unique<SqsClient>(std::move(connection), queue_url);
}

}  // namespace

absl::StatusOr<Report> RunSqsCycles(const Options& options, CpuMeter& cpu) {
  if (options.batch > 10) {
    return absl::InvalidArgumentError(absl::StrCat("Value ", options.batch, " for batch is invalid: must be 1 to 10."));
  }
  WEIR_ASSIGN_OR_RETURN(SqsQueues queues, SqsQueues::Create(options, options.queues));
  WEIR_ASSIGN_OR_RETURN(Report report, RunBlockingCycles("sqs", options, cpu, [&](int queue) {
                          return MakeClient(options, queues.url(queue));
                        }));
  WEIR_RETURN_IF_ERROR(queues.Delete());
  return report;
}

absl::StatusOr<Report> RunSqsLatency(const Options& options, CpuMeter& cpu) {
  WEIR_ASSIGN_OR_RETURN(SqsQueues queues, SqsQueues::Create(options, 1));
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<BlockingClient> sender, MakeClient(options, queues.url(0)));
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<BlockingClient> consumer, MakeClient(options, queues.url(0)));
  WEIR_ASSIGN_OR_RETURN(Report report, RunPaced("sqs-latency", options, cpu, *sender, *consumer));
  WEIR_RETURN_IF_ERROR(queues.Delete());
  return report;
}

}  // namespace weir::bench
