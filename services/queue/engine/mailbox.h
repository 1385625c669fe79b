// The bounded queue of commands in front of a shard's thread.
//
// Many threads put, one takes. Putting never blocks: a full mailbox refuses at once, so that the caller can be told to slow down.
// Taking gets everything that is there, in order: that is the next group of the group commit.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/queue/core/command.h"
#include "services/queue/core/decision.h"

namespace weir::queue::engine {

// Takes the reply to one request; called exactly once, on the shard's thread, so it must not block. False: the client is gone
// and did not get it, so what was leased for it is released.
using ReplySink = absl::AnyInvocable<bool(core::Reply)>;

struct Mail {
  core::RequestId request;
  core::Command command;
  ReplySink sink;  // null: nobody waits for a reply
  size_t bytes = 0;
  bool from_peer = false;  // another replica submitted it for a client of its own
};

class Mailbox {
 public:
  // Waits are measured by `clock`'s monotonic time. It must outlive the mailbox.
  Mailbox(size_t items_max, size_t bytes_max, const Clock& clock = SystemClock())
      : items_max_(items_max), bytes_max_(bytes_max), clock_(clock) {}

  enum class PutResult { kOk, kFull, kClosed };
  // On anything but kOk `mail` is left as it was.
  PutResult Put(Mail& mail);
  // For the engine's own commands (releases, ends of transfers): never full.
  PutResult PutInternal(Mail& mail);

  // Waits until there is mail, `timeout` has passed or Wake was called; then moves out up to `items_max` items of at most
  // `bytes_max` bytes (at least one if there is any).
  std::vector<Mail> Take(absl::Duration timeout, size_t items_max, size_t bytes_max);
  // Ends a Take that waits, or the next one.
  void Wake();

  // What waits: how much, and for how long at most.
  struct Waiting {
    size_t items = 0;
    absl::Duration oldest;
  };
  Waiting Look();

  // A closed mailbox refuses mail. Closing gives out what was in it.
  void Open();
  std::vector<Mail> Close();

 private:
  PutResult PutLocked(Mail& mail) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const size_t items_max_;
  const size_t bytes_max_;
  const Clock& clock_;
  Mutex mu_;
  CondVar arrived_;
  std::vector<Mail> items_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  // Not later than the oldest item came; monotonic.
  absl::Duration waiting_since_ ABSL_GUARDED_BY(mu_);
  bool open_ ABSL_GUARDED_BY(mu_) = false;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  bool waiting_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace weir::queue::engine
