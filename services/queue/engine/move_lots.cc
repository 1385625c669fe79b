#include "services/queue/engine/move_lots.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "libs/base/error.h"
#include "libs/base/mutex.h"
#include "services/queue/core/command.h"
#include "services/queue/engine/shard_query.h"

namespace weir::queue::engine {

struct MoveLots::State {
  explicit State(std::function<void()> wake) : wake(std::move(wake)) {}

  bool Busy() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) { return asked || under_way > 0; }
  void Start(bool count) {
    MutexLock lock(&mu);
    asked = true;
    under_way = 0;
    ended = Ended{.counted = count};
  }
  // `under_way` more messages are on the move.
  void Answer(absl::StatusOr<int64_t> answer, int64_t messages) {
    {
      MutexLock lock(&mu);
      asked = false;
      under_way += messages;
      ended->answer = std::move(answer);
      if (Busy()) return;
    }
    wake();
  }
  void Report(const absl::Status& outcome) {
    {
      MutexLock lock(&mu);
      --under_way;
      if (outcome.ok()) {
        ++moved;
      } else if (ended.has_value() && ended->failure.ok()) {
        ended->failure = outcome;
      }
      if (Busy()) return;
    }
    wake();
  }

  const std::function<void()> wake;
  mutable Mutex mu;
  bool asked ABSL_GUARDED_BY(mu) = false;  // no answer yet
  // Taken and not reported. Reports may come before the answer, so below zero for a moment.
  int64_t under_way ABSL_GUARDED_BY(mu) = 0;
  std::optional<Ended> ended ABSL_GUARDED_BY(mu);
  int64_t moved ABSL_GUARDED_BY(mu) = 0;
};

MoveLots::MoveLots(Transfers& transfers, ShardEngine& shard, core::PartitionId partition,
                   std::string destination_arn, std::function<void()> wake)
    : transfers_(transfers),
      shard_(shard),
      partition_(partition),
      state_(std::make_shared<State>(std::move(wake))) {
  transfers_.AddRedrive(partition, {std::move(destination_arn), [state = state_](const absl::Status& outcome) {
                                      state->Report(outcome);
                                    }});
}

MoveLots::~MoveLots() {
  // Messages that a lot still takes must find their destination.
  if (!busy()) transfers_.RemoveRedrive(partition_);
}

bool MoveLots::busy() const {
  MutexLock lock(&state_->mu);
  return state_->Busy();
}

int64_t MoveLots::moved() const {
  MutexLock lock(&state_->mu);
  return state_->moved;
}

void MoveLots::StartCount() {
  state_->Start(/*count=*/true);
  shard_.Ask(StatsQuery{{partition_}}, [state = state_](absl::StatusOr<ShardAnswer> answer) {
    if (!answer.ok()) return state->Answer(answer.status(), 0);
    state->Answer(std::get<StatsAnswer>(*answer).stats.at(0).ready, 0);
  });
}

void MoveLots::StartLot(core::ConfigPtr config, int32_t limit) {
  state_->Start(/*count=*/false);
  const auto submitted = shard_.SubmitInternal(
      core::TakeForRedrive{partition_, std::move(config), limit}, [state = state_](const core::Reply& reply) {
        if (const auto* take = std::get_if<core::TakeReply>(&reply)) {
          state->Answer(take->taken, take->taken);
        } else if (const auto* status = std::get_if<absl::Status>(&reply)) {
          state->Answer(*status, 0);
        } else {  // A shard that stops ends what is parked as if it were a long poll.
          state->Answer(MakeError(ErrorReason::kShuttingDown, "The shard is stopping."), 0);
        }
        return true;
      });
  if (!submitted.ok()) state_->Answer(submitted.status(), 0);
}

std::optional<MoveLots::Ended> MoveLots::TakeEnded() {
  MutexLock lock(&state_->mu);
  return std::exchange(state_->ended, std::nullopt);
}

}  // namespace weir::queue::engine
