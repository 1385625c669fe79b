// The messages of a publisher that its broker has not confirmed yet.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "bench/message_ledger.h"

namespace weir::bench {

class ConfirmWindow {
 public:
  struct Message {
    MessageKey key;
    int64_t sent_at = 0;
  };

  // Messages are numbered from 1, as RabbitMQ numbers those of a channel.
  void Add(Message message);
  // Takes out the message with that number, or all up to it; those taken out before are passed
  // over.
  std::vector<Message> Confirm(uint64_t number, bool multiple);

  size_t outstanding() const { return outstanding_; }

 private:
  struct Slot {
    Message message;
    bool confirmed = false;
  };

  std::deque<Slot> slots_;  // of first_ and those after it
  uint64_t first_ = 1;
  size_t outstanding_ = 0;
};

}  // namespace weir::bench
