// Produce: a stream of messages into a queue.
//
// The messages of a request are a batch: one Send, one commit. Batches are answered in the order of the requests, whatever the order
// in which their sends end, and all that can be answered travel in one response.
//
// Flow control: no further request is read while too much is unanswered. The same holds while the shard has no room: a batch that it
// refuses for that waits and is tried again, and those behind it are not read.
#include <grpcpp/alarm.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/grpcx/stream_call.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/message_codec.h"
#include "services/queue/api/stream_queue.h"

namespace weir::queue::api {
namespace {

constexpr int kRequestMessagesMax = 1'000;
constexpr size_t kRequestBytesMax = 4 << 20;
// Not answered yet; beyond either, nothing is read.
constexpr size_t kUnansweredMax = 10'000;
constexpr size_t kUnansweredBytesMax = 16 << 20;
// One response; the largest that a client takes by default is 4 MiB.
constexpr size_t kResponseMessages = 5'000;
constexpr absl::Duration kOverloadedPause = absl::Milliseconds(5);

// One message of a request on its way.
struct Outgoing {
  core::Send::Message message;  // without content: refused
  absl::Status refused;
};

struct Batch {
  std::vector<Outgoing> messages;
  std::vector<v1::SentMessage> digests;  // one for each message, if asked for; else none
  size_t bytes = 0;
  engine::QueueInfoPtr queue;
  bool ended = false;  // `reply` says how
  absl::StatusOr<core::SendReply> reply;
};

class ProduceCall final : public grpcx::StreamCall<v1::ProduceRequest, v1::ProduceResponse> {
 public:
  ProduceCall(Context& context, grpc::CallbackServerContext*)
      : StreamCall(context.metrics.Stream("Produce"), context.streams), context_(context), queue_(context) {}

 private:
  void OnRequest(v1::ProduceRequest& request) override {
    auto batch = std::make_unique<Batch>();
    const absl::Status status = Prepare(request, *batch);
    Batch* const accepted = batch.get();
    {
      MutexLock lock(&mu_);
      if (!status.ok()) return EndLocked(status);
      if (batch->messages.empty()) return;
      unanswered_ += batch->messages.size();
      unanswered_bytes_ += batch->bytes;
      batches_.push_back(std::move(batch));
      BeginOperation();
    }
    SendBatch(*accepted);
  }

  absl::Status Prepare(v1::ProduceRequest& request, Batch& batch) {
    WEIR_RETURN_IF_ERROR(queue_.OnStart(request.has_start(), request.start().queue()));
    if (request.has_start()) {
      digests_ = request.start().omit_md5() ? Digests::kOmitted : Digests::kComputed;
    }
    WEIR_ASSIGN_OR_RETURN(batch.queue, queue_.Find());
    WEIR_RETURN_IF_ERROR(CheckSize(request, batch));
    batch.messages.resize(static_cast<size_t>(request.messages_size()));
    if (digests_ == Digests::kComputed) batch.digests.resize(batch.messages.size());
    v1::SentMessage unused;
    for (size_t i = 0; i < batch.messages.size(); ++i) {
      absl::StatusOr<core::Send::Message> message = PrepareMessage(
          request.messages(static_cast<int>(i)), batch.queue->record,
          batch.digests.empty() ? unused : batch.digests[i], digests_);
      if (message.ok()) {
        batch.messages[i].message = *std::move(message);
      } else {
        batch.messages[i].refused = message.status();
      }
    }
    return absl::OkStatus();
  }

  static absl::Status CheckSize(const v1::ProduceRequest& request, Batch& batch) {
    if (request.messages_size() > kRequestMessagesMax) {
      return MakeError(ErrorReason::kBatchTooManyEntries,
                       absl::StrCat("Maximum number of messages per request are ",
                                    kRequestMessagesMax, ". You have sent ",
                                    request.messages_size(), "."));
    }
    for (const v1::OutgoingMessage& message : request.messages()) batch.bytes += MessageBytes(message);
    if (batch.bytes <= kRequestBytesMax) return absl::OkStatus();
    return MakeError(ErrorReason::kBatchTooLong,
                     absl::StrCat("Requests cannot be longer than ", kRequestBytesMax,
                                  " bytes. You have sent ", batch.bytes, " bytes."));
  }

