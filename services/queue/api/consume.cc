// Consume: a stream of messages out of a queue.
//
// As long as there is credit, one receive waits in the shard; what it brings is pushed, and the next one is sent. No receive is sent
// while much of what came is not written yet, so a client that does not read holds back no more than a reply's worth of memory.
//
//     receive:  kIdle ──credit──► kRunning ──messages, or none in time──► kIdle
//                 ▲                  │ shard away, queue full in flight
//                 └────── pause ─────┘
//
// The deletes of a request are one command to the shard, and so are its changes. When the stream ends in whatever way, the receive is
// cancelled, and what the client holds is released in one command.
#include <grpcpp/alarm.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/grpcx/peer.h"
#include "libs/grpcx/stream_call.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/delivery_table.h"
#include "services/queue/api/message_codec.h"
#include "services/queue/api/receipt_handle.h"
#include "services/queue/api/stream_queue.h"
#include "services/queue/api/validation.h"
#include "services/queue/engine/content_cache.h"

namespace weir::queue::api {
namespace {

// Credit and what is held, together.
constexpr int64_t kCreditMax = 10'000;
constexpr int kSettlesMax = 10'000;  // deletes and changes of one request
// Answers that are not written yet; beyond, no request is read.
constexpr size_t kUnansweredMax = 20'000;
// A receive waits so long for messages before it is sent anew.
constexpr absl::Duration kWait = absl::Seconds(20);
// One receive asks for so many, or for what comes to so many bytes if the next messages are as large as the last ones were.
constexpr int64_t kReceiveMessagesMin = 4;
constexpr int64_t kReceiveMessagesMax = 1'000;
constexpr int64_t kReceiveBytes = 2 << 20;
// What a message is taken to have before one has come.
constexpr int64_t kMessageBytesAtFirst = 256 << 10;
// With so much waiting to be written, no further receive.
constexpr size_t kPendingBytesMax = 1 << 20;
// One response; the largest that a client takes by default is 4 MiB.
constexpr size_t kResponseBytes = 2 << 20;
constexpr absl::Duration kPauseMin = absl::Milliseconds(20);
constexpr absl::Duration kPauseMax = absl::Seconds(1);

absl::Status NotADelivery(int64_t id) {
  return MakeError(ErrorReason::kReceiptHandleInvalid,
                   absl::StrCat("Value ", id,
                                " for delivery_id is invalid: it was never pushed on this stream, or "
                                "was deleted or given back before."),
                   {{"field", "delivery_id"}});
}

// What will pass, so that the stream goes on.
bool WillPass(ErrorReason reason) {
  switch (reason) {
    case ErrorReason::kStoreUnavailable:
    case ErrorReason::kOutcomeUnknown:
    case ErrorReason::kShardNotOwned:
    case ErrorReason::kShardRecovering:
    case ErrorReason::kOverloaded:
    case ErrorReason::kOverLimit:
      return true;
    default:
      return false;
  }
}

class ConsumeCall final : public grpcx::StreamCall<v1::ConsumeRequest, v1::ConsumeResponse> {
 public:
  ConsumeCall(Context& context, grpc::CallbackServerContext* grpc_context)
      : StreamCall(context.metrics.Stream("Consume"), context.streams),
        context_(context),
        consumer_(grpcx::PeerName(grpc_context->peer())),
        queue_(context) {}

 private:
  struct Pending {
    int64_t id = 0;
    core::ReceivedMessage message;
  };
  struct Answers {
    std::deque<Pending> deliveries;
    std::vector<int64_t> deleted;
    std::vector<int64_t> changed;
    std::vector<std::pair<int64_t, absl::Status>> failures;
    bool empty() const {
      return deliveries.empty() && deleted.empty() && changed.empty() && failures.empty();
    }
    size_t settled() const { return deleted.size() + changed.size() + failures.size(); }
  };
  // What a request wants of its deliveries.
  struct Deletes {
    core::Delete command;
    std::vector<int64_t> ids;
  };
  struct Changes {
    struct Change {
      int64_t id = 0;
      bool give_back = false;
    };
    core::ChangeVisibility command;
    std::vector<Change> changes;
  };
  enum class ReceivePhase { kIdle, kRunning, kPausing };
  enum class Task { kNone, kReceive, kCancel, kRelease };

