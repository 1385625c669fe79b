// Which receive a Consume stream sends next: one lane for each partition of its queue, and credit that all of them share.
//
//     idle ──Begin──► running ──End──► idle            a lane whose partition had nothing asks again so that it waits there
//                        └────Pause──► pausing ──Resume──► idle
//
// A running receive has as much credit set aside as it asks for, so what comes never exceeds the credit, and nothing has to be given
// back. A lane first asks without waiting, for its share of what is free; only where it found nothing does it wait, and then sets
// little aside. Where the credit is too little for all lanes, those that wait make way soon, and the others have their turn. (With one
// partition nobody has to make way: it waits at once, with all the credit.)
//
// Not thread-safe; no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"

namespace weir::queue::api {

class ReceiveLanes {
 public:
  // At least so many lanes, from now on.
  void Grow(size_t lanes);
  size_t size() const { return lanes_.size(); }

  struct Ask {
    size_t lane = 0;
    int64_t messages = 1;
    absl::Duration wait;  // 0: not at all
  };
  // The next receive, if there is one to send now; it is running then. `credit`: messages that may come, set aside or not;
  // `message_bytes`: what one of them may have.
  std::optional<Ask> Begin(int64_t credit, int64_t message_bytes);
  // It has brought so many messages.
  void End(size_t lane, size_t messages);
  // It has failed: the lane asks no more until Resume, which is due in the time that is the answer.
  absl::Duration Pause(size_t lane);
  void Resume(size_t lane);

  bool IsRunning(size_t lane) const { return lanes_[lane].phase == Phase::kRunning; }

 private:
  enum class Phase { kIdle, kRunning, kPausing };
  struct Lane {
    Phase phase = Phase::kIdle;
    int64_t set_aside = 0;
    bool found_nothing = false;
    absl::Duration pause;
  };

  // The next idle lane, in turn.
  std::optional<size_t> NextIdle() const;
  int64_t CountIdle() const;

  std::vector<Lane> lanes_;
  size_t turn_ = 0;
  int64_t set_aside_ = 0;  // by all
};

}  // namespace weir::queue::api