  // Ends the operation of the batch, at once or later.
  void SendBatch(Batch& batch) {
    core::Send send{.partition = batch.queue->address.partition, .config = batch.queue->config};
    send.messages.reserve(batch.messages.size());
    for (const Outgoing& outgoing : batch.messages) {
      if (outgoing.message.content != nullptr) send.messages.push_back(outgoing.message);
    }
    if (send.messages.empty()) return EndBatch(batch, core::SendReply());
    metrics().Carried(send.messages.size());
    const absl::Status submitted =
        context_.engine.shard(batch.queue->address.shard)
            .Submit(std::move(send),
                    [this, &batch](core::Reply reply) {
                      EndBatch(batch, TakeReply<core::SendReply>(std::move(reply)));
                      return true;
                    })
            .status();
    if (submitted.ok()) return;
    if (ReasonOf(submitted) == ErrorReason::kOverloaded && TryAgainLater(batch)) return;
    EndBatch(batch, submitted);
  }

  // The batch waits, and nothing is read behind it. False: the stream ends.
  bool TryAgainLater(Batch& batch) {
    MutexLock lock(&mu_);
    if (ending()) return false;
    ++pauses_;
    BeginOperation();
    // A new one each time, since this may run in a callback of the old one.
    pause_ = std::make_unique<grpc::Alarm>();
    pause_->Set(absl::ToChronoTime(absl::Now() + kOverloadedPause), [this, &batch](bool) {
      SendBatch(batch);
      // Only now, so that no later batch gets in front.
      Settle([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { --pauses_; });
    });
    return true;
  }

  void EndBatch(Batch& batch, absl::StatusOr<core::SendReply> reply) {
    Settle([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      batch.ended = true;
      batch.reply = std::move(reply);
      if (EndsStream(batch.reply.status())) EndLocked(batch.reply.status());
    });
  }

  // What is true of the queue or the server, not of this batch.
  static bool EndsStream(const absl::Status& status) {
    const ErrorReason reason = ReasonOf(status);
    return reason == ErrorReason::kQueueDoesNotExist || reason == ErrorReason::kShuttingDown;
  }

  bool MayRead() const override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return pauses_ == 0 && unanswered_ < kUnansweredMax && unanswered_bytes_ < kUnansweredBytesMax;
  }

  void OnEnding() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (pause_ != nullptr) pause_->Cancel();
  }

  bool TakeAnswers() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    answering_.clear();
    size_t messages = 0;
    while (!batches_.empty() && batches_.front()->ended && messages < kResponseMessages) {
      messages += batches_.front()->messages.size();
      unanswered_bytes_ -= batches_.front()->bytes;
      answering_.push_back(std::move(batches_.front()));
      batches_.pop_front();
    }
    unanswered_ -= messages;
    return !answering_.empty();
  }

  void Encode(v1::ProduceResponse& response) override {
    response.set_first_number(next_number_);
    size_t messages = 0;
    for (const auto& batch : answering_) messages += batch->messages.size();
    response.mutable_results()->Reserve(static_cast<int>(messages));
    next_number_ += static_cast<int64_t>(messages);
    for (const auto& batch : answering_) EncodeBatch(*batch, response);
  }

  static void EncodeBatch(Batch& batch, v1::ProduceResponse& response) {
    size_t sent_before = 0;
    for (size_t i = 0; i < batch.messages.size(); ++i) {
      const Outgoing& outgoing = batch.messages[i];
      v1::ProduceResult& result = *response.add_results();
      const absl::Status& status = outgoing.refused.ok() ? batch.reply.status() : outgoing.refused;
      if (!status.ok()) {
        FillStreamFailure(status, *result.mutable_failure());
        continue;
      }
      v1::SentMessage& sent = *result.mutable_sent();
      if (!batch.digests.empty()) sent.Swap(&batch.digests[i]);
      sent.set_message_id(outgoing.message.content->message_id);
      if (batch.queue->config->fifo) FillPlace(*batch.reply, sent_before, sent);
      ++sent_before;
    }
  }

  Context& context_;
  // Touched by OnRequest alone.
  StreamQueue queue_;
  Digests digests_ = Digests::kComputed;

  std::deque<std::unique_ptr<Batch>> batches_ ABSL_GUARDED_BY(mu_);  // not answered, oldest first
  size_t unanswered_ ABSL_GUARDED_BY(mu_) = 0;                       // messages in them
  size_t unanswered_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  int pauses_ ABSL_GUARDED_BY(mu_) = 0;  // of a batch that waits for room; one that begins anew counts before the old one ends
  std::unique_ptr<grpc::Alarm> pause_ ABSL_GUARDED_BY(mu_);

  // Touched by whoever writes.
  std::vector<std::unique_ptr<Batch>> answering_;
  int64_t next_number_ = 1;
};

}  // namespace

grpc::ServerBidiReactor<v1::ProduceRequest, v1::ProduceResponse>* Produce(
    Context& context, grpc::CallbackServerContext* grpc_context) {
  auto* call = new ProduceCall(context, grpc_context);
  call->Start();
  return call;
}

}  // namespace weir::queue::api
