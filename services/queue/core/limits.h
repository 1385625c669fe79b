// Numbers of the contract (SQS quotas), and the bounds that keep a shard's memory finite.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace weir::queue::core {

// Messages of one queue in flight at once (SQS: about 120,000); the next receive of a standard queue is answered OVER_LIMIT, that
// of a FIFO queue finds nothing.
inline constexpr int64_t kMaxInFlight = 120'000;
// A message may stay invisible for at most so long after the receive that leased it.
inline constexpr absl::Duration kMaxVisibility = absl::Hours(12);
// Longest retention, so also the longest time for which a transfer can be repeated.
inline constexpr absl::Duration kMaxRetention = absl::Hours(14 * 24);
// Ready messages of a partition that are explicit in memory; what was sent beyond them waits in the store as a range.
inline constexpr size_t kReadyWindow = 4'096;
// A window that has shrunk to this is refilled from the store, when the store has more. It should last until the refill has come,
// which takes a commit or two.
inline constexpr size_t kRefillBelow = 2'048;
// Parked receives of one partition; the next is answered OVERLOADED.
inline constexpr size_t kMaxWaiters = 20'000;
// Messages of a partition on their way to its dead-letter queue at once: each costs a read of its content and memory for it
// until it has moved. Receives go on as they end.
inline constexpr int64_t kMaxMoving = 100;
// Deleted queues that are remembered, so that a command which found one just before does not bring it back. Such a command is
// late by a commit or two.
inline constexpr size_t kMaxDropped = 10'000;
// A partition's expired messages are swept at most so often; they are never delivered in between.
inline constexpr absl::Duration kExpirySweepInterval = absl::Seconds(1);
// One decision expires at most so many explicit messages of a partition; the rest follows with the next sweep.
inline constexpr int kMaxExpiredPerSweep = 10'000;
// A backlog whose messages do not stand in the order of their sent_at (dead-lettering keeps it) has to be read as a whole to
// find the expired ones: at most so often.
inline constexpr absl::Duration kDeepSweepInterval = absl::Minutes(1);

// A repeated send to a FIFO queue, or a repeated attempt to receive from one, is recognised for so long after the first.
inline constexpr absl::Duration kDeduplicationWindow = absl::Minutes(5);
// Attempts of a partition that are remembered; the oldest is forgotten first.
inline constexpr size_t kMaxAttempts = 10'000;
// A receive looks through so many ready messages of a queue with message groups for one that it may have (SQS: the first 120,000).
inline constexpr size_t kMaxSearched = 120'000;

// Fair queues: a group is noisy only with so many messages in flight, or finished lately (SQS: 30).
inline constexpr int64_t kNoisyInFlight = 30;
// What consumers have spent on a group's messages counts for about so long.
inline constexpr absl::Duration kConsumerTimeFades = absl::Minutes(1);
// Groups of a partition that have no messages but are remembered for what they have used.
inline constexpr size_t kMaxIdleGroups = 10'000;

// The limits that a test lowers, to reach with few messages what needs many.
struct ShardLimits {
  int64_t max_in_flight = kMaxInFlight;
  size_t ready_window = kReadyWindow;
  size_t refill_below = kRefillBelow;
  size_t max_waiters = kMaxWaiters;
  int64_t max_moving = kMaxMoving;
  size_t max_searched = kMaxSearched;
  int64_t noisy_in_flight = kNoisyInFlight;
};

}  // namespace weir::queue::core
