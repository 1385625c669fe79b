// An explicit message of a partition.
#pragma once

#include <cstdint>

#include "services/queue/core/instant.h"
#include "services/queue/core/types.h"

namespace weir::queue::core {

enum class MessageState : uint8_t { kReady, kDelayed, kInFlight, kMoving };
inline constexpr size_t kMessageStates = 4;

struct Message {
  Instant sent_at;
  Instant visible_at;
  Instant first_received_at = kLongAgo;  // kLongAgo: never, in this partition
  Instant leased_at = kLongAgo;          // the newest receive
  int32_t receive_count = 0;
  SegmentNo segment;
  // Grouped: the number of its group. Else its place in the ready window; an entry with another ticket is stale.
  uint32_t place = 0;
  MessageState state = MessageState::kReady;
  bool grouped : 1 = false;
  // Has its entry in the list of its fair group, be it ready or not.
  bool listed : 1 = false;
  // While moving: by dead-lettering, not by redrive.
  bool dead_lettering : 1 = false;
  // Its dead-letter queue has refused it: the next receive delivers it, so that it does not go to and fro without end.
  bool refused : 1 = false;
};
static_assert(sizeof(Message) == 48);

}  // namespace weir::queue::core
