// What can be asked about a shard without changing it. Plain values, so that a replica can pass them on to the shard's owner.
//
// Answers are exact: they include everything that was answered before the question came.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/queue/core/shard_state.h"
#include "services/queue/core/types.h"

namespace weir::queue::engine {

// The numbers of partitions of one shard, in the order of the question.
struct StatsQuery {
  std::vector<core::PartitionId> partitions;
};
struct StatsAnswer {
  std::vector<core::PartitionStats> stats;
};

// The messages of a partition in the order of their seq, without receiving them.
struct PeekQuery {
  core::PartitionId partition;
  core::MessageSeq after;  // 0: from the first
  int32_t limit = 1;
  bool ready = true;
  bool in_flight = true;
  bool delayed = true;
  size_t bytes_max = 4 << 20;  // of contents; at least one message all the same
};
enum class PeekedState : int8_t { kReady = 1, kInFlight = 2, kDelayed = 3 };
struct PeekedMessage {
  core::MessageSeq seq;
  PeekedState state = PeekedState::kReady;
  absl::Time sent_at;
  absl::Time visible_at;
  std::optional<absl::Time> first_received_at;
  int32_t receive_count = 0;
  core::ContentPtr content;
};
struct PeekAnswer {
  std::vector<PeekedMessage> messages;
  // Every message up to here was looked at; unset: there is nothing behind.
  std::optional<core::MessageSeq> looked_to;
};

// Message groups of a partition with messages in memory, in the order of their ids.
struct GroupsQuery {
  core::PartitionId partition;
  std::string after;  // "": from the first
  int32_t limit = 1;
  bool blocked_only = false;
};
struct GroupsAnswer {
  struct Group {
    core::GroupStatus status;
    std::string blocker_id;  // message id of status.blocker; "": there is none
  };
  std::vector<Group> groups;
  // Every group up to here was looked at; unset: there is none behind.
  std::optional<std::string> looked_to;
};

// How the shard itself fares. Answered at once, also while it is read from the store.
struct LoadQuery {};
struct LoadAnswer {
  bool serving = false;  // false: it is being read
  int64_t waiting_commands = 0;
  std::optional<absl::Duration> oldest_wait;  // of those; unset: none waits
  // Of the journal, as of the last commit.
  int32_t segments = 0;
  int64_t rows = 0;
};

using ShardQuery = std::variant<StatsQuery, PeekQuery, GroupsQuery, LoadQuery>;
using ShardAnswer = std::variant<StatsAnswer, PeekAnswer, GroupsAnswer, LoadAnswer>;

// Takes the answer to a query; called exactly once, on any thread; must not block.
using AnswerSink = absl::AnyInvocable<void(absl::StatusOr<ShardAnswer>)>;

}  // namespace weir::queue::engine
