// Redrive: moves the messages of a dead-letter queue back to where they came from, or to a queue of choice.
//
// The store keeps the tasks (store/move_task_store.h): any replica starts, lists and cancels them there. A task has a part for each
// partition of its source; the replica that serves the partition's shard claims the part and runs it, all parts by one thread:
//
//     claim ──► count what is ready ──► note it ──► lot, pause, lot, … ──► all that were counted, none ready, or cancelled ──► end
//                                                   └── about once a second: note how many have moved
//
// So a task survives its owner. After a crash the next one resumes with what was noted: the messages that the last second moved have
// moved, none is lost or doubled (transfers.h), but they are not counted, so as many more may be moved than the queue held when the
// task began. That bound is there so that messages which fail again meanwhile do not go round for ever, and needs no more precision.
// An owner that ends in order notes the exact count.
//
// The thread looks at the store every second while something runs here, else once a period, and when hinted: a shard begins or ceases
// to be served here, a task was started or cancelled here or, as peers tell by an announcement, elsewhere.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/queue/engine/registry.h"
#include "services/queue/engine/shard_router.h"
#include "services/queue/engine/transfers.h"
#include "services/queue/store/move_task_store.h"

namespace weir::queue::engine {

class MoveTasks {
 public:
  struct Options {
    absl::Duration period = absl::Seconds(2);  // between looks at the store when nothing runs here
    std::function<void()> tell_peers;          // tasks have changed; must not block
  };
  // References must outlive this.
  MoveTasks(Options options, store::MoveTaskStore& store, Registry& registry, Transfers& transfers,
            ShardRouter& shards, const Clock& clock);
  ~MoveTasks();  // stops

  // Begins to run parts. What follows below works without, too.
  void Start();
  // Starts no more lots, waits for those under way and notes what they moved; other replicas, or the next start, go on from there. May
  // be called twice, and without Start.
  void Stop();

  // The id of the new task, which is durable. MOVE_TASK_ALREADY_RUNNING. That the queues fit together is the caller's to check.
  absl::StatusOr<std::string> StartTask(const QueueInfo& source, absl::string_view destination_arn,
                                        int32_t max_messages_per_second, absl::Time deadline);
  // The newest first, at most `limit`. Counts are about a second old at most.
  absl::StatusOr<std::vector<store::MoveTaskRecord>> List(const QueueInfo& source, size_t limit,
                                                          absl::Time deadline);
  // A task of that source. Answers how many were moved so far. MOVE_TASK_DOES_NOT_EXIST or MOVE_TASK_NOT_RUNNING.
  absl::StatusOr<int64_t> Cancel(absl::string_view id, absl::string_view source_arn, absl::Time deadline);

  // The store may have something to do for this replica. Never blocks.
  void Hint();

 private:
  struct Part;
  // What wakes the thread. Lots keep it alive, because they may end after this.
  struct Signal {
    Mutex mu;
    bool woken ABSL_GUARDED_BY(mu) = false;
    bool look ABSL_GUARDED_BY(mu) = true;  // at the store
    bool stopping ABSL_GUARDED_BY(mu) = false;
  };

  // All of the following is the thread's own. Times are of the monotonic clock.
  void Run();
  // Ends lots and notes, as far as that goes within seconds.
  void Drain();
  // Finds out what there is to run here. Answers when to look again.
  absl::Duration Look(absl::Duration now);
  void Adjust(Part& part, const std::vector<store::MoveTaskRecord>& active);
  // False: the store was away.
  bool Claim(const store::MoveTaskRecord& task, const store::MoveTaskPart& part);
  // Answers when there is something to do again, beside the end of what it started.
  absl::Duration Step(Part& part, absl::Duration now);
  void TakeEnded(Part& part, absl::Duration now);
  // Something did not work: decides whether it is tried again.
  void Trouble(Part& part, const absl::Status& why, absl::Duration now);
  void Fail(Part& part, absl::Duration now);
  // Tells the store what is due. Answers when the next is.
  absl::Duration Note(absl::Duration now, bool all);
  void TakeNoted(const std::vector<Part*>& parts, const std::vector<store::MoveProgress>& moves,
                 const std::vector<bool>& noted);
  void DropEnded();
  absl::Time StoreDeadline() const;

  // Constant after construction.
  const Options options_;
  store::MoveTaskStore& store_;
  Registry& registry_;
  Transfers& transfers_;
  ShardRouter& shards_;
  const Clock& clock_;
  const std::shared_ptr<Signal> signal_;

  // The thread's.
  std::map<core::PartitionId, std::unique_ptr<Part>> parts_;
  absl::Duration next_look_ = -absl::InfiniteDuration();
  absl::Duration next_note_ = -absl::InfiniteDuration();
  bool store_away_ = false;  // then also what is urgent waits for next_note_

  std::thread thread_;
};

}  // namespace weir::queue::engine
