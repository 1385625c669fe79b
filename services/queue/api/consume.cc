// Consume: a stream of messages out of a queue.
//
// As long as there is credit, one receive waits in the shard of each of the queue's partitions; what it brings is pushed, and the next
// one is sent (receive_lanes.h says which and for how much). No receive is sent while much of what came is not written yet, so a client
// that does not read holds back no more than a reply's worth of memory. A receive that fails for a reason that will pass (its shard is
// away, the queue is full in flight) is sent again after a pause; the other partitions go on meanwhile.
//
// The deletes of a request are one command to each shard that has some of the messages, and so are its changes. When the stream ends
// in whatever way, the receives are cancelled, and what the client holds is released in one command to each partition.
#include <grpcpp/alarm.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/grpcx/peer.h"
#include "libs/grpcx/stream_call.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/delivery_table.h"
#include "services/queue/api/message_codec.h"
#include "services/queue/api/receipt_handle.h"
#include "services/queue/api/receive_lanes.h"
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
// What a message is taken to have before one has come.
constexpr int64_t kMessageBytesAtFirst = 256 << 10;
// With so much waiting to be written, no further receive.
constexpr size_t kPendingBytesMax = 1 << 20;
// One response; the largest that a client takes by default is 4 MiB.
constexpr size_t kResponseBytes = 2 << 20;

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
        queue_(context),
        watcher_(std::make_shared<Watcher>(*this)) {}

  ~ConsumeCall() override {
    watcher_->Detach();
    if (info_ != nullptr) context_.engine.partition_watch().Remove(info_->record.id, watcher_.get());
  }

 private:
  struct Pending {
    int64_t id = 0;
    size_t partition = 0;
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
  // What a request wants of its deliveries out of one partition.
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
  template <typename Part>
  using ByPartition = absl::btree_map<size_t, Part>;

  // The stream's side of a partition.
  struct Lane {
    core::PartitionAddress address;
    core::RequestId receive;  // 0: cannot be cancelled (not known yet, or was)
    int64_t answered_number = 0;
    std::unique_ptr<grpc::Alarm> pause;
    int64_t receive_number = 0;  // touched by whoever works
  };
  enum class Task { kNone, kReceive, kCancel, kRelease };

  // Outlives the stream, which others may be about to tell of its queue.
  class Watcher final : public engine::PartitionWatcher {
   public:
    explicit Watcher(ConsumeCall& call) : call_(&call) {}
    void AddPartitions(const std::vector<core::PartitionAddress>& partitions) override {
      ConsumeCall* call = nullptr;
      {
        MutexLock lock(&mu_);
        if (call_ == nullptr || !call_->BeginIfOpen()) return;
        call = call_;
      }
      // It lives until this has settled.
      call->Settle([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(call->mu_) { call->Grow(partitions); });
    }
    void Detach() {
      MutexLock lock(&mu_);
      call_ = nullptr;
    }

   private:
    Mutex mu_;
    ConsumeCall* call_ ABSL_GUARDED_BY(mu_);
  };

  bool BeginIfOpen() {
    MutexLock lock(&mu_);
    if (ending()) return false;
    BeginOperation();
    return true;
  }

  void Grow(const std::vector<core::PartitionAddress>& partitions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (size_t i = partitions_.size(); i < partitions.size(); ++i) {
      partitions_.push_back(Lane{.address = partitions[i]});
    }
    lanes_.Grow(partitions_.size());
  }

  // ---- Requests ----

  bool PutOff(const v1::ConsumeRequest& request, std::function<void()> go_on) override {
    return queue_.AwaitUnknown(request.has_start(), request.start().queue(), std::move(go_on));
  }
  void OnRequest(v1::ConsumeRequest& request) override {
    ByPartition<Deletes> deletes;
    ByPartition<Changes> changes;
    absl::Status status = Prepare(request);
    {
      MutexLock lock(&mu_);
      if (status.ok() && !ending()) {
        if (request.has_start()) Grow(info_->record.partitions);
        TakeDeletes(request, deletes);
        TakeChanges(request, changes);
        status = AddCredit(request.add_credit());
      }
      if (!status.ok()) EndLocked(status);
      // Also when the stream ends: what was asked for before is done.
      for (const auto& [partition, part] : deletes) {
        unanswered_ += part.ids.size();
        BeginOperation();
      }
      for (const auto& [partition, part] : changes) {
        unanswered_ += part.changes.size();
        BeginOperation();
      }
    }
    for (auto& [partition, part] : deletes) Submit(AddressOf(partition), std::move(part));
    for (auto& [partition, part] : changes) Submit(AddressOf(partition), std::move(part));
  }

  core::PartitionAddress AddressOf(size_t partition) {
    MutexLock lock(&mu_);
    return partitions_[partition].address;
  }

  absl::Status Prepare(v1::ConsumeRequest& request) {
    WEIR_RETURN_IF_ERROR(queue_.OnStart(request.has_start(), request.start().queue()));
    WEIR_ASSIGN_OR_RETURN(engine::QueueInfoPtr queue, queue_.Find());
    if (request.has_start()) {
      info_ = std::move(queue);
      context_.engine.partition_watch().Add(info_->record.id, watcher_);
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

  void TakeDeletes(const v1::ConsumeRequest& request, ByPartition<Deletes>& deletes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (const int64_t id : request.delete_()) {
      const std::optional<Delivered> delivered = table_.Find(id);
      if (!delivered.has_value()) {
        Fail(id, NotADelivery(id));
        continue;
      }
      table_.Settle(id);
      Deletes& part = deletes[delivered->partition];
      part.command.receipts.push_back(delivered->receipt);
      part.ids.push_back(id);
    }
  }

  void TakeChanges(const v1::ConsumeRequest& request, ByPartition<Changes>& changes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (const v1::ConsumeChange& change : request.change_visibility()) {
      const int64_t id = change.delivery_id();
      const auto timeout =
          CheckNewVisibility(change.has_visibility_timeout(), change.visibility_timeout());
      const std::optional<Delivered> delivered = table_.Find(id);
      if (!timeout.ok() || !delivered.has_value()) {
        Fail(id, timeout.ok() ? NotADelivery(id) : timeout.status());
        continue;
      }
      const bool give_back = change.give_back() || *timeout == absl::ZeroDuration();
      if (give_back) table_.Settle(id);
      Changes& part = changes[delivered->partition];
      part.command.entries.push_back({delivered->receipt, *timeout});
      part.changes.push_back({id, give_back});
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
  void Submit(const core::PartitionAddress& address, Deletes deletes) {
    deletes.command.partition = address.partition;
    auto ids = std::make_shared<std::vector<int64_t>>(std::move(deletes.ids));
    const absl::Status submitted = context_.engine.shard(address.shard)
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
  void Submit(const core::PartitionAddress& address, Changes changes) {
    changes.command.partition = address.partition;
    auto list = std::make_shared<std::vector<Changes::Change>>(std::move(changes.changes));
    const absl::Status submitted =
        context_.engine.shard(address.shard)
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
    if (const auto delivered = table_.Find(id)) to_release_.push_back(*delivered);
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
      for (Lane& lane : partitions_) {
        if (lane.receive == core::RequestId()) continue;
        cancelling_ = {lane.address, std::exchange(lane.receive, core::RequestId())};
        return Task::kCancel;
      }
      return Task::kNone;
    }
    if (pending_bytes_ >= kPendingBytesMax) return Task::kNone;
    const std::optional<ReceiveLanes::Ask> ask = lanes_.Begin(credit_, message_bytes_);
    if (!ask.has_value()) return Task::kNone;
    ask_ = *ask;
    lane_ = &partitions_[ask_.lane];
    BeginOperation();
    return Task::kReceive;
  }

  void Work() override {
    switch (task_) {
      case Task::kReceive:
        return SubmitReceive();
      case Task::kCancel:
        context_.engine.shard(cancelling_.first.shard).Cancel(cancelling_.first.partition, cancelling_.second);
        return;
      case Task::kRelease:
        return Release();
      case Task::kNone:
        return;
    }
  }

  void Release() {
    ByPartition<core::ReleaseLease> releases;
    for (const auto& [partition, receipt] : releasing_) releases[partition].receipts.push_back(receipt);
    releasing_.clear();
    for (auto& [partition, release] : releases) {
      const core::PartitionAddress address = AddressOf(partition);
      release.partition = address.partition;
      // Refused only by a shard that is lost or stopping: then they come back when their time is over.
      (void)context_.engine.shard(address.shard).SubmitInternal(std::move(release), nullptr);
    }
  }

  // Ends in OnReceived.
  void SubmitReceive() {
    absl::StatusOr<engine::QueueInfoPtr> queue = queue_.Find();
    if (!queue.ok()) {
      OnReceived(ask_.lane, queue.status());
      return;
    }
    core::Receive receive{.partition = lane_->address.partition,
                          .config = (*queue)->config,
                          .max_messages = static_cast<int32_t>(ask_.messages),
                          .visibility_timeout = visibility_timeout_,
                          .consumer = consumer_};
    if (ask_.wait > absl::ZeroDuration()) receive.wait_until = context_.engine.Now() + ask_.wait;
    const size_t lane = ask_.lane;
    const int64_t number = ++lane_->receive_number;
    const absl::StatusOr<core::RequestId> submitted = context_.engine.shard(lane_->address.shard).Submit(
        std::move(receive), [this, lane, number](core::Reply reply) {
          return OnReceived(lane, TakeReply<core::ReceiveReply>(std::move(reply)), number);
        });
    if (!submitted.ok()) {
      OnReceived(lane, submitted.status());
      return;
    }
    MutexLock lock(&mu_);
    // The reply may have come already; then no other receive has begun, since this thread begins them.
    if (lane_->answered_number != number) lane_->receive = *submitted;
    // What came between the stream's first look and its watch.
    Grow((*queue)->record.partitions);
  }

  // False: nobody takes the messages.
  bool OnReceived(size_t lane, absl::StatusOr<core::ReceiveReply> reply, int64_t number = 0) {
    bool taken = true;
    Settle([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      partitions_[lane].receive = core::RequestId();
      partitions_[lane].answered_number = number;
      taken = !ending();
      if (ending()) return;
      if (!reply.ok()) return OnReceiveFailed(lane, reply.status());
      lanes_.End(lane, reply->messages.size());
      Accept(lane, *std::move(reply));
    });
    return taken;
  }

  void Accept(size_t lane, core::ReceiveReply reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (reply.messages.empty()) return;
    size_t largest = 0;
    for (core::ReceivedMessage& message : reply.messages) {
      const size_t bytes = engine::ContentBytes(*message.content);
      largest = std::max(largest, bytes);
      pending_bytes_ += bytes;
      const int64_t id = table_.Push({lane, {message.seq, message.receive_count}});
      pending_.deliveries.push_back({id, lane, std::move(message)});
    }
    credit_ -= static_cast<int64_t>(reply.messages.size());
    metrics().Carried(reply.messages.size());
    // Up at once, down by halves.
    const auto newest = static_cast<int64_t>(largest);
    message_bytes_ = std::max(newest, (message_bytes_ + newest) / 2);
  }

  void OnReceiveFailed(size_t lane, const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!WillPass(ReasonOf(status))) return EndLocked(status);
    const absl::Duration pause = lanes_.Pause(lane);
    BeginOperation();
    partitions_[lane].pause = std::make_unique<grpc::Alarm>();
    partitions_[lane].pause->Set(absl::ToChronoTime(absl::Now() + pause), [this, lane](bool) {
      Settle([this, lane]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { lanes_.Resume(lane); });
    });
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
        const core::PartitionAddress address = AddressOf(pending.partition);
        message.set_receipt_handle(
            FormatReceiptHandle({address.shard,
                                 address.partition,
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
    for (const Lane& lane : partitions_) {
      if (lane.pause != nullptr) lane.pause->Cancel();
    }
    // What was not written goes back with the rest.
    pending_.deliveries.clear();
    pending_bytes_ = 0;
    to_release_ = table_.TakeHeld();
  }

  const std::string& account() const { return info_->record.name.account; }

  Context& context_;
  const std::string consumer_;

  // Set by the first request, before there is credit; constant afterwards.
  StreamQueue queue_;
  engine::QueueInfoPtr info_;  // may be old
  v1::ConsumeStart start_;
  std::optional<absl::Duration> visibility_timeout_;
  Digests digests_ = Digests::kComputed;
  const std::shared_ptr<Watcher> watcher_;

  // Those of the queue, in its order; it only grows, and what is there stays where it is.
  std::deque<Lane> partitions_ ABSL_GUARDED_BY(mu_);
  ReceiveLanes lanes_ ABSL_GUARDED_BY(mu_);
  DeliveryTable table_ ABSL_GUARDED_BY(mu_);
  int64_t credit_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t message_bytes_ ABSL_GUARDED_BY(mu_) = kMessageBytesAtFirst;  // what the next ones may have
  Answers pending_ ABSL_GUARDED_BY(mu_);
  size_t pending_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // of its deliveries
  size_t unanswered_ ABSL_GUARDED_BY(mu_) = 0;     // deletes and changes in the shards
  std::vector<Delivered> to_release_ ABSL_GUARDED_BY(mu_);

  // Touched by whoever works, one at a time.
  Task task_ = Task::kNone;
  ReceiveLanes::Ask ask_;
  Lane* lane_ = nullptr;  // of ask_
  std::pair<core::PartitionAddress, core::RequestId> cancelling_;
  std::vector<Delivered> releasing_;
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
