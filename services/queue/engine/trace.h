// Where a message was and when, told from what the journal still has of it.
//
// A message may have stood in several queues; each stay is a (partition, seq) of its own, and they belong together because they have the
// same message id. Nothing is made up: what stood in segments that are gone is left out, and an instant that no row tells is unset.
//
// DeriveTrace is a pure function; Tracer is thread-safe and blocks.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/queue/core/types.h"
#include "services/queue/store/journal_reader.h"

namespace weir::queue::engine {

enum class TraceKind : int8_t {
  kSent,
  kReceived,
  kVisibilityChanged,
  kReleased,
  kTimedOut,
  kDeleted,
  kMovedOut,
  kMovedIn,
  kPurged,
  kExpired,
};

struct TraceStep {
  std::optional<absl::Time> at;
  TraceKind kind = TraceKind::kSent;
  core::PartitionId partition;
  int32_t receive_count = 0;
  // kSent with a delay, kReceived, kVisibilityChanged.
  std::optional<absl::Time> visible_at;
  std::string consumer;
  // Moves: the other side, where it is known; by its partition or, if that is gone, by its ARN.
  core::PartitionId peer;
  std::string peer_arn;
};

// Oldest first.
std::vector<TraceStep> DeriveTrace(const store::MessageHistory& history);

class Tracer {
 public:
  // `journal` must outlive it.
  explicit Tracer(store::JournalReader& journal) : journal_(journal) {}

  // One at a time: RESOURCE_EXHAUSTED (OVERLOADED) while another runs, because each reads every segment. Empty: nothing is known.
  absl::StatusOr<std::vector<TraceStep>> Trace(absl::string_view message_id, absl::Time deadline);

 private:
  store::JournalReader& journal_;
  std::atomic<bool> running_{false};
};

}  // namespace weir::queue::engine