  // ---- Requests ----

  void OnRequest(v1::ConsumeRequest& request) override {
    Deletes deletes;
    Changes changes;
    absl::Status status = Prepare(request);
    if (status.ok()) {
      deletes.command.partition = changes.command.partition = info_->address.partition;
      deletes.command.receipts.reserve(static_cast<size_t>(request.delete__size()));
      deletes.ids.reserve(static_cast<size_t>(request.delete__size()));
    }
    {
      MutexLock lock(&mu_);
      if (status.ok() && !ending()) {
        TakeDeletes(request, deletes);
        TakeChanges(request, changes);
        status = AddCredit(request.add_credit());
      }
      if (!status.ok()) EndLocked(status);
      // Also when the stream ends: what was asked for before is done.
      unanswered_ += deletes.ids.size() + changes.changes.size();
      if (!deletes.ids.empty()) BeginOperation();
      if (!changes.changes.empty()) BeginOperation();
    }
    if (!deletes.ids.empty()) Submit(std::move(deletes));
    if (!changes.changes.empty()) Submit(std::move(changes));
  }

  absl::Status Prepare(v1::ConsumeRequest& request) {
    WEIR_RETURN_IF_ERROR(queue_.OnStart(request.has_start(), request.start().queue()));
    WEIR_ASSIGN_OR_RETURN(engine::QueueInfoPtr queue, queue_.Find());
    if (request.has_start()) {
      info_ = std::move(queue);
      if (request.start().has_visibility_timeout()) {
        WEIR_ASSIGN_OR_RETURN(
            visibility_timeout_,
            CheckDuration(request.start().visibility_timeout(), "start.visibility_timeout",
                          absl::ZeroDuration(), absl::Hours(12), /*whole_seconds=*/true));
      }
      digests_ = request.start().omit_md5() ? Digests::kOmitted : Digests::kComputed;
      start_.Swap(request.mutable_start());
    }
    const int settles = request.delete__size() + request.change_visibility_size();
    if (settles <= kSettlesMax) return absl::OkStatus();
    return MakeError(ErrorReason::kBatchTooManyEntries,
                     absl::StrCat("Maximum number of deletes and changes per request are ",
                                  kSettlesMax, ". You have sent ", settles, "."));
  }

  void TakeDeletes(const v1::ConsumeRequest& request, Deletes& deletes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (const int64_t id : request.delete_()) {
      const std::optional<core::Receipt> receipt = table_.Find(id);
      if (!receipt.has_value()) {
        Fail(id, NotADelivery(id));
        continue;
      }
      table_.Settle(id);
      deletes.command.receipts.push_back(*receipt);
      deletes.ids.push_back(id);
    }
  }

  void TakeChanges(const v1::ConsumeRequest& request, Changes& changes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (const v1::ConsumeChange& change : request.change_visibility()) {
      const int64_t id = change.delivery_id();
      const auto timeout =
          CheckNewVisibility(change.has_visibility_timeout(), change.visibility_timeout());
      const std::optional<core::Receipt> receipt = table_.Find(id);
      if (!timeout.ok() || !receipt.has_value()) {
        Fail(id, timeout.ok() ? NotADelivery(id) : timeout.status());
        continue;
      }
      const bool give_back = change.give_back() || *timeout == absl::ZeroDuration();
      if (give_back) table_.Settle(id);
      changes.command.entries.push_back({*receipt, *timeout});
      changes.changes.push_back({id, give_back});
    }
  }

  absl::Status AddCredit(int64_t credit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (credit >= 0 && credit_ + table_.held() + credit <= kCreditMax) {
      credit_ += credit;
      return absl::OkStatus();
    }
    return MakeError(ErrorReason::kInvalidParameterValue,
                     absl::StrCat("Value ", credit,
                                  " for add_credit is invalid: with the credit that is not used (",
                                  credit_, ") and the messages that are held (", table_.held(),
                                  ") it must be between 0 and ", kCreditMax, "."),
                     {{"field", "add_credit"}});
  }

