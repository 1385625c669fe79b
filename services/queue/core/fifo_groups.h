// The message groups of a FIFO queue's partition: the order of each group's explicit messages, and whose turn it is.
//
// A message is deliverable if no earlier one of its group is hidden (in flight, delayed, moving). As only the front of a group
// tells whether it has any deliverable message, that is all that is kept: a group whose front is ready stands in the order of
// groups once, at the back when its front becomes ready. From that one rule follow SQS's: a group in flight blocks those behind
// it and nothing else; one message that becomes visible again is delivered again, though later ones are in flight; a delayed
// message does not block those before it.
//
// Messages with a seq from the horizon on may have earlier ones in the store that memory does not know, so they wait.
//
// A group is kept only while it has explicit messages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "services/queue/core/backlog.h"
#include "services/queue/core/fifo.h"
#include "services/queue/core/group_table.h"
#include "services/queue/core/message.h"
#include "services/queue/core/types.h"

namespace weir::queue::core {

class FifoGroups {
 public:
  struct Group {
    std::string name;
    absl::btree_map<MessageSeq, MessageState> messages;
    int64_t counts[kMessageStates] = {};
    uint64_t ticket = 0;  // its place in the order; 0: it does not stand there
    bool taken = false;   // by TakeTurn
    bool mixed = false;   // stands in mixed_
    // Its share in the sums.
    int64_t deliverable = 0;
    int64_t blocked = 0;

    int64_t ready() const { return counts[static_cast<size_t>(MessageState::kReady)]; }
    int64_t hidden() const { return static_cast<int64_t>(messages.size()) - ready(); }
  };

  GroupNo Add(absl::string_view name, MessageSeq seq, MessageState state);
  void SetState(GroupNo number, MessageSeq seq, MessageState state);
  void Remove(GroupNo number, MessageSeq seq);

  // All messages with a lower seq are explicit or gone.
  void SetHorizon(MessageSeq horizon);

  bool HasDeliverable() const { return queued_ > 0; }
  // Deliverable messages. Of a group with hidden ones, or some beyond the horizon, only the first few are counted.
  int64_t deliverable() const { return deliverable_; }
  // Ready messages behind a hidden one of their group.
  int64_t blocked() const;
  // Of them, those of groups that have no deliverable message. Those that only wait for the horizon are not among them: what
  // they wait for is that more is read.
  int64_t blocked_groups_ready() const { return blocked_; }

  // The next group with a deliverable message leaves the order, until EndTurn.
  std::optional<GroupNo> TakeTurn();
  // Its first message above `after` if that is ready; seq 0: none. The caller knows that those up to `after` do not block it.
  MessageSeq NextReady(GroupNo number, MessageSeq after) const;
  // It goes to the back of the order, or is forgotten.
  void EndTurn(GroupNo number);

  void NoteConsumer(MessageSeq seq, const std::string& consumer);
  // Empty: not known.
  std::string ConsumerOf(MessageSeq seq) const;

  // An attempt to receive was repeated and got this message again. When the client of the first answer turns out to be gone, the
  // message is the second one's: so many releases of its lease do not count.
  void NoteRepeat(MessageSeq seq) { ++repeats_[seq]; }
  bool TakeRepeat(MessageSeq seq);

  const GroupTable<Group>& table() const { return table_; }
  void Compact();

 private:
  struct Turn {
    GroupNo group;
    uint64_t ticket;
  };

  bool IsQueued(const Turn& turn) const {
    return table_.Has(turn.group) && table_[turn.group].ticket == turn.ticket;
  }
  // After a change of the group's messages: its place in the order and the sums. May forget it.
  void Update(GroupNo number);
  void Count(Group& group, GroupNo number, bool deliverable);
  int64_t DeliverableOf(const Group& group) const;

  GroupTable<Group> table_;
  Fifo<Turn> order_;  // with stale entries
  int64_t queued_ = 0;
  uint64_t next_ticket_ = 1;
  int64_t deliverable_ = 0;
  int64_t blocked_ = 0;                  // of the groups whose front is hidden
  absl::flat_hash_set<GroupNo> mixed_;   // groups with a deliverable message and a hidden one
  MessageSeq horizon_ = Backlog::kNowhere;
  // Groups whose front is ready but stands beyond the horizon; with stale entries.
  absl::btree_map<MessageSeq, GroupNo> beyond_;
  absl::flat_hash_map<MessageSeq, std::string> consumers_;  // of messages in flight
  absl::flat_hash_map<MessageSeq, int> repeats_;            // of messages in flight
};

}  // namespace weir::queue::core
