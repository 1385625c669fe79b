// RabbitMQ by librabbitmq: publishers with confirms and consumers with prefetch, a thread and a
// connection each, as users of RabbitMQ build it. A message is deleted by its consumer's ack.
#include <amqp.h>
#include <amqp_tcp_socket.h>

#include <atomic>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/message_ledger.h"
#include "bench/peers/address.h"
#include "bench/peers/confirm_window.h"
#include "bench/peers/peers.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"

namespace weir::bench {
namespace {

constexpr amqp_channel_t kChannel = 1;
constexpr uint16_t kPrefetch = 1000;
constexpr int kFrameBytes = 131072;
constexpr timeval kConfirmTimeout{.tv_sec = 60, .tv_usec = 0};
constexpr timeval kConsumeWait{.tv_sec = 0, .tv_usec = 200'000};
// Acks that the queue has not taken yet when their channel closes are lost, and their messages come
// again: a channel stays open for so long after its last one.
constexpr absl::Duration kLinger = absl::Seconds(1);
constexpr absl::Duration kGiveUpAfter = absl::Seconds(30);
// RabbitMQ gives no ids to messages: the body alone tells them apart.
constexpr uint64_t kNoId = 1;

amqp_bytes_t Bytes(absl::string_view text) {
  return {.len = text.size(), .bytes = const_cast<char*>(text.data())};
}

absl::string_view Text(amqp_bytes_t bytes) {
  return absl::string_view(static_cast<const char*>(bytes.bytes), bytes.len);
}

absl::Status Error(absl::string_view call, absl::string_view what) {
  return absl::UnavailableError(absl::StrCat("RabbitMQ, ", call, ": ", what));
}

absl::Status ToStatus(amqp_rpc_reply_t reply, absl::string_view call) {
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return absl::OkStatus();
  if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
    return Error(call, amqp_error_string2(reply.library_error));
  }
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
      reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
    return Error(call, Text(static_cast<amqp_channel_close_t*>(reply.reply.decoded)->reply_text));
  }
  return Error(call, "the server closed the connection");
}

absl::Status ToStatus(int status, absl::string_view call) {
  return status == AMQP_STATUS_OK ? absl::OkStatus() : Error(call, amqp_error_string2(status));
}

class Channel {
 public:
  static absl::StatusOr<std::unique_ptr<Channel>> Open(const Address& address) {
    std::unique_ptr<Channel> channel(new Channel());
    amqp_connection_state_t state = channel->state();
    amqp_socket_t* socket = amqp_tcp_socket_new(state);
    if (socket == nullptr) return Error("socket", "out of memory");
    WEIR_RETURN_IF_ERROR(
        ToStatus(amqp_socket_open(socket, address.host.c_str(), address.port), "connect"));
    WEIR_RETURN_IF_ERROR(
        ToStatus(amqp_login(state, "/", /*channel_max=*/0, kFrameBytes, /*heartbeat=*/0,
                            AMQP_SASL_METHOD_PLAIN, "guest", "guest"),
                 "login"));
    amqp_channel_open(state, kChannel);
    WEIR_RETURN_IF_ERROR(channel->LastReply("open channel"));
    return channel;
  }

  // In order: everything that was sent is dealt with before.
  absl::Status Close() {
    return ToStatus(amqp_connection_close(state(), AMQP_REPLY_SUCCESS), "close");
  }

  amqp_connection_state_t state() const { return state_.get(); }
  absl::Status LastReply(absl::string_view call) const {
    return ToStatus(amqp_get_rpc_reply(state()), call);
  }

 private:
  struct Destroy {
    void operator()(amqp_connection_state_t state) const { amqp_destroy_connection(state); }
  };
  Channel() : state_(amqp_new_connection()) {}
  std::unique_ptr<amqp_connection_state_t_, Destroy> state_;
};

struct Run {
  const Options& options;
  const std::string queue;
  MessageLedger ledger;
  std::atomic<bool> measuring{false};
  std::atomic<bool> stopping{false};
  std::atomic<bool> publishers_done{false};
  std::atomic<bool> failed{false};
  std::atomic<int64_t> sent{0};      // confirmed
  std::atomic<int64_t> received{0};  // and acknowledged
  Mutex mu;
  absl::Status error ABSL_GUARDED_BY(mu);
  Measured measured ABSL_GUARDED_BY(mu);

