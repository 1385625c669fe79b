// What can be asked of a shard. Commands come already validated: limits of single fields are the api layer's work.
//
// `config` is the newest snapshot that the sender knows; the core adopts the one with the highest version. A partition that the
// shard has not seen is empty and comes into being with the first command.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "services/queue/core/types.h"

namespace weir::queue::core {

// Appends messages, in order, all or none. Waiting receivers get them in the same decision (hand-off). A message of a FIFO queue
// whose deduplication id was sent within the last five minutes is not appended again; the reply says so.
struct Send {
  PartitionId partition;
  ConfigPtr config;
  struct Message {
    ContentPtr content;
    std::optional<absl::Duration> delay;  // unset: the queue's
  };
  std::vector<Message> messages;
};

// Leases up to max_messages ready messages. With none ready it is parked until `wait_until`; a value in the past: answered at
// once (after a refill from the store where one is needed).
struct Receive {
  PartitionId partition;
  ConfigPtr config;
  int32_t max_messages = 1;
  std::optional<absl::Duration> visibility_timeout;  // unset: the queue's; 0: visible again at once, but counted
  absl::Time wait_until = absl::InfinitePast();
  // Who receives, as others are told, for instance "10.0.0.1:45678". Empty: unknown.
  std::string consumer;
  // FIFO: names this attempt. Repeated within five minutes, and with nothing changed since, it gets the same messages with the
  // same receipts, hidden anew from now on; their receive counts do not rise. Empty: none.
  std::string attempt_id;
  // Only what the attempt got before, if that is known still; answered at once.
  bool only_repeat = false;
};

// The client of the parked receive `request` is gone: it gets no messages. No effect when it is not parked. No reply.
struct CancelReceive {
  PartitionId partition;
  RequestId request;
};

// One receive of one message, as named by a receipt handle.
struct Receipt {
  MessageSeq seq;
  int32_t receive_count = 0;
};

// Deletes messages by receipt. Idempotent: a message that is gone counts as deleted. A stale receipt (older than the newest
// receive) deletes nothing and succeeds too; the outcome tells which it was. In a FIFO queue a receipt ends with its visibility
// timeout: it deletes nothing then.
struct Delete {
  PartitionId partition;
  std::vector<Receipt> receipts;
};

// Moves the end of messages' visibility timeout to now + timeout; 0 makes them ready.
struct ChangeVisibility {
  PartitionId partition;
  struct Entry {
    Receipt receipt;
    absl::Duration timeout;
  };
  std::vector<Entry> entries;
};

// Receives whose answers could not be delivered, or whose receiver is gone: each message becomes ready at once if that receive is
// still its newest. The receives stay counted. No reply.
struct ReleaseLease {
  PartitionId partition;
  std::vector<Receipt> receipts;
};

// Removes every message of the partition: ready, in flight, delayed. Messages sent later stay. Parked receives stay parked.
struct Purge {
  PartitionId partition;
};

// The queue was deleted: as Purge, then parked receives are answered QUEUE_DOES_NOT_EXIST and the partition is forgotten. So are
// answered commands that come later, having found the queue before: partition ids are never reused.
struct DropPartition {
  PartitionId partition;
};

// The queue's attributes have changed. No reply.
struct Configure {
  PartitionId partition;
  ConfigPtr config;
};

// Answers effect NeedRefill: the next messages of the partition in seq order, from `from` on (as the effect said).
// `scanned_to`: every message of the partition with a seq below it was seen by the scan. No reply.
struct Refill {
  PartitionId partition;
  MessageSeq from;
  MessageSeq scanned_to;
  std::vector<MessageMeta> messages;
};

// Appends a message that another partition gives away. Answered as accepted also when it was accepted before.
// `content` already carries dead_letter_source_arn where that is due.
struct AcceptTransfer {
  PartitionId partition;
  ConfigPtr config;
  TransferId transfer;
  absl::Time sent_at;
  int32_t receive_count = 0;
  ContentPtr content;
};

// The destination has the message: it leaves this partition.
struct FinishTransfer {
  PartitionId partition;
  MessageSeq seq;
};

// Both at once, for a source and a destination on the same shard: one decision, so one commit.
struct MoveWithinShard {
  PartitionId source;
  AcceptTransfer destination;
};

// The destination refused or does not exist: the message becomes ready in this partition again, and the next receive delivers it.
struct AbortTransfer {
  PartitionId partition;
  MessageSeq seq;
  // The destination is only away for the moment: a dead letter stays hidden for so long, and the receive after that moves it.
  // Only this process knows; after a restart it is ready.
  std::optional<absl::Duration> retry_after = std::nullopt;
};

// The source has recorded the move, so it will not be repeated: this shard may forget that it accepted it. No reply.
struct ForgetTransfer {
  PartitionId partition;
  TransferId transfer;
};

// Takes up to `limit` ready messages out of the partition to be moved elsewhere (redrive): one Transfer effect each. The reply
// says how many. Waits for a refill where one is needed.
struct TakeForRedrive {
  PartitionId partition;
  ConfigPtr config;
  int32_t limit = 1;
};

// Rows of a segment, read from the store, so that the live ones can be appended anew. The rows need not be filtered: the core knows
// which are live. A segment may be copied in several slices, with other commands in between; from the commit of a slice on, the
// store shows its rows no more. After the last slice the segment may be dropped. No reply.
struct CopyForward {
  SegmentNo segment;
  bool last = true;
  struct Row {
    PartitionId partition;
    MessageMeta meta;
    ContentPtr content;
  };
  std::vector<Row> rows;
};

// Time has come: applies what is due. (Every other command does so too.)
struct Tick {};

using Command =
    std::variant<Send, Receive, CancelReceive, Delete, ChangeVisibility, ReleaseLease, Purge,
                 DropPartition, Configure, Refill, AcceptTransfer, FinishTransfer, MoveWithinShard,
                 AbortTransfer, ForgetTransfer, TakeForRedrive, CopyForward, Tick>;

}  // namespace weir::queue::core
