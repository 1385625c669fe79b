// What the journal still tells of one message, over all shards: for people who ask where a message was.
//
// Any replica can read it, whoever owns the shards. There is no index on message ids, because one would cost every append, so
// every segment is read as a whole. A segment that is dropped meanwhile takes along what it had.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/queue/core/decision.h"
#include "services/queue/core/types.h"

namespace weir::queue::store {

// A row of a messages table. log_no equals meta.seq in the first row of a message; later rows are copies, with the state that it
// had at the copy.
struct JournalRow {
  core::ShardId shard;
  core::PartitionId partition;
  core::LogNo log_no;
  core::MessageMeta meta;
  std::string dead_letter_source_arn;
  std::string consumer;
};

struct JournalEvent {
  core::ShardId shard;
  core::AppendEvent event;
};

// In any order.
struct MessageHistory {
  std::vector<JournalRow> rows;
  // About one of these messages, or a purge that included one.
  std::vector<JournalEvent> events;
  absl::Time now;  // the store's clock
};

// Thread-safe; blocking as RegistryStore.
class JournalReader {
 public:
  virtual ~JournalReader() = default;

  // Empty rows: nothing is known. REQUIRES: `message_id` is a UUID in its canonical form.
  virtual absl::StatusOr<MessageHistory> FindMessage(absl::string_view message_id,
                                                     absl::Time deadline) = 0;
};

}  // namespace weir::queue::store
