// NATS JetStream by its C client. A cycler publishes with an inbox of its own as the reply subject,
// so that a batch is on its way before the first acknowledgement is read.
#include <nats/nats.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/blocking_cycle.h"
#include "bench/peers/address.h"
#include "bench/peers/jetstream_protocol.h"
#include "bench/peers/peers.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"

namespace weir::bench {
namespace {

constexpr int64_t kTimeoutMs = 60'000;
constexpr int64_t kWaitMs = 1'000;
constexpr absl::string_view kConsumer = "workers";
// Longer than any run, so that no message comes twice by time.
constexpr int64_t kAckWaitNs = 600'000'000'000;

absl::Status ToStatus(natsStatus status, absl::string_view call) {
  if (status == NATS_OK) return absl::OkStatus();
  const char* detail = nats_GetLastError(nullptr);
  return absl::UnavailableError(absl::StrCat("NATS, ", call, ": ", natsStatus_GetText(status),
                                             detail == nullptr ? "" : ": ",
                                             detail == nullptr ? "" : detail));
}

template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

using Connection = Owned<natsConnection>;
using Context = Owned<jsCtx>;
using Subscription = Owned<natsSubscription>;
using Message = Owned<natsMsg>;

absl::StatusOr<Connection> Connect(const std::string& target) {
  natsConnection* connection = nullptr;
  WEIR_RETURN_IF_ERROR(ToStatus(
      natsConnection_ConnectTo(&connection, absl::StrCat("nats://", target).c_str()), "connect"));
  return Connection(connection, natsConnection_Destroy);
}

absl::StatusOr<Context> JetStreamOf(natsConnection* connection) {
  jsCtx* context = nullptr;
  WEIR_RETURN_IF_ERROR(
      ToStatus(natsConnection_JetStream(&context, connection, nullptr), "JetStream"));
  return Context(context, jsCtx_Destroy);
}

class Client : public BlockingClient {
 public:
  static absl::StatusOr<std::unique_ptr<BlockingClient>> Make(natsConnection* connection,
                                                              const std::string& stream) {
    auto client = std::make_unique<Client>(connection, stream);
    WEIR_ASSIGN_OR_RETURN(client->context_, JetStreamOf(connection));
    natsInbox* inbox = nullptr;
    WEIR_RETURN_IF_ERROR(ToStatus(natsInbox_Create(&inbox), "inbox"));
    client->inbox_ = inbox;
    natsInbox_Destroy(inbox);
    natsSubscription* subscription = nullptr;
    WEIR_RETURN_IF_ERROR(
        ToStatus(natsConnection_SubscribeSync(&subscription, connection, client->inbox_.c_str()),
                 "subscribe"));
    client->answers_.reset(subscription);
    jsSubOptions options;
    jsSubOptions_Init(&options);
    options.Stream = stream.c_str();
    options.Consumer = kConsumer.data();
    WEIR_RETURN_IF_ERROR(
        ToStatus(js_PullSubscribe(&subscription, client->context_.get(), stream.c_str(),
                                  kConsumer.data(), nullptr, &options, nullptr),
                 "pull subscribe"));
    client->messages_.reset(subscription);
    return client;
  }

  Client(natsConnection* connection, std::string subject)
      : connection_(connection), subject_(std::move(subject)) {}

  absl::Status Send(const std::vector<std::string>& bodies, std::vector<uint64_t>& ids) override {
    for (const std::string& body : bodies) {
      WEIR_RETURN_IF_ERROR(
          ToStatus(natsConnection_PublishRequest(connection_, subject_.c_str(), inbox_.c_str(),
                                                 body.data(), static_cast<int>(body.size())),
                   "publish"));
    }
    // A server acknowledges the messages of one connection in their order.
    for (size_t i = 0; i < bodies.size(); ++i) {
      natsMsg* raw = nullptr;
      WEIR_RETURN_IF_ERROR(ToStatus(natsSubscription_NextMsg(&raw, answers_.get(), kTimeoutMs),
                                    "acknowledgement of a publish"));
      const Message answer(raw, natsMsg_Destroy);
      WEIR_ASSIGN_OR_RETURN(const uint64_t id, SequenceOfPubAck(BodyOf(*answer)));
      ids.push_back(id);
    }
    return absl::OkStatus();
  }