  // ---- Deletes and changes ----

  // Ends in OnDeleted.
  void Submit(Deletes deletes) {
    auto ids = std::make_shared<std::vector<int64_t>>(std::move(deletes.ids));
    const absl::Status submitted = Shard()
                                       .Submit(std::move(deletes.command),
                                               [this, ids](core::Reply reply) {
                                                 OnDeleted(*ids, TakeReply<core::DeleteReply>(
                                                                     std::move(reply)));
                                                 return true;
                                               })
                                       .status();
    if (!submitted.ok()) OnDeleted(*ids, submitted);
  }

  void OnDeleted(const std::vector<int64_t>& ids, const absl::StatusOr<core::DeleteReply>& reply) {
    Settle([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      unanswered_ -= ids.size();
      for (size_t i = 0; i < ids.size(); ++i) {
        if (!reply.ok()) {
          KeepOrRelease(ids[i]);
          Fail(ids[i], reply.status());
          continue;
        }
        table_.Forget(ids[i]);
        if (reply->outcomes[i] == core::DeleteOutcome::kReceiptExpired) {
          Fail(ids[i], VisibilityError(core::ChangeVisibilityOutcome::kReceiptExpired));
        } else {
          pending_.deleted.push_back(ids[i]);
        }
      }
    });
  }

  // Ends in OnChanged.
  void Submit(Changes changes) {
    auto list = std::make_shared<std::vector<Changes::Change>>(std::move(changes.changes));
    const absl::Status submitted =
        Shard()
            .Submit(std::move(changes.command),
                    [this, list](core::Reply reply) {
                      OnChanged(*list, TakeReply<core::ChangeVisibilityReply>(std::move(reply)));
                      return true;
                    })
            .status();
    if (!submitted.ok()) OnChanged(*list, submitted);
  }

  void OnChanged(const std::vector<Changes::Change>& changes,
                 const absl::StatusOr<core::ChangeVisibilityReply>& reply) {
    Settle([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      unanswered_ -= changes.size();
      for (size_t i = 0; i < changes.size(); ++i) {
        const auto [id, give_back] = changes[i];
        const absl::Status status = reply.ok() ? VisibilityError(reply->outcomes[i]) : reply.status();
        const bool gone = reply.ok() &&
                          (reply->outcomes[i] == core::ChangeVisibilityOutcome::kMessageGone ||
                           reply->outcomes[i] == core::ChangeVisibilityOutcome::kReceiptExpired);
        if (gone || (give_back && status.ok())) {
          table_.Forget(id);
        } else if (give_back) {
          KeepOrRelease(id);
        }
        if (status.ok()) {
          pending_.changed.push_back(id);
        } else {
          Fail(id, status);
        }
      }
    });
  }

  void Fail(int64_t id, absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    pending_.failures.emplace_back(id, std::move(status));
  }

  // The client wanted to be rid of it, and is not.
  void KeepOrRelease(int64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!ending()) return table_.Keep(id);
    if (const auto receipt = table_.Find(id)) to_release_.push_back(*receipt);
    table_.Forget(id);
  }

  // ---- Receives ----

  bool WantsWork() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    task_ = NextTask();
    return task_ != Task::kNone;
  }

