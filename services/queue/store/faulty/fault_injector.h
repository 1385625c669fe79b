// Decides which calls to a store go wrong, and how. The wrappers in faulty_queue_store.h ask it at every call.
//
// Two sources, the first wins:
//   scripts   "the next append is written but reported in doubt": for tests about one fault;
//   chances   random faults from a seed: for tests that run long. Each stream (a shard's log; the leases; the registry; the move tasks) draws from
//             its own generator, so a stream's faults depend on the seed and its own calls, not on how threads interleave.
// Without either, nothing goes wrong.
//
// Thread-safe. Must outlive the stores and logs that use it.
#pragma once

#include <cstdint>
#include <deque>
#include <random>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/mutex.h"

namespace weir::queue::store {

enum class AppendFault {
  kNone,
  kRejected,           // not written, and the log says so
  kInDoubtWritten,     // written, but we are told that it is unknown
  kInDoubtNotWritten,  // not written, and we are told that it is unknown
  kFenced,             // not written; as if another replica had taken the shard
};

enum class CallFault {
  kNone,
  kFailed,         // not done, and UNAVAILABLE is the answer
  kDoneButFailed,  // done, but UNAVAILABLE is the answer; for a read the same as kFailed
};

enum class FaultPoint {
  kOpen,      // ShardLog::Open
  kRead,      // every read of a log
  kSegment,   // StartSegment, DropSegment
  kLease,     // every call of a LeaseStore
  kRegistry,  // every call of a RegistryStore
  kMoveTasks,  // every call of a MoveTaskStore
};

// 0 to 1 each; the chances of appends are added up.
struct FaultChances {
  double rejected = 0;
  double in_doubt_written = 0;
  double in_doubt_not_written = 0;
  double fenced = 0;
  double open = 0;
  double read = 0;
  double segment = 0;  // half of them done
  double lease = 0;    // half of them done
  double registry = 0;  // half of them done
  double move_tasks = 0;  // half of them done
  // An append that takes so long before it is told its outcome.
  double slow = 0;
  absl::Duration slow_time = absl::Milliseconds(5);
};

class FaultInjector {
 public:
  explicit FaultInjector(uint64_t seed = 0, FaultChances chances = {});

  // The next appends (of any log) end so, in this order; kNone lets one pass.
  void ScriptAppends(absl::Span<const AppendFault> faults);
  // The same for the next calls at `point`.
  void ScriptCalls(FaultPoint point, absl::Span<const CallFault> faults);
  // From now on nothing goes wrong any more; held appends go on.
  void Heal();
  void SetChances(const FaultChances& chances);

  // Makes FinishAppend wait, as a slow commit does, until Resume. The batch is written (or not) before the wait.
  void HoldAppends();
  void ResumeAppends();
  // Waits until some append is held.
  void AwaitHeldAppend();

  // How many faults were injected so far.
  int64_t injected() const;

  // For the wrappers. `stream` names whose call it is.
  AppendFault NextAppend(int64_t stream);
  CallFault NextCall(FaultPoint point, int64_t stream);
  // Blocks while appends are held, and for slow ones.
  void Delay(int64_t stream);

 private:
  std::mt19937_64& Generator(int64_t stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  double Draw(int64_t stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  AppendFault DrawAppend(int64_t stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  double ChanceOf(FaultPoint point) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const uint64_t seed_;
  mutable Mutex mu_;
  FaultChances chances_ ABSL_GUARDED_BY(mu_);
  std::deque<AppendFault> append_script_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<FaultPoint, std::deque<CallFault>> call_scripts_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<int64_t, std::mt19937_64> generators_ ABSL_GUARDED_BY(mu_);
  bool hold_ ABSL_GUARDED_BY(mu_) = false;
  int held_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t injected_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace weir::queue::store
