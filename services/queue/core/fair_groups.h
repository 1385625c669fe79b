// The message groups of a standard queue's partition: its tenants, none of which may starve the others.
//
// Each group has a list of its ready messages, in the order in which they became so. It takes turns with the other groups, and
// with the messages that have no group: each of those is a tenant of its own. A noisy group's turn comes only when no quiet one
// is ready. Noisy is a group that holds more than a tenth of the messages in flight, and enough of them; or that has used more
// than a tenth of the consumers' time of about the last minute, and finished enough messages in it.
//
// A group is kept while it has explicit messages, and a minute longer, so that what it has used is not forgotten at once.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/queue/core/fifo.h"
#include "services/queue/core/group_table.h"
#include "services/queue/core/instant.h"
#include "services/queue/core/limits.h"
#include "services/queue/core/message.h"
#include "services/queue/core/types.h"

namespace weir::queue::core {

// Time that consumers have spent on messages, and how many those were; both fade within about a minute.
class ConsumerTime {
 public:
  void Add(absl::Duration spent, Instant now);
  double SecondsAt(Instant now) const { return seconds_ * Faded(now); }
  double MessagesAt(Instant now) const { return messages_ * Faded(now); }

 private:
  double Faded(Instant now) const;

  double seconds_ = 0;
  double messages_ = 0;
  Instant last_ = kLongAgo;
};

class FairGroups {
 public:
  struct Group {
    std::string name;
    Fifo<MessageSeq> ready;  // with stale entries
    int64_t counts[kMessageStates] = {};
    enum class Turn : uint8_t { kNone, kQuiet, kNoisy } turn = Turn::kNone;
    uint64_t idle = 0;  // not 0: it has no messages, and is forgotten soon
    ConsumerTime time;

    int64_t count(MessageState state) const { return counts[static_cast<size_t>(state)]; }
    int64_t messages() const;
  };

  FairGroups(int64_t noisy_in_flight) : noisy_in_flight_(noisy_in_flight) {}

  GroupNo Add(absl::string_view name, MessageState state);
  void SetState(GroupNo number, MessageState from, MessageState to);
  void Remove(GroupNo number, MessageState state, Instant now);

  Group& operator[](GroupNo number) { return table_[number]; }
  const GroupTable<Group>& table() const { return table_; }

  // A group's message has been given back, or deleted, after so long. `number` null: a message without a group.
  void NoteConsumed(const GroupNo* number, absl::Duration spent, Instant now);
  bool IsNoisy(const Group& group, int64_t in_flight, Instant now) const;
  // The same of a group that may not be known.
  bool IsNoisy(absl::string_view name, int64_t in_flight, Instant now) const;

  // Noisy groups that have ready messages, in the order of their turns. Those that are noisy no more stay until TakeQuiet.
  bool HasNoisyTurn() const { return !noisy_.empty(); }
  GroupNo NoisyFront() const { return noisy_.front(); }
  void PushNoisy(GroupNo number);
  void PopNoisy();
  // Those that are noisy no more leave the order of the noisy ones.
  std::vector<GroupNo> TakeQuiet(int64_t in_flight, Instant now);
  // Ready messages of the groups in that order.
  int64_t NoisyReady() const;

  void Compact(Instant now);

 private:
  GroupTable<Group> table_;
  Fifo<GroupNo> noisy_;
  ConsumerTime total_;
  const int64_t noisy_in_flight_;
  struct Idle {
    Instant until;
    GroupNo group;
    uint64_t idle;
  };
  Fifo<Idle> idle_;  // with stale entries
  uint64_t next_idle_ = 1;
};

}  // namespace weir::queue::core
