// Moves messages out of one partition whose shard is served here, a lot at a time: TakeForRedrive, then a transfer for each message.
//
// Belongs to one thread, which starts a count or a lot and is woken at its end; nothing blocks. What it started ends by itself, on the
// shards' threads, also when this is gone by then.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/queue/core/types.h"
#include "services/queue/engine/shard_engine.h"
#include "services/queue/engine/transfers.h"

namespace weir::queue::engine {

class MoveLots {
 public:
  // References must outlive this. `wake` is called when a count or a lot has ended, on any thread; it must not block, and may be called
  // after this is gone. REQUIRES: no other moves messages out of the partition.
  MoveLots(Transfers& transfers, ShardEngine& shard, core::PartitionId partition,
           std::string destination_arn, std::function<void()> wake);
  ~MoveLots();
  MoveLots(const MoveLots&) = delete;
  MoveLots& operator=(const MoveLots&) = delete;

  // Something that was started has not ended.
  bool busy() const;
  // Messages that have moved so far.
  int64_t moved() const;

  // REQUIRES for both: not busy.
  void StartCount();
  void StartLot(core::ConfigPtr config, int32_t limit);

  struct Ended {
    bool counted = false;                // it was a count, not a lot
    absl::StatusOr<int64_t> answer = 0;  // ready messages; or how many were taken
    absl::Status failure;                // why the first of those that did not move did not
  };
  // What ended since the last call, once. REQUIRES: not busy.
  std::optional<Ended> TakeEnded();

 private:
  struct State;

  Transfers& transfers_;
  ShardEngine& shard_;
  const core::PartitionId partition_;
  const std::shared_ptr<State> state_;
};

}  // namespace weir::queue::engine
