// What is asked of a shard without changing it: on the shard's thread, between two groups, one peek a group, so that nobody waits
// long for those who only look.
#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "services/queue/core/backlog.h"
#include "services/queue/engine/shard_engine.h"

namespace weir::queue::engine {
namespace {

// Questions that wait; beyond, RESOURCE_EXHAUSTED at once.
constexpr size_t kQueriesMax = 1'000;
// One peek looks at no more, however much is asked for: a few milliseconds.
constexpr size_t kPeekMessagesMax = 256;
constexpr size_t kPeekBytesMax = 4 << 20;
// One read of contents for it; the larger one while what comes is small.
constexpr size_t kPeekReadMin = 16;
constexpr size_t kPeekReadMax = 128;

// One question about groups looks at no more, and reads no more contents for the ids of the messages that block them.
constexpr size_t kGroupsMax = 1'000;
constexpr size_t kGroupContentsMax = 16;

PeekedState StateOf(core::BrowsedMessage::State state) {
  switch (state) {
    case core::BrowsedMessage::State::kReady:
      return PeekedState::kReady;
    case core::BrowsedMessage::State::kInFlight:
      return PeekedState::kInFlight;
    case core::BrowsedMessage::State::kDelayed:
      break;
  }
  return PeekedState::kDelayed;
}

PeekedMessage PeekedOf(const core::MessageMeta& meta, PeekedState state, core::ContentPtr content) {
  return {.seq = meta.seq,
          .state = state,
          .sent_at = meta.sent_at,
          .visible_at = meta.visible_at,
          .first_received_at = meta.first_received_at,
          .receive_count = meta.receive_count,
          .content = std::move(content)};
}

}  // namespace

void ShardEngine::Ask(ShardQuery query, AnswerSink sink) {
  if (std::holds_alternative<LoadQuery>(query)) {
    if (IsIdle()) return sink(NotServingError());
    return sink(Load());
  }
  bool full = false;
  {
    MutexLock lock(&phase_mu_);
    full = queries_.size() >= kQueriesMax;
    if (phase_ == Phase::kServing && !full) {
      queries_.emplace_back(std::move(query), std::move(sink));
      sink = nullptr;
    }
  }
  if (sink == nullptr) {
    mailbox_.Wake();
  } else if (full) {
    sink(MakeError(ErrorReason::kOverloaded,
                   absl::StrCat("Shard ", shard_.value(), " has ", kQueriesMax,
                                " questions waiting; slow down and try again.")));
  } else {
    sink(NotServingError());
  }
}

bool ShardEngine::AnswerQueries() {
  bool peeked = false;
  while (!peeked) {
    if (!HasQueries()) return true;
    // Another replica may have taken the shard, and changed what is asked for, once the lease has run out. Then the loss answers.
    const int64_t term = host_.LeaseTerm();
    const bool lease_held = term != 0 && term == owned_in_term_;
    if (!lease_held && !CheckEpoch(term)) return false;
    std::pair<ShardQuery, AnswerSink> asked;
    {
      MutexLock lock(&phase_mu_);
      asked = std::move(queries_.front());
      queries_.pop_front();
    }
    if (const auto* stats = std::get_if<StatsQuery>(&asked.first)) {
      StatsAnswer answer;
      for (const core::PartitionId partition : stats->partitions) {
        answer.stats.push_back(state_->Stats(partition));
      }
      asked.second(std::move(answer));
      continue;
    }
    peeked = true;
    if (const auto* groups = std::get_if<GroupsQuery>(&asked.first)) {
      absl::StatusOr<GroupsAnswer> answer = Groups(*groups);
      if (!answer.ok()) {
        asked.second(answer.status());
        return false;
      }
      asked.second(*std::move(answer));
      continue;
    }
    absl::StatusOr<PeekAnswer> answer = Peek(std::get<PeekQuery>(asked.first));
    if (!answer.ok()) {
      asked.second(answer.status());
      return false;
    }
    asked.second(*std::move(answer));
  }
  return true;
}

absl::StatusOr<PeekAnswer> ShardEngine::Peek(const PeekQuery& query) {
  const size_t limit =
      std::clamp<size_t>(static_cast<size_t>(std::max(query.limit, 1)), 1, kPeekMessagesMax);
  const core::BrowsePage page = state_->Browse(
      query.partition, query.after, limit,
      {.ready = query.ready, .in_flight = query.in_flight, .delayed = query.delayed});
  std::vector<store::StoredMessage> rows;
  if (page.untouched_from.has_value()) {
    WEIR_ASSIGN_OR_RETURN(rows, log_->ReadRange(query.partition, *page.untouched_from, limit,
                                                std::min(query.bytes_max, kPeekBytesMax)));
  }
  // Beyond, one of the two may have more.
  core::MessageSeq seen_to = core::Backlog::kNowhere;
  if (!page.complete) seen_to = page.messages.back().meta.seq;
  if (!rows.empty()) seen_to = std::min(seen_to, rows.back().meta.seq);

  std::vector<PeekedMessage> found;
  for (const core::BrowsedMessage& message : page.messages) {
    found.push_back(PeekedOf(message.meta, StateOf(message.state), cache_.Get(message.meta.seq)));
  }
  for (store::StoredMessage& row : rows) {
    if (!state_->IsUntouched(query.partition, row.meta)) continue;
    found.push_back(PeekedOf(row.meta, PeekedState::kReady, std::move(row.content)));
  }
  std::erase_if(found, [&](const PeekedMessage& message) { return message.seq > seen_to; });
  std::sort(found.begin(), found.end(),
            [](const PeekedMessage& a, const PeekedMessage& b) { return a.seq < b.seq; });
  if (found.size() > limit) {
    found.resize(limit);
    seen_to = found.back().seq;
  }
  return WithContents(query, std::move(found), seen_to);
}

absl::StatusOr<PeekAnswer> ShardEngine::WithContents(const PeekQuery& query,
                                                     std::vector<PeekedMessage> found,
                                                     core::MessageSeq seen_to) {
  PeekAnswer answer;
  size_t bytes = 0;
  size_t a_read = kPeekReadMin;
  for (size_t begin = 0; begin < found.size();) {
    const size_t end = std::min(begin + a_read, found.size());
    std::vector<store::ShardLog::MessageKey> missing;
    for (size_t i = begin; i < end; ++i) {
      if (found[i].content == nullptr) missing.push_back({query.partition, found[i].seq});
    }
    absl::flat_hash_map<core::MessageSeq, core::ContentPtr> contents;
    if (!ReadContents(missing, contents)) {
      return MakeError(ErrorReason::kStoreUnavailable,
                       "The store cannot be read at the moment; try again.");
    }
    for (; begin < end; ++begin) {
      PeekedMessage& message = found[begin];
      if (message.content == nullptr) {
        const auto it = contents.find(message.seq);
        WEIR_CHECK(it != contents.end(), "a live message has no row in the store");
        message.content = it->second;
      }
      bytes += ContentBytes(*message.content);
      if (!answer.messages.empty() && bytes > std::min(query.bytes_max, kPeekBytesMax)) {
        answer.looked_to = answer.messages.back().seq;
        return answer;
      }
      answer.messages.push_back(std::move(message));
    }
    a_read = bytes * 8 <= kPeekBytesMax ? std::min(2 * a_read, kPeekReadMax) : kPeekReadMin;
  }
  if (seen_to != core::Backlog::kNowhere) answer.looked_to = seen_to;
  return answer;
}

absl::StatusOr<GroupsAnswer> ShardEngine::Groups(const GroupsQuery& query) {
  const size_t limit = static_cast<size_t>(std::max(query.limit, 1));
  std::vector<core::GroupStatus> statuses =
      state_->Groups(query.partition, query.after, kGroupsMax);
  bool more = statuses.size() == kGroupsMax;
  GroupsAnswer answer;
  std::string looked_to = query.after;
  std::vector<store::ShardLog::MessageKey> missing;
  for (core::GroupStatus& status : statuses) {
    if (answer.groups.size() == limit || missing.size() == kGroupContentsMax) {
      more = true;
      break;
    }
    looked_to = status.group;
    if (query.blocked_only && !status.blocker.has_value()) continue;
    GroupsAnswer::Group& group = answer.groups.emplace_back();
    if (status.blocker.has_value()) {
      const core::ContentPtr content = cache_.Get(status.blocker->seq);
      if (content != nullptr) {
        group.blocker_id = content->message_id;
      } else {
        missing.push_back({query.partition, status.blocker->seq});
      }
    }
    group.status = std::move(status);
  }
  absl::flat_hash_map<core::MessageSeq, core::ContentPtr> contents;
  if (!ReadContents(missing, contents)) {
    return MakeError(ErrorReason::kStoreUnavailable,
                     "The store cannot be read at the moment; try again.");
  }
  for (GroupsAnswer::Group& group : answer.groups) {
    if (!group.status.blocker.has_value() || !group.blocker_id.empty()) continue;
    const auto it = contents.find(group.status.blocker->seq);
    WEIR_CHECK(it != contents.end(), "a live message has no row in the store");
    group.blocker_id = it->second->message_id;
  }
  if (more) answer.looked_to = std::move(looked_to);
  return answer;
}

}  // namespace weir::queue::engine