  Task NextTask() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!to_release_.empty()) {
      releasing_ = std::exchange(to_release_, {});
      return Task::kRelease;
    }
    if (ending()) {
      if (receive_ != ReceivePhase::kRunning || receive_id_ == core::RequestId()) return Task::kNone;
      cancelling_ = std::exchange(receive_id_, core::RequestId());
      return Task::kCancel;
    }
    if (receive_ != ReceivePhase::kIdle || credit_ == 0 || pending_bytes_ >= kPendingBytesMax) {
      return Task::kNone;
    }
    receive_ = ReceivePhase::kRunning;
    BeginOperation();
    ask_ = std::min({credit_, kReceiveMessagesMax,
                     std::max(kReceiveMessagesMin, kReceiveBytes / message_bytes_)});
    return Task::kReceive;
  }

  void Work() override {
    switch (task_) {
      case Task::kReceive:
        return SubmitReceive();
      case Task::kCancel:
        Shard().Cancel(info_->address.partition, cancelling_);
        return;
      case Task::kRelease:
        // Refused only by a shard that is lost or stopping: then they come back when their time is over.
        (void)Shard().SubmitInternal(
            core::ReleaseLease{info_->address.partition, std::move(releasing_)}, nullptr);
        return;
      case Task::kNone:
        return;
    }
  }

  // Ends in OnReceived.
  void SubmitReceive() {
    absl::StatusOr<engine::QueueInfoPtr> queue = queue_.Find();
    if (!queue.ok()) {
      OnReceived(queue.status());
      return;
    }
    core::Receive receive{.partition = (*queue)->address.partition,
                          .config = (*queue)->config,
                          .max_messages = static_cast<int32_t>(ask_),
                          .visibility_timeout = visibility_timeout_,
                          .wait_until = context_.engine.Now() + kWait,
                          .consumer = consumer_};
    const absl::StatusOr<core::RequestId> submitted = Shard().Submit(
        std::move(receive), [this, number = ++receive_number_](core::Reply reply) {
          return OnReceived(TakeReply<core::ReceiveReply>(std::move(reply)), number);
        });
    if (!submitted.ok()) {
      OnReceived(submitted.status());
      return;
    }
    MutexLock lock(&mu_);
    // The reply may have come already; then no other receive has begun, since this thread begins them.
    if (answered_number_ != receive_number_) receive_id_ = *submitted;
  }

  // False: nobody takes the messages.
  bool OnReceived(absl::StatusOr<core::ReceiveReply> reply, int64_t number = 0) {
    bool taken = true;
    Settle([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      receive_ = ReceivePhase::kIdle;
      receive_id_ = core::RequestId();
      answered_number_ = number;
      taken = !ending();
      if (ending()) return;
      if (!reply.ok()) return OnReceiveFailed(reply.status());
      pause_for_ = kPauseMin;
      Accept(*std::move(reply));
    });
    return taken;
  }

  void Accept(core::ReceiveReply reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (reply.messages.empty()) return;
    size_t largest = 0;
    for (core::ReceivedMessage& message : reply.messages) {
      const size_t bytes = engine::ContentBytes(*message.content);
      largest = std::max(largest, bytes);
      pending_bytes_ += bytes;
      const int64_t id = table_.Push({message.seq, message.receive_count});
      pending_.deliveries.push_back({id, std::move(message)});
    }
    credit_ -= static_cast<int64_t>(reply.messages.size());
    metrics().Carried(reply.messages.size());
    // Up at once, down by halves.
    const auto newest = static_cast<int64_t>(largest);
    message_bytes_ = std::max(newest, (message_bytes_ + newest) / 2);
  }

  void OnReceiveFailed(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!WillPass(ReasonOf(status))) return EndLocked(status);
    receive_ = ReceivePhase::kPausing;
    BeginOperation();
    pause_ = std::make_unique<grpc::Alarm>();
    pause_->Set(absl::ToChronoTime(absl::Now() + pause_for_), [this](bool) {
      Settle([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { receive_ = ReceivePhase::kIdle; });
    });
    pause_for_ = std::min(2 * pause_for_, kPauseMax);
  }

  // ---- Answers, flow control, end ----

  bool MayRead() const override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return unanswered_ + pending_.settled() < kUnansweredMax;
  }

  bool TakeAnswers() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (pending_.empty()) return false;
    writing_.deleted.clear();
    writing_.changed.clear();
    writing_.failures.clear();
    writing_.deliveries.clear();
    pending_.deleted.swap(writing_.deleted);
    pending_.changed.swap(writing_.changed);
    pending_.failures.swap(writing_.failures);
    if (pending_bytes_ <= kResponseBytes) {
      pending_.deliveries.swap(writing_.deliveries);
      pending_bytes_ = 0;
      return true;
    }
    size_t bytes = 0;
    while (bytes < kResponseBytes && !pending_.deliveries.empty()) {
      bytes += engine::ContentBytes(*pending_.deliveries.front().message.content);
      writing_.deliveries.push_back(std::move(pending_.deliveries.front()));
      pending_.deliveries.pop_front();
    }
    pending_bytes_ -= bytes;
    return true;
  }

  void Encode(v1::ConsumeResponse& response) override {
    response.mutable_deliveries()->Reserve(static_cast<int>(writing_.deliveries.size()));
    for (const Pending& pending : writing_.deliveries) {
      v1::Delivery& delivery = *response.add_deliveries();
      delivery.set_delivery_id(pending.id);
      v1::ReceivedMessage& message = *delivery.mutable_message();
      DecodeMessage(pending.message, start_.message_attribute_names(), account(), message, digests_);
      if (start_.with_receipt_handles()) {
        message.set_receipt_handle(
            FormatReceiptHandle({info_->address.shard,
                                 info_->address.partition,
                                 {pending.message.seq, pending.message.receive_count}}));
      }
    }
    response.mutable_deleted()->Add(writing_.deleted.begin(), writing_.deleted.end());
    response.mutable_changed()->Add(writing_.changed.begin(), writing_.changed.end());
    for (const auto& [id, status] : writing_.failures) {
      v1::ConsumeFailure& failure = *response.add_failures();
      failure.set_delivery_id(id);
      FillStreamFailure(status, *failure.mutable_failure());
    }
  }

  void OnEnding() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (pause_ != nullptr) pause_->Cancel();
    // What was not written goes back with the rest.
    pending_.deliveries.clear();
    pending_bytes_ = 0;
    to_release_ = table_.TakeHeld();
  }

  const std::string& account() const { return info_->record.name.account; }
  engine::ShardHandle Shard() const { return context_.engine.shard(info_->address.shard); }

  Context& context_;
  const std::string consumer_;

  // Set by the first request, before there is credit; constant afterwards.
  StreamQueue queue_;
  engine::QueueInfoPtr info_;  // its attributes may be old, its address is not
  v1::ConsumeStart start_;
  std::optional<absl::Duration> visibility_timeout_;
  Digests digests_ = Digests::kComputed;

  DeliveryTable table_ ABSL_GUARDED_BY(mu_);
  int64_t credit_ ABSL_GUARDED_BY(mu_) = 0;
  ReceivePhase receive_ ABSL_GUARDED_BY(mu_) = ReceivePhase::kIdle;
  core::RequestId receive_id_ ABSL_GUARDED_BY(mu_);  // 0: cannot be cancelled (not known yet, or was)
  int64_t answered_number_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t message_bytes_ ABSL_GUARDED_BY(mu_) = kMessageBytesAtFirst;  // what the next ones may have
  absl::Duration pause_for_ ABSL_GUARDED_BY(mu_) = kPauseMin;
  std::unique_ptr<grpc::Alarm> pause_ ABSL_GUARDED_BY(mu_);
  Answers pending_ ABSL_GUARDED_BY(mu_);
  size_t pending_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // of its deliveries
  size_t unanswered_ ABSL_GUARDED_BY(mu_) = 0;     // deletes and changes in the shard
  std::vector<core::Receipt> to_release_ ABSL_GUARDED_BY(mu_);

  // Touched by whoever works, one at a time.
  Task task_ = Task::kNone;
  int64_t ask_ = 0;
  int64_t receive_number_ = 0;
  core::RequestId cancelling_;
  std::vector<core::Receipt> releasing_;
  // Touched by whoever writes.
  Answers writing_;
};

}  // namespace

grpc::ServerBidiReactor<v1::ConsumeRequest, v1::ConsumeResponse>* Consume(
    Context& context, grpc::CallbackServerContext* grpc_context) {
  auto* call = new ConsumeCall(context, grpc_context);
  call->Start();
  return call;
}

}  // namespace weir::queue::api
