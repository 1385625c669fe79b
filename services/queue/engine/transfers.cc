#include "services/queue/engine/transfers.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"
#include "services/queue/engine/partitioning.h"

namespace weir::queue::engine {
namespace {

// How long a dead letter waits for its queue's shard to come back: about as long as reading a shard takes.
constexpr absl::Duration kDeadLetterRetry = absl::Seconds(1);

// OK when the shard carried the command out.
absl::Status OutcomeOf(const core::Reply& reply) {
  const auto* status = std::get_if<absl::Status>(&reply);
  return status == nullptr ? absl::OkStatus() : *status;
}

}  // namespace

struct Transfers::Job {
  core::ShardId source_shard;
  core::PartitionId source;
  core::MessageSeq seq;
  bool is_redrive = false;
  core::PartitionAddress destination;
};

void Transfers::AddRedrive(core::PartitionId source, Redrive redrive) {
  MutexLock lock(&mu_);
  redrives_[source] = std::move(redrive);
}

void Transfers::RemoveRedrive(core::PartitionId source) {
  MutexLock lock(&mu_);
  redrives_.erase(source);
}

void Transfers::Start(core::ShardId source, const core::Transfer& transfer,
                      core::ContentPtr content) {
  Job job{.source_shard = source,
          .source = transfer.source,
          .seq = transfer.meta.seq,
          .is_redrive = !transfer.destination.has_value()};
  absl::StatusOr<core::AcceptTransfer> accept = Prepare(source, transfer, *content, job.destination);
  if (!accept.ok()) {
    Abort(job, accept.status());
  } else if (job.destination.shard == source) {
    MoveWithin(job, *std::move(accept));
  } else {
    MoveAcross(job, *std::move(accept));
  }
}

absl::StatusOr<core::AcceptTransfer> Transfers::Prepare(core::ShardId source_shard,
                                                        const core::Transfer& transfer,
                                                        const core::MessageContent& content,
                                                        core::PartitionAddress& destination) const {
  auto moved = std::make_shared<core::MessageContent>(content);
  core::AcceptTransfer accept;
  accept.transfer = {transfer.source, transfer.meta.seq};
  QueueInfoPtr target;
  if (transfer.destination.has_value()) {
    const QueueInfoPtr source = registry_.FindByPartition(transfer.source);
    target = registry_.FindByPartition(transfer.destination->partition);
    if (source != nullptr) moved->dead_letter_source_arn = source->arn;
    accept.sent_at = transfer.meta.sent_at;
    accept.receive_count = transfer.meta.receive_count;
  } else {
    std::string arn;
    {
      MutexLock lock(&mu_);
      const auto it = redrives_.find(transfer.source);
      if (it == redrives_.end()) {
        return MakeError(ErrorReason::kConcurrentModification, "No redrive of that queue runs here any more.");
      }
      arn = it->second.destination_arn;
    }
    if (arn.empty()) arn = content.dead_letter_source_arn;
    if (arn.empty()) {
      return MakeError(ErrorReason::kInvalidParameterValue,
                       absl::StrCat("Message ", content.message_id,
                                    " was not dead-lettered, so it has no source queue to go back "
                                    "to; name a destination."));
    }
    target = registry_.FindByArn(arn);
    if (target == nullptr) {
      return MakeError(ErrorReason::kQueueDoesNotExist,
                       absl::StrCat("The destination queue, ", arn, ", does not exist."));
    }
    // A redriven message counts as new: its retention and its receive count start again, by the store's clock, which all shards have.
    moved->dead_letter_source_arn.clear();
    accept.sent_at = shards_.local(source_shard).Now();
    accept.receive_count = 0;
  }
  if (target == nullptr) {
    return MakeError(ErrorReason::kQueueDoesNotExist, "The destination queue does not exist.");
  }
  destination = PartitionOfTransfer(target->record, source_shard, accept.transfer, content.message_group_id);
  accept.partition = destination.partition;
  accept.config = target->config;
  accept.content = std::move(moved);
  return accept;
}

void Transfers::MoveWithin(const Job& job, core::AcceptTransfer accept) {
  const auto submitted = shards_.local(job.source_shard)
                             .SubmitInternal(core::MoveWithinShard{job.source, std::move(accept)},
                                             [this, job](core::Reply reply) {
                                               const absl::Status outcome = OutcomeOf(reply);
                                               if (outcome.ok()) {
                                                 Report(job, outcome);
                                               } else {
                                                 Abort(job, outcome);
                                               }
                                               return true;
                                             });
  if (!submitted.ok()) Report(job, submitted.status());
}

void Transfers::MoveAcross(const Job& job, core::AcceptTransfer accept) {
  const core::TransferId transfer = accept.transfer;
  const auto on_finished = [this, job, transfer](core::Reply reply) {
    const absl::Status outcome = OutcomeOf(reply);
    Report(job, outcome);
    if (outcome.ok()) {
      // Refused: the destination is being read anew and will remember the transfer until its message's retention ends.
      (void)ShardHandle(shards_, job.destination.shard)
          .SubmitInternal(core::ForgetTransfer{job.destination.partition, transfer}, nullptr);
    }
    return true;
  };
  const auto on_accepted = [this, job, on_finished](core::Reply reply) {
    const absl::Status outcome = OutcomeOf(reply);
    if (!outcome.ok()) {
      Abort(job, outcome);
      return true;
    }
    const auto submitted =
        shards_.local(job.source_shard)
            .SubmitInternal(core::FinishTransfer{job.source, job.seq}, on_finished);
    if (!submitted.ok()) Report(job, submitted.status());
    return true;
  };
  const auto submitted =
      ShardHandle(shards_, job.destination.shard).SubmitInternal(std::move(accept), on_accepted);
  if (!submitted.ok()) Abort(job, submitted.status());
}

void Transfers::Abort(const Job& job, const absl::Status& why) {
  if (!job.is_redrive) {
    observe::Log(observe::Level::kWarning, "dead-lettering put off",
                 {{"partition", absl::StrCat(job.source.value())},
                  {"seq", absl::StrCat(job.seq.value())},
                  {"error", why.ToString()}});
  }
  // Refused: the source is being read anew, and finds the message where it was.
  core::AbortTransfer abort{.partition = job.source, .seq = job.seq};
  if (absl::IsUnavailable(why)) abort.retry_after = kDeadLetterRetry;
  (void)shards_.local(job.source_shard).SubmitInternal(abort, nullptr);
  Report(job, why);
}

void Transfers::Report(const Job& job, const absl::Status& outcome) {
  if (!job.is_redrive) return;
  RedriveListener listener;
  {
    MutexLock lock(&mu_);
    const auto it = redrives_.find(job.source);
    if (it == redrives_.end()) return;
    listener = it->second.listener;
  }
  listener(outcome);
}

}  // namespace weir::queue::engine
