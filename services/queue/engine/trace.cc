#include "services/queue/engine/trace.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "libs/base/error.h"

namespace weir::queue::engine {
namespace {

using core::EventKind;
using store::JournalEvent;
using store::JournalRow;
using store::MessageHistory;

// One stay of the message in one partition.
struct Stay {
  core::ShardId shard;
  core::PartitionId partition;
  core::MessageSeq seq;
  std::vector<const JournalRow*> rows;          // by log number
  std::vector<const core::AppendEvent*> events;  // by log number
  Stay* before = nullptr;                        // where it came from
  Stay* after = nullptr;                         // where it went
  std::vector<TraceStep> steps;

  // The row of the append that began the stay; null when its segment is gone.
  const JournalRow* First() const {
    return rows.front()->log_no.value() == seq.value() ? rows.front() : nullptr;
  }
  std::optional<core::TransferId> Transfer() const {
    for (const JournalRow* row : rows) {
      if (row->meta.transfer.has_value()) return row->meta.transfer;
    }
    return std::nullopt;
  }
  const core::AppendEvent* Moved() const {
    for (const core::AppendEvent* event : events) {
      if (event->kind == EventKind::kMoved) return event;
    }
    return nullptr;
  }
};

using Stays = std::map<std::pair<core::PartitionId, core::MessageSeq>, Stay>;

Stays FindStays(const MessageHistory& history) {
  Stays stays;
  for (const JournalRow& row : history.rows) {
    Stay& stay = stays[{row.partition, row.meta.seq}];
    stay.shard = row.shard;
    stay.partition = row.partition;
    stay.seq = row.meta.seq;
    stay.rows.push_back(&row);
  }
  for (auto& [key, stay] : stays) {
    for (const JournalEvent& found : history.events) {
      const core::AppendEvent& event = found.event;
      if (event.partition != stay.partition) continue;
      const bool purge = event.kind == EventKind::kPurged;
      if (purge ? event.seq >= stay.seq : event.seq == stay.seq) stay.events.push_back(&event);
    }
    std::sort(stay.rows.begin(), stay.rows.end(),
              [](const auto* a, const auto* b) { return a->log_no < b->log_no; });
    std::sort(stay.events.begin(), stay.events.end(),
              [](const auto* a, const auto* b) { return a->log_no < b->log_no; });
  }
  return stays;
}

// Where `stay` came from. Between shards the row names it; a move within a shard is one decision, so both halves have numbers next
// to each other.
Stay* FindSource(Stays& stays, const Stay& stay) {
  if (const auto transfer = stay.Transfer(); transfer.has_value()) {
    const auto it = stays.find({transfer->source_partition, transfer->source_seq});
    return it == stays.end() ? nullptr : &it->second;
  }
  if (stay.First() == nullptr) return nullptr;
  for (auto& [key, other] : stays) {
    const core::AppendEvent* moved = other.Moved();
    if (&other != &stay && moved != nullptr && other.shard == stay.shard &&
        moved->log_no.value() == stay.seq.value() + 1) {
      return &other;
    }
  }
  return nullptr;
}

// A step and where it stands in the log.
using Step = std::pair<core::LogNo, TraceStep>;

void AddBeginning(const Stay& stay, std::vector<Step>& steps) {
  const JournalRow* first = stay.First();
  if (first == nullptr) return;
  TraceStep step{.partition = stay.partition};
  const std::optional<core::TransferId> transfer = stay.Transfer();
  if (stay.before != nullptr || transfer.has_value() || !first->dead_letter_source_arn.empty()) {
    step.kind = TraceKind::kMovedIn;
    if (transfer.has_value()) step.peer = transfer->source_partition;
    if (stay.before != nullptr) step.peer = stay.before->partition;
    step.peer_arn = first->dead_letter_source_arn;
    const core::AppendEvent* moved = stay.before == nullptr ? nullptr : stay.before->Moved();
    if (moved != nullptr) step.at = moved->at;
  } else {
    step.kind = TraceKind::kSent;
    step.at = first->meta.sent_at;
    const bool delayed = first->meta.receive_count == 0 && first->meta.visible_at > *step.at;
    if (delayed) step.visible_at = first->meta.visible_at;
  }
  steps.emplace_back(first->log_no, std::move(step));
}

void AddReceives(const Stay& stay, std::vector<Step>& steps) {
  std::set<int32_t> known;
  for (const core::AppendEvent* event : stay.events) {
    // Copy-forward writes the newest one again.
    if (event->kind != EventKind::kLeased || !known.insert(event->receive_count).second) continue;
    steps.emplace_back(event->log_no, TraceStep{.at = event->at,
                                                .kind = TraceKind::kReceived,
                                                .partition = stay.partition,
                                                .receive_count = event->receive_count,
                                                .visible_at = event->visible_at,
                                                .consumer = event->consumer});
  }
  // A hand-off is told by the row itself, as is, in a copy, a first receive that was the newest.
  for (const JournalRow* row : stay.rows) {
    if (!row->meta.first_received_at.has_value()) continue;
    if (!known.insert(row->meta.receive_count).second) continue;
    steps.emplace_back(row->log_no, TraceStep{.at = *row->meta.first_received_at,
                                              .kind = TraceKind::kReceived,
                                              .partition = stay.partition,
                                              .receive_count = row->meta.receive_count,
                                              .visible_at = row->meta.visible_at,
                                              .consumer = row->consumer});
  }
}

void AddRest(const Stay& stay, std::vector<Step>& steps) {
  for (const core::AppendEvent* event : stay.events) {
    TraceStep step{.at = event->at, .partition = stay.partition};
    switch (event->kind) {
      case EventKind::kVisibilityChanged:
        step.kind = event->visible_at <= event->at ? TraceKind::kReleased
                                                   : TraceKind::kVisibilityChanged;
        if (step.kind == TraceKind::kVisibilityChanged) step.visible_at = event->visible_at;
        break;
      case EventKind::kAcked:
        step.kind = TraceKind::kDeleted;
        break;
      case EventKind::kMoved:
        step.kind = TraceKind::kMovedOut;
        if (stay.after != nullptr) step.peer = stay.after->partition;
        break;
      case EventKind::kPurged:
        step.kind = TraceKind::kPurged;
        break;
      case EventKind::kExpired:
        step.kind = TraceKind::kExpired;
        break;
      default:
        continue;
    }
    steps.emplace_back(event->log_no, std::move(step));
  }
}

bool IsEnd(TraceKind kind) {
  return kind == TraceKind::kDeleted || kind == TraceKind::kMovedOut ||
         kind == TraceKind::kPurged || kind == TraceKind::kExpired;
}

// Puts in what follows from the steps: how often it had been received, ends of visibility timeouts. A later purge of the queue is no
// step of a message that was gone.
std::vector<TraceStep> Complete(std::vector<Step> steps, absl::Time now) {
  std::vector<TraceStep> complete;
  int32_t receive_count = 0;
  std::optional<absl::Time> hidden_until;
  const auto time_out = [&](absl::Time until) {
    if (!hidden_until.has_value() || *hidden_until >= until) return;
    complete.push_back({.at = *hidden_until,
                        .kind = TraceKind::kTimedOut,
                        .partition = complete.back().partition,
                        .receive_count = receive_count});
    hidden_until.reset();
  };
  for (auto& [log_no, step] : steps) {
    if (step.at.has_value()) time_out(*step.at);
    if (step.kind == TraceKind::kReceived) receive_count = step.receive_count;
    step.receive_count = receive_count;
    if (step.kind != TraceKind::kSent) {
      hidden_until.reset();
      if (step.visible_at.has_value() && *step.visible_at > *step.at) hidden_until = step.visible_at;
    }
    const bool end = IsEnd(step.kind);
    complete.push_back(std::move(step));
    if (end) return complete;
  }
  time_out(now);
  return complete;
}

void Tell(Stay& stay, absl::Time now) {
  std::vector<Step> steps;
  AddBeginning(stay, steps);
  AddReceives(stay, steps);
  AddRest(stay, steps);
  const auto key = [](const Step& step) {
    return std::pair(step.second.at.value_or(absl::InfinitePast()), step.first);
  };
  std::sort(steps.begin(), steps.end(),
            [&](const Step& a, const Step& b) { return key(a) < key(b); });
  // The source records a move last, so the message may have been received here before.
  const auto arrival = std::find_if(steps.begin(), steps.end(), [](const Step& step) {
    return step.second.kind == TraceKind::kMovedIn;
  });
  if (arrival != steps.end() && arrival != steps.begin()) {
    arrival->second.at = steps.front().second.at;
    std::rotate(steps.begin(), arrival, arrival + 1);
  }
  stay.steps = Complete(std::move(steps), now);
}

// An instant that is not known is at least before the next one.
absl::Time Beginning(const Stay& stay, absl::Time now) {
  for (const TraceStep& step : stay.steps) {
    if (step.at.has_value()) return *step.at;
  }
  return now;
}

// The steps of a stay and of those that it led to, one after the other whatever the clocks of their shards say. The source records a
// move last, so the message has left it no later than anything happened to it where it went.
void AddChain(const Stay& first, std::vector<TraceStep>& all) {
  const size_t begin = all.size();
  for (const Stay* stay = &first; stay != nullptr; stay = stay->after) {
    all.insert(all.end(), stay->steps.begin(), stay->steps.end());
  }
  absl::Time next = absl::InfiniteFuture();
  for (size_t i = all.size(); i-- > begin;) {
    TraceStep& step = all[i];
    const bool moves = step.kind == TraceKind::kMovedOut || step.kind == TraceKind::kMovedIn;
    if (moves && step.at.has_value()) step.at = std::min(*step.at, next);
    next = step.at.value_or(next);
  }
}

}  // namespace

std::vector<TraceStep> DeriveTrace(const MessageHistory& history) {
  Stays stays = FindStays(history);
  for (auto& [key, stay] : stays) {
    stay.before = FindSource(stays, stay);
    if (stay.before != nullptr) stay.before->after = &stay;
  }
  std::vector<const Stay*> firsts;
  for (auto& [key, stay] : stays) {
    Tell(stay, history.now);
    if (stay.before == nullptr || stay.before->after != &stay) firsts.push_back(&stay);
  }
  std::stable_sort(firsts.begin(), firsts.end(), [&](const Stay* a, const Stay* b) {
    return Beginning(*a, history.now) < Beginning(*b, history.now);
  });
  std::vector<TraceStep> steps;
  for (const Stay* first : firsts) AddChain(*first, steps);
  return steps;
}

absl::StatusOr<std::vector<TraceStep>> Tracer::Trace(absl::string_view message_id,
                                                     absl::Time deadline) {
  if (running_.exchange(true)) {
    return MakeError(ErrorReason::kOverloaded,
                     "Another trace is running, and each reads the whole journal; try again.");
  }
  absl::StatusOr<MessageHistory> history = journal_.FindMessage(message_id, deadline);
  running_.store(false);
  if (!history.ok()) return history.status();
  return DeriveTrace(*history);
}

}  // namespace weir::queue::engine
