// What the core answers: what must become durable, then who gets told what, and what the engine must do next.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "services/queue/core/types.h"

namespace weir::queue::core {

// A row for the segment's messages table: a new message, or a survivor that is copied forward (same seq, current state).
struct AppendMessage {
  LogNo log_no;
  PartitionId partition;
  MessageMeta meta;  // meta.segment is the active segment
  ContentPtr content;
  // The message is explicit in the ready window or handed off, so its content is worth keeping in memory.
  bool keep_content = false;
  // Handed off to it (meta.receive_count was raised by this append); empty: to nobody, or to somebody unknown.
  std::string consumer;
};

// What happened to a message. The numbers are stored.
enum class EventKind : int16_t {
  kLeased = 1,             // received; receive_count and visible_at are the new ones
  kVisibilityChanged = 2,  // visible_at is the new one
  kAcked = 3,              // deleted
  kMoved = 4,              // accepted by another partition
  kPurged = 5,             // every message of the partition up to and including seq is gone
  kTransferAccepted = 6,   // `transfer` was accepted (re-recorded when the message's own row is dropped)
  kTransferForgotten = 7,  // `transfer` need not be remembered any more
  kExpired = 8,            // retention ended
};

// A row for the segment's events table.
struct AppendEvent {
  LogNo log_no;
  EventKind kind = EventKind::kLeased;
  PartitionId partition;
  MessageSeq seq;
  int32_t receive_count = 0;
  absl::Time at;                        // kTransferAccepted: when the message was sent
  absl::Time visible_at;                // kLeased, kVisibilityChanged; else InfinitePast
  std::optional<TransferId> transfer;   // kTransferAccepted, kTransferForgotten
  std::string consumer;                 // kLeased: who received it; empty: unknown
};

using Mutation = std::variant<AppendMessage, AppendEvent>;

struct SendReply {
  std::vector<MessageSeq> seqs;  // in the order of the request; of a duplicate, the seq of the message that came first
  // Empty: none was a duplicate. Else one for each seq: the id of the message that came first, or empty where it was none.
  std::vector<std::string> duplicate_of;
};

struct ReceivedMessage {
  MessageSeq seq;
  int32_t receive_count = 0;  // with seq it names this receive
  absl::Time sent_at;
  absl::Time first_received_at;
  absl::Time visible_at;  // end of the visibility timeout
  ContentPtr content;     // set by a hand-off; else the engine resolves it
};
struct ReceiveReply {
  PartitionId partition;
  std::vector<ReceivedMessage> messages;  // empty: nothing came in time
};

enum class DeleteOutcome {
  kDeleted,
  kAlreadyGone,
  kStaleReceipt,    // standard: the message was received again since; it stays
  kReceiptExpired,  // FIFO: the message is visible again or was received again; it stays
};
struct DeleteReply {
  std::vector<DeleteOutcome> outcomes;
};

enum class ChangeVisibilityOutcome {
  kChanged,
  kMessageGone,      // deleted, expired or being moved
  kBeyondLimit,      // the total since the receive would exceed kMaxVisibility
  kReceiptExpired,   // FIFO: the message was received again since
};
struct ChangeVisibilityReply {
  std::vector<ChangeVisibilityOutcome> outcomes;
};

struct PurgeReply {
  int64_t removed = 0;
};

struct TransferReply {};  // AcceptTransfer, FinishTransfer, MoveWithinShard, AbortTransfer

struct TakeReply {
  int32_t taken = 0;
};

// A Status answers a command that could not be carried out (OVER_LIMIT, OVERLOADED, QUEUE_DOES_NOT_EXIST).
using Reply = std::variant<absl::Status, SendReply, ReceiveReply, DeleteReply, ChangeVisibilityReply,
                           PurgeReply, TransferReply, TakeReply>;

// The ready window runs low and the store has more: read messages of `partition` with seq >= `from`, in seq order, and give
// them back as Refill. At most one is outstanding a partition.
struct NeedRefill {
  PartitionId partition;
  MessageSeq from;
  // The messages are about to be received, so their contents are worth keeping in memory. False: the core looks for expired
  // messages only.
  bool to_fill = true;
};

// Move this message away: read its content, append it at the destination, then FinishTransfer (or MoveWithinShard).
// Until then the message is neither ready nor in flight.
struct Transfer {
  PartitionId source;
  MessageMeta meta;
  // Dead-lettering: the dead-letter queue. Unset (redrive): the engine finds the destination by the message's content.
  std::optional<PartitionAddress> destination;
  // The TakeForRedrive that asked for it; 0 for dead-lettering.
  RequestId redrive;
};

using Effect = std::variant<NeedRefill, Transfer>;

// The engine persists `mutations`, in order, in the same transaction as the rest of its group. It sends `replies` and carries
// out `effects` only after that transaction commits; if it does not, the engine discards the state that produced this decision
// and reloads the shard.
struct Decision {
  std::vector<Mutation> mutations;
  std::vector<std::pair<RequestId, Reply>> replies;
  std::vector<Effect> effects;
};

}  // namespace weir::queue::core
