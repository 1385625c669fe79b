// Produce: a stream of messages into a queue.
//
// The messages of a request are a batch: one Send, one commit. Batches are answered in the order of the requests, whatever the order
// in which their sends end, and all that can be answered travel in one response.
//
// Where the queue has several partitions, those of a standard queue take the batches in turn. A FIFO queue's batch falls into parts, a
// Send for each partition that has groups of its messages.
//
// Flow control: no further request is read while too much is unanswered. The same holds while a shard has no room: a part that it
// refuses for that waits and is tried again, and the batches behind it are not read.
#include <grpcpp/alarm.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/grpcx/stream_call.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/message_codec.h"
#include "services/queue/api/partitions.h"
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
  // Its place: in the parts of the batch, and in the Send of that part.
  size_t part = 0;
  size_t place = 0;
};

// What of a batch goes to one partition.
struct Part {
  core::PartitionAddress address;
  size_t messages = 0;
  absl::StatusOr<core::SendReply> reply;
  std::unique_ptr<grpc::Alarm> pause;  // while it waits for room
};

struct Batch {
  std::vector<Outgoing> messages;
  std::vector<v1::SentMessage> digests;  // one for each message, if asked for; else none
  size_t bytes = 0;
  engine::QueueInfoPtr queue;
  std::vector<Part> parts;
  size_t open_parts = 0;  // without a reply
};

class ProduceCall final : public grpcx::StreamCall<v1::ProduceRequest, v1::ProduceResponse> {
 public:
  ProduceCall(Context& context, grpc::CallbackServerContext*)
      : StreamCall(context.metrics.Stream("Produce"), context.streams), context_(context), queue_(context) {}

 private:
  bool PutOff(const v1::ProduceRequest& request, std::function<void()> go_on) override {
    return queue_.AwaitUnknown(request.has_start(), request.start().queue(), std::move(go_on));
  }
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
      // One for the batch as such, so that it is there until all parts are sent.
      for (size_t i = 0; i < accepted->parts.size() + 1; ++i) BeginOperation();
      accepted->open_parts = accepted->parts.size() + 1;
    }
    for (Part& part : accepted->parts) {
      metrics().Carried(part.messages);
      SendPart(*accepted, part);
    }
    Settle([accepted]() { --accepted->open_parts; });
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
    Divide(batch);
    return absl::OkStatus();
  }

  // Says which partition each message goes to.
  void Divide(Batch& batch) {
    const auto& partitions = batch.queue->record.partitions;
    const bool fifo = batch.queue->config->fifo;
    const size_t whole = fifo ? 0 : PartitionForSend(context_.engine, *batch.queue, "");
    constexpr size_t kNone = static_cast<size_t>(-1);
    std::vector<size_t> part_of(partitions.size(), kNone);
    for (Outgoing& outgoing : batch.messages) {
      if (outgoing.message.content == nullptr) continue;
      const size_t partition =
          fifo ? PartitionForSend(context_.engine, *batch.queue, outgoing.message.content->message_group_id)
               : whole;
      if (part_of[partition] == kNone) {
        part_of[partition] = batch.parts.size();
        batch.parts.emplace_back().address = partitions[partition];
      }
      outgoing.part = part_of[partition];
      outgoing.place = batch.parts[outgoing.part].messages++;
    }
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

  // Ends the operation of the part, at once or later.
  void SendPart(Batch& batch, Part& part) {
    const auto number = static_cast<size_t>(&part - batch.parts.data());
    core::Send send{.partition = part.address.partition, .config = batch.queue->config};
    send.messages.reserve(part.messages);
    for (const Outgoing& outgoing : batch.messages) {
      if (outgoing.message.content != nullptr && outgoing.part == number) send.messages.push_back(outgoing.message);
    }
    const absl::Status submitted =
        context_.engine.shard(part.address.shard)
            .Submit(std::move(send),
                    [this, &batch, &part](core::Reply reply) {
                      EndPart(batch, part, TakeReply<core::SendReply>(std::move(reply)));
                      return true;
                    })
            .status();
    if (submitted.ok()) return;
    if (ReasonOf(submitted) == ErrorReason::kOverloaded && TryAgainLater(batch, part)) return;
    EndPart(batch, part, submitted);
  }

  // The part waits, and nothing is read behind it. False: the stream ends.
  bool TryAgainLater(Batch& batch, Part& part) {
    MutexLock lock(&mu_);
    if (ending()) return false;
    if (part.pause == nullptr) paused_.insert(&part);
    ++pauses_;
    BeginOperation();
    // A new one each time, since this may run in a callback of the old one.
    part.pause = std::make_unique<grpc::Alarm>();
    part.pause->Set(absl::ToChronoTime(absl::Now() + kOverloadedPause), [this, &batch, &part](bool) {
      SendPart(batch, part);
      // Only now, so that no later batch gets in front.
      Settle([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { --pauses_; });
    });
    return true;
  }

  void EndPart(Batch& batch, Part& part, absl::StatusOr<core::SendReply> reply) {
    Settle([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      paused_.erase(&part);
      part.reply = std::move(reply);
      if (EndsStream(part.reply.status())) EndLocked(part.reply.status());
      --batch.open_parts;
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
    for (Part* part : paused_) part->pause->Cancel();
  }

  bool TakeAnswers() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    answering_.clear();
    size_t messages = 0;
    while (!batches_.empty() && batches_.front()->open_parts == 0 && messages < kResponseMessages) {
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
    for (size_t i = 0; i < batch.messages.size(); ++i) {
      const Outgoing& outgoing = batch.messages[i];
      v1::ProduceResult& result = *response.add_results();
      if (!outgoing.refused.ok()) {
        FillStreamFailure(outgoing.refused, *result.mutable_failure());
        continue;
      }
      const absl::StatusOr<core::SendReply>& reply = batch.parts[outgoing.part].reply;
      if (!reply.ok()) {
        FillStreamFailure(reply.status(), *result.mutable_failure());
        continue;
      }
      v1::SentMessage& sent = *result.mutable_sent();
      if (!batch.digests.empty()) sent.Swap(&batch.digests[i]);
      sent.set_message_id(outgoing.message.content->message_id);
      if (batch.queue->config->fifo) FillPlace(*reply, outgoing.place, sent);
    }
  }

  Context& context_;
  // Touched by OnRequest alone.
  StreamQueue queue_;
  Digests digests_ = Digests::kComputed;

  std::deque<std::unique_ptr<Batch>> batches_ ABSL_GUARDED_BY(mu_);  // not answered, oldest first
  size_t unanswered_ ABSL_GUARDED_BY(mu_) = 0;                       // messages in them
  size_t unanswered_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  int pauses_ ABSL_GUARDED_BY(mu_) = 0;  // of parts that wait for room; one that begins anew counts before the old one ends
  absl::flat_hash_set<Part*> paused_ ABSL_GUARDED_BY(mu_);

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
