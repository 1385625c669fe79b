// How a link between two replicas behaves. Defaults visible; ForLease fits them to the lease time of the shards.
#pragma once

#include <algorithm>
#include <cstddef>

#include "absl/time/time.h"

namespace weir::queue::peer {

struct LinkOptions {
  // Both sides say something at least so often.
  absl::Duration heartbeat_interval = absl::Seconds(1);
  // A side that was silent over so many intervals is given up. They are counted one by one, so a process that was stopped itself does
  // not take its own silence for the other's.
  int silent_intervals_max = 3;
  // A peer that has not taken the stream by then is not reachable.
  absl::Duration connect_timeout = absl::Seconds(3);
  // Pause after a failed attempt to connect: doubled each time, with jitter. Requests are refused meanwhile.
  absl::Duration retry_min = absl::Milliseconds(20);
  absl::Duration retry_max = absl::Seconds(1);
  // A link that had nothing to do for so long is closed.
  absl::Duration idle_timeout = absl::Minutes(5);

  // Requests without a reply yet, and bytes that are not written yet; beyond either, OVERLOADED. Parked receives are requests, too.
  size_t requests_max = 100'000;
  size_t queued_bytes_max = 64 << 20;
  // One write. The largest item (ten messages of 1 MiB) may come on top, so a frame stays below kFrameBytesLimit.
  size_t frame_bytes_max = 4 << 20;
  // While so many bytes of replies wait to be written, a server reads no more requests.
  size_t pause_reading_bytes = 16 << 20;

  // A peer that is silent is noticed within less than half of the lease, but not faster than a busy machine allows.
  static LinkOptions ForLease(absl::Duration lease_time) {
    LinkOptions options;
    options.heartbeat_interval = std::max(lease_time / 10, absl::Milliseconds(250));
    options.connect_timeout = options.heartbeat_interval * options.silent_intervals_max;
    return options;
  }
};

// For the server that takes links: its largest message.
inline constexpr int kFrameBytesLimit = 32 << 20;

}  // namespace weir::queue::peer