  bool Measuring() const { return measuring.load(std::memory_order_relaxed); }
  void Ended(const absl::Status& status, const Measured& of_thread) {
    MutexLock lock(&mu);
    if (error.ok()) error = status;
    if (!status.ok()) failed.store(true);
    measured.Merge(of_thread);
  }
};

class Publisher {
 public:
  Publisher(Run& run, uint32_t number, std::unique_ptr<Channel> channel)
      : run_(run), number_(number), channel_(std::move(channel)) {
    properties_._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties_.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  }

  absl::Status Prepare() {
    amqp_confirm_select(channel_->state(), kChannel);
    return channel_->LastReply("confirm.select");
  }

  void Loop() {
    absl::Status status;
    while (status.ok() && !run_.failed.load()) {
      const bool stopping = run_.stopping.load();
      if (stopping && window_.outstanding() == 0) break;
      if (!stopping && window_.outstanding() < static_cast<size_t>(run_.options.outstanding)) {
        status = Publish();
      } else {
        status = AwaitConfirm();
      }
    }
    run_.Ended(status, measured_);
  }

 private:
  absl::Status Publish() {
    const int64_t now = MonotonicNanoseconds();
    window_.Add({.key = run_.ledger.Next(number_, now, body_), .sent_at = now});
    return ToStatus(
        amqp_basic_publish(channel_->state(), kChannel, amqp_empty_bytes, Bytes(run_.queue),
                           /*mandatory=*/0, /*immediate=*/0, &properties_, Bytes(body_)),
        "publish");
  }

  absl::Status AwaitConfirm() {
    amqp_frame_t frame;
    amqp_maybe_release_buffers(channel_->state());
    timeval timeout = kConfirmTimeout;
    WEIR_RETURN_IF_ERROR(
        ToStatus(amqp_simple_wait_frame_noblock(channel_->state(), &frame, &timeout), "confirm"));
    if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD) {
      return Error("confirm", "the message was refused, or the channel closed");
    }
    const auto& ack = *static_cast<amqp_basic_ack_t*>(frame.payload.method.decoded);
    const int64_t now = MonotonicNanoseconds();
    for (const auto& message : window_.Confirm(ack.delivery_tag, ack.multiple != 0)) {
      run_.ledger.Sent(message.key, kNoId);
      ++run_.sent;
      if (run_.Measuring()) measured_.send.Record(now - message.sent_at);
    }
    return absl::OkStatus();
  }

  Run& run_;
  const uint32_t number_;
  const std::unique_ptr<Channel> channel_;
  amqp_basic_properties_t properties_{};
  ConfirmWindow window_;
  std::string body_;
  Measured measured_;
};

class Consumer {
 public:
  Consumer(Run& run, std::unique_ptr<Channel> channel) : run_(run), channel_(std::move(channel)) {}

  absl::Status Prepare() {
    amqp_basic_qos(channel_->state(), kChannel, /*prefetch_size=*/0, kPrefetch, /*global=*/0);
    WEIR_RETURN_IF_ERROR(channel_->LastReply("basic.qos"));
    amqp_basic_consume(channel_->state(), kChannel, Bytes(run_.queue), amqp_empty_bytes,
                       /*no_local=*/0, /*no_ack=*/0, /*exclusive=*/0, amqp_empty_table);
    return channel_->LastReply("basic.consume");
  }

  void Loop() {
    absl::Status status;
    absl::Duration last_message = SystemClock().Monotonic();
    while (status.ok() && !run_.failed.load()) {
      if (run_.publishers_done.load()) {
        // What does not come is lost, and the ledger says so.
        const absl::Duration idle = SystemClock().Monotonic() - last_message;
        if (idle > (run_.received.load() < run_.sent.load() ? kGiveUpAfter : kLinger)) break;
      }
      amqp_envelope_t envelope;
      timeval timeout = kConsumeWait;
      amqp_maybe_release_buffers(channel_->state());
      const amqp_rpc_reply_t reply =
          amqp_consume_message(channel_->state(), &envelope, &timeout, /*flags=*/0);
      if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
          reply.library_error == AMQP_STATUS_TIMEOUT) {
        continue;
      }
      status = ToStatus(reply, "consume");
      if (!status.ok()) break;
      status = Acknowledge(envelope);
      amqp_destroy_envelope(&envelope);
      last_message = SystemClock().Monotonic();
    }
    if (status.ok()) status = channel_->Close();
    run_.Ended(status, measured_);
  }

 private:
  absl::Status Acknowledge(const amqp_envelope_t& envelope) {
    const auto key = run_.ledger.Received(Text(envelope.message.body), kNoId);
    WEIR_RETURN_IF_ERROR(ToStatus(
        amqp_basic_ack(channel_->state(), kChannel, envelope.delivery_tag, /*multiple=*/0), "ack"));
    ++run_.received;
    if (!key.has_value()) return absl::OkStatus();
    const int64_t made_at = run_.ledger.Deleted(*key);
    if (run_.Measuring()) {
      measured_.end_to_end.Record(MonotonicNanoseconds() - made_at);
      ++measured_.cycles;
    }
    return absl::OkStatus();
  }

  Run& run_;
  const std::unique_ptr<Channel> channel_;
  Measured measured_;
};