  absl::Status Receive(int max, std::vector<ReceivedMessage>& received) override {
    received_.clear();
    natsMsgList list{};
    const natsStatus fetched =
        natsSubscription_Fetch(&list, messages_.get(), max, kWaitMs, nullptr);
    if (fetched == NATS_TIMEOUT) return absl::OkStatus();
    WEIR_RETURN_IF_ERROR(ToStatus(fetched, "fetch"));
    for (int i = 0; i < list.Count; ++i) {
      received_.emplace_back(list.Msgs[i], natsMsg_Destroy);
      list.Msgs[i] = nullptr;
    }
    natsMsgList_Destroy(&list);
    for (const Message& message : received_) {
      WEIR_ASSIGN_OR_RETURN(const uint64_t id,
                            SequenceOfReplySubject(natsMsg_GetReply(message.get())));
      received.push_back({.body = BodyOf(*message), .id = id});
    }
    return absl::OkStatus();
  }

  absl::Status DeleteReceived() override {
    for (const Message& message : received_) {
      WEIR_RETURN_IF_ERROR(ToStatus(natsMsg_Ack(message.get(), nullptr), "ack"));
    }
    return absl::OkStatus();
  }

 private:
  static absl::string_view BodyOf(const natsMsg& message) {
    return absl::string_view(natsMsg_GetData(&message),
                             static_cast<size_t>(natsMsg_GetDataLength(&message)));
  }

  natsConnection* const connection_;
  const std::string subject_;
  Context context_{nullptr, jsCtx_Destroy};
  std::string inbox_;
  Subscription answers_{nullptr, natsSubscription_Destroy};
  Subscription messages_{nullptr, natsSubscription_Destroy};
  std::vector<Message> received_;
};

absl::Status CreateStream(jsCtx* context, const std::string& name) {
  const char* subjects[] = {name.c_str()};
  jsStreamConfig stream;
  jsStreamConfig_Init(&stream);
  stream.Name = name.c_str();
  stream.Subjects = subjects;
  stream.SubjectsLen = 1;
  stream.Storage = js_FileStorage;
  stream.Retention = js_WorkQueuePolicy;
  WEIR_RETURN_IF_ERROR(
      ToStatus(js_AddStream(nullptr, context, &stream, nullptr, nullptr), "add stream"));
  jsConsumerConfig consumer;
  jsConsumerConfig_Init(&consumer);
  consumer.Durable = kConsumer.data();
  consumer.AckPolicy = js_AckExplicit;
  consumer.AckWait = kAckWaitNs;
  consumer.MaxAckPending = 1'000'000;
  consumer.MaxWaiting = 8192;
  return ToStatus(js_AddConsumer(nullptr, context, name.c_str(), &consumer, nullptr, nullptr),
                  "add consumer");
}

// Acknowledgements are not answered: the last ones may still be on their way.
absl::StatusOr<uint64_t> MessagesLeft(jsCtx* context, const std::string& stream) {
  uint64_t left = 0;
  for (int i = 0; i < 100; ++i) {
    jsStreamInfo* info = nullptr;
    WEIR_RETURN_IF_ERROR(ToStatus(
        js_GetStreamInfo(&info, context, stream.c_str(), nullptr, nullptr), "stream info"));
    left = info->State.Msgs;
    jsStreamInfo_Destroy(info);
    if (left == 0) break;
    absl::SleepFor(absl::Milliseconds(50));
  }
  return left;
}

}  // namespace

absl::StatusOr<Report> RunJetStream(const Options& options, CpuMeter& cpu) {
  WEIR_RETURN_IF_ERROR(ParseAddress(options.target).status());
  std::vector<Connection> connections;
  for (int i = 0; i < options.channels; ++i) {
    WEIR_ASSIGN_OR_RETURN(Connection connection, Connect(options.target));
    connections.push_back(std::move(connection));
  }
  WEIR_ASSIGN_OR_RETURN(const Context context, JetStreamOf(connections[0].get()));
  const std::string stream = absl::StrCat("weir-bench-", RandomToken(4));
  WEIR_RETURN_IF_ERROR(CreateStream(context.get(), stream));
  size_t clients = 0;
  const auto make_client = [&](int) {
    return Client::Make(connections[clients++ % connections.size()].get(), stream);
  };
  WEIR_ASSIGN_OR_RETURN(const Report report,
                        RunBlockingCycles("jetstream", options, cpu, make_client));
  WEIR_ASSIGN_OR_RETURN(const uint64_t left, MessagesLeft(context.get(), stream));
  WEIR_RETURN_IF_ERROR(
      ToStatus(js_DeleteStream(context.get(), stream.c_str(), nullptr, nullptr), "delete stream"));
  if (left > 0) {
    return absl::InternalError(
        absl::StrCat(left, " messages are left in the stream of JetStream."));
  }
  return report;
}

}  // namespace weir::bench