absl::Status DeclareQuorumQueue(const Channel& channel, const std::string& queue) {
  amqp_table_entry_t type{};
  type.key = amqp_cstring_bytes("x-queue-type");
  type.value.kind = AMQP_FIELD_KIND_UTF8;
  type.value.value.bytes = amqp_cstring_bytes("quorum");
  const amqp_table_t arguments{.num_entries = 1, .entries = &type};
  amqp_queue_declare(channel.state(), kChannel, Bytes(queue), /*passive=*/0, /*durable=*/1,
                     /*exclusive=*/0, /*auto_delete=*/0, arguments);
  return channel.LastReply("queue.declare");
}

template <typename Worker>
absl::Status StartAll(std::vector<std::unique_ptr<Worker>>& workers,
                      std::vector<std::thread>& threads) {
  for (auto& worker : workers) WEIR_RETURN_IF_ERROR(worker->Prepare());
  for (auto& worker : workers) threads.emplace_back([&worker] { worker->Loop(); });
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Report> RunRabbitMq(const Options& options, CpuMeter& cpu) {
  WEIR_ASSIGN_OR_RETURN(const Address address, ParseAddress(options.target));
  Run run{.options = options,
          .queue = absl::StrCat("weir-bench-", RandomToken(4)),
          .ledger = MessageLedger(options.connections, static_cast<size_t>(options.body))};
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<Channel> admin, Channel::Open(address));
  WEIR_RETURN_IF_ERROR(DeclareQuorumQueue(*admin, run.queue));
  std::vector<std::unique_ptr<Consumer>> consumers;
  for (int i = 0; i < options.consumers; ++i) {
    WEIR_ASSIGN_OR_RETURN(std::unique_ptr<Channel> channel, Channel::Open(address));
    consumers.push_back(std::make_unique<Consumer>(run, std::move(channel)));
  }
  std::vector<std::unique_ptr<Publisher>> publishers;
  for (int i = 0; i < options.connections; ++i) {
    WEIR_ASSIGN_OR_RETURN(std::unique_ptr<Channel> channel, Channel::Open(address));
    publishers.push_back(
        std::make_unique<Publisher>(run, static_cast<uint32_t>(i), std::move(channel)));
  }
  std::vector<std::thread> consuming, publishing;
  absl::Status prepared = StartAll(consumers, consuming);
  if (prepared.ok()) prepared = StartAll(publishers, publishing);
  if (!prepared.ok()) run.Ended(prepared, {});
  const absl::Duration took = MeasureWindow(options, cpu, run.measuring);
  run.stopping.store(true);
  for (std::thread& thread : publishing) thread.join();
  run.publishers_done.store(true);
  for (std::thread& thread : consuming) thread.join();
  MutexLock lock(&run.mu);
  WEIR_RETURN_IF_ERROR(run.error);

  const amqp_queue_delete_ok_t* deleted = amqp_queue_delete(
      admin->state(), kChannel, Bytes(run.queue), /*if_unused=*/0, /*if_empty=*/0);
  WEIR_RETURN_IF_ERROR(admin->LastReply("queue.delete"));
  if (deleted->message_count > 0) {
    return absl::InternalError(
        absl::StrCat(deleted->message_count, " messages are left in the queue of RabbitMQ."));
  }
  Report report{.workload = "rabbitmq", .took = took, .measured = std::move(run.measured)};
  report.messages = run.ledger.Count();
  return report;
}

}  // namespace weir::bench
