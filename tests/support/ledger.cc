#include "tests/support/ledger.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <set>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/check.h"

namespace weir {
namespace {

uint64_t Fingerprint(absl::string_view body) {
  return std::hash<std::string>()(std::string(body));
}

absl::string_view OutcomeName(Ledger::Outcome outcome) {
  switch (outcome) {
    case Ledger::Outcome::kOk:
      return "OK";
    case Ledger::Outcome::kFailed:
      return "surely failed";
    case Ledger::Outcome::kUnknown:
      return "outcome unknown";
  }
  return "?";
}

std::string Seconds(absl::Duration at) {
  return absl::StrFormat("%.3f", absl::ToDoubleSeconds(at));
}

std::string Line(Ledger::Interval at, absl::string_view text) {
  return absl::StrCat("  ", Seconds(at.start), "..", Seconds(at.end), "  ", text, "\n");
}

std::string InOrder(std::vector<std::pair<absl::Duration, std::string>>& lines) {
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string history;
  for (const auto& [at, line] : lines) history += line;
  return history;
}

// How long after its caller has given up a request may still be carried out: a process that was stopped goes on where it was.
constexpr absl::Duration kLateMax = absl::Minutes(1);

}  // namespace

absl::string_view Ledger::KeyOf(absl::string_view body) { return body.substr(0, body.find('|')); }

void Ledger::AddQueue(Queue queue) {
  MutexLock lock(&mu_);
  queues_[queue.name] = std::move(queue);
}

const Ledger::Queue* Ledger::Find(const std::string& queue) const {
  const auto found = queues_.find(queue);
  return found == queues_.end() ? nullptr : &found->second;
}

bool Ledger::IsFifo(const std::string& queue) const {
  const Queue* found = Find(queue);
  return found != nullptr && found->fifo;
}

void Ledger::Sent(const Submission& sent) {
  MutexLock lock(&mu_);
  Message& message = messages_[std::string(KeyOf(sent.body))];
  message.key = std::string(KeyOf(sent.body));
  message.sends.push_back({sends_++, sent.queue, sent.message_id, sent.at, sent.outcome, sent.group,
                           sent.deduplication_id, sent.sequence_number, sent.batch,
                           Fingerprint(sent.body), sent.body.size()});
}

Ledger::DeliveryId Ledger::Delivered(const Delivery& delivery) {
  MutexLock lock(&mu_);
  Message& message = messages_[std::string(KeyOf(delivery.body))];
  message.key = std::string(KeyOf(delivery.body));
  const auto number = static_cast<DeliveryId>(receives_.size());
  message.receives.push_back({number, delivery.queue, delivery.message_id, delivery.receive_count,
                              delivery.visibility_timeout, delivery.at, delivery.group,
                              delivery.sequence_number, delivery.batch, Fingerprint(delivery.body),
                              delivery.body.size(), {}, {}});
  receives_.push_back({&message, message.receives.size() - 1});
  return number;
}

void Ledger::ReceiveUnanswered(absl::string_view queue, Interval at) {
  MutexLock lock(&mu_);
  unanswered_[std::string(queue)].push_back(at);
}

void Ledger::Deleted(DeliveryId delivery, Interval at, Outcome outcome) {
  MutexLock lock(&mu_);
  const ReceiveRef& ref = receives_.at(delivery);
  ref.message->receives[ref.index].deletes.push_back({at, outcome});
}

void Ledger::VisibilityChanged(DeliveryId delivery, absl::Duration timeout, Interval at,
                               Outcome outcome) {
  MutexLock lock(&mu_);
  const ReceiveRef& ref = receives_.at(delivery);
  ref.message->receives[ref.index].changes.push_back({at, outcome, timeout});
}

void Ledger::Fault(absl::string_view what, Interval at) {
  MutexLock lock(&mu_);
  faults_.push_back({std::string(what), at});
}

void Ledger::DrainStarted(absl::Duration at) {
  MutexLock lock(&mu_);
  drain_started_ = at;
}

// ---- The rules ------------------------------------------------------------------------------------------------------------

std::vector<Ledger::Violation> Ledger::Check() const {
  MutexLock lock(&mu_);
  WEIR_CHECK(drain_started_ != absl::InfiniteDuration(), "Check before DrainStarted");
  std::vector<Violation> violations;
  const Families families = MakeFamilies();
  for (const Family& family : families) {
    for (const Message* message : family) {
      Found found;
      CheckOrigin(*message, found);
      CheckPlace(*message, found);
      CheckLost(*message, family, found);
      CheckPairs(*message, found);
      if (message == family.front()) CheckDuplicated(family, found);
      for (auto& [rule, what] : found) {
        violations.push_back({std::move(rule), message->key, std::move(what),
                              HistoryOf(family)});
      }
    }
  }
  CheckGroups(families, violations);
  return violations;
}

Ledger::Families Ledger::MakeFamilies() const {
  Families families;
  std::map<std::pair<std::string, std::string>, size_t> by_id;
  for (const auto& [key, message] : messages_) {
    if (message.sends.empty() || message.sends.front().deduplication_id.empty()) {
      families.push_back({&message});
      continue;
    }
    const Send& send = message.sends.front();
    const auto [at, first] = by_id.emplace(std::pair(send.queue, send.deduplication_id), families.size());
    if (first) families.emplace_back();
    families[at->second].push_back(&message);
  }
  return families;
}

void Ledger::CheckOrigin(const Message& message, Found& found) const {
  if (message.receives.empty()) return;
  if (message.sends.empty()) {
    found.emplace_back("invented", "It was delivered, and nobody has sent it.");
    return;
  }
  const Send& send = message.sends.front();
  if (absl::c_all_of(message.sends, [](const Send& s) { return s.outcome == Outcome::kFailed; })) {
    found.emplace_back("invented", "It was delivered, though its send was answered as surely failed.");
  }
  const auto answered =
      absl::c_find_if(message.sends, [](const Send& s) { return s.outcome == Outcome::kOk; });
  const std::string& id = answered != message.sends.end() ? answered->message_id
                                                          : message.receives.front().message_id;
  for (const Receive& receive : message.receives) {
    // What is said of one id by many sends, CheckDuplicated says.
    if (receive.message_id != id && send.deduplication_id.empty()) {
      found.emplace_back("invented", absl::StrCat("It was delivered under the ids ", id, " and ",
                                                  receive.message_id, "."));
    }
    if (receive.fingerprint != send.fingerprint || receive.bytes != send.bytes) {
      found.emplace_back("altered", absl::StrCat("Sent with ", send.bytes,
                                                 " bytes, it came back as others (", receive.bytes,
                                                 ")."));
    }
    if (receive.group != send.group) {
      found.emplace_back("altered", absl::StrCat("Sent in group \"", send.group,
                                                 "\", it came back in group \"", receive.group,
                                                 "\"."));
    }
    if (receive.at.end < send.at.start) {
      found.emplace_back("invented", "It was delivered before it was sent.");
    }
  }
}

void Ledger::CheckPlace(const Message& message, Found& found) const {
  if (message.sends.empty()) return;
  const std::string& home = message.sends.front().queue;
  const Queue* rule = Find(home);
  for (const Receive& receive : message.receives) {
    const bool limited = rule != nullptr && rule->max_receive_count > 0;
    if (receive.queue == home) {
      if (limited && receive.receive_count > rule->max_receive_count) {
        found.emplace_back(
            "misplaced",
            absl::StrCat("Receive ", receive.receive_count, " was answered from ", home,
                         ", whose redrive policy allows ", rule->max_receive_count, "."));
      }
    } else if (!limited || receive.queue != rule->dead_letter_queue) {
      found.emplace_back("misplaced",
                         absl::StrCat("Sent to ", home, ", it was delivered from ", receive.queue, "."));
    } else if (receive.receive_count <= rule->max_receive_count) {
      found.emplace_back(
          "misplaced",
          absl::StrCat("It was in the dead-letter queue at receive ", receive.receive_count,
                       ", though ", rule->max_receive_count, " were allowed before."));
    }
  }
}

bool Ledger::Accounted(const Family& family) const {
  for (const Message* message : family) {
    for (const Receive& receive : message->receives) {
      if (receive.at.end >= drain_started_) return true;
      for (const Delete& attempt : receive.deletes) {
        if (attempt.outcome != Outcome::kFailed) return true;
      }
    }
  }
  return false;
}

void Ledger::CheckLost(const Message& message, const Family& family, Found& found) const {
  if (absl::c_none_of(message.sends, [](const Send& s) { return s.outcome == Outcome::kOk; })) return;
  if (Accounted(family)) return;
  found.emplace_back("lost", "Its send was acknowledged, it was never deleted, and the drain from " +
                                 Seconds(drain_started_) + " on did not find it.");
}

void Ledger::CheckPairs(const Message& message, Found& found) const {
  std::vector<const Receive*> receives;
  for (const Receive& receive : message.receives) receives.push_back(&receive);
  std::stable_sort(receives.begin(), receives.end(), [](const Receive* a, const Receive* b) {
    return a->receive_count < b->receive_count;
  });
  for (size_t i = 0; i < receives.size(); ++i) {
    CheckExplained(message, i == 0 ? nullptr : receives[i - 1], *receives[i], found);
    for (size_t j = i + 1; j < receives.size(); ++j) {
      const Receive& earlier = *receives[i];
      const Receive& later = *receives[j];
      if (earlier.receive_count == later.receive_count) {
        found.emplace_back("count", absl::StrCat("Two receives were answered with the count ",
                                                 later.receive_count, "."));
        continue;
      }
      if (later.at.end < earlier.at.start) {
        found.emplace_back("count",
                           absl::StrCat("The receive count went down from ", later.receive_count,
                                        " to ", earlier.receive_count, "."));
        continue;
      }
      const absl::Duration hidden_until = HiddenUntil(earlier, later.at.end);
      if (later.at.end + slack_ < hidden_until) {
        found.emplace_back(
            "early", absl::StrCat("Receive ", earlier.receive_count, " hid it until ",
                                  Seconds(hidden_until), " at least, yet receive ",
                                  later.receive_count, " had it at ", Seconds(later.at.end), "."));
      }
      CheckUndead(earlier, later, found);
    }
  }
}

void Ledger::CheckExplained(const Message& message, const Receive* before, const Receive& later,
                            Found& found) const {
  const int skipped = later.receive_count - (before == nullptr ? 0 : before->receive_count) - 1;
  if (skipped <= 0 || message.sends.empty()) return;
  // In the order of counts; where times contradict it, another rule is broken.
  const absl::Duration since = before == nullptr ? message.sends.front().at.start : before->at.start;
  std::set<std::string> queues = {message.sends.front().queue, later.queue};
  int explained = 0;
  for (const std::string& queue : queues) {
    const auto unanswered = unanswered_.find(queue);
    if (unanswered == unanswered_.end()) continue;
    explained += static_cast<int>(absl::c_count_if(unanswered->second, [&](const Interval& at) {
      return at.start <= later.at.end && at.end + kLateMax >= since;
    }));
  }
  if (explained >= skipped) return;
  found.emplace_back(
      "unexplained",
      absl::StrCat("Receive ", later.receive_count, " came after receive ",
                   before == nullptr ? 0 : before->receive_count, ", and of the receives since ",
                   Seconds(since), " only ", explained, " may have been carried out unanswered."));
}

void Ledger::CheckUndead(const Receive& earlier, const Receive& later, Found& found) const {
  for (const Delete& attempt : earlier.deletes) {
    if (attempt.outcome != Outcome::kOk || later.at.start <= attempt.at.end) continue;
    // A delete with a receipt that is no longer the newest does nothing. It was the newest while its receive hid the message, and
    // when the very next receive of the queue came only after the delete.
    const bool hidden = attempt.at.end < HiddenUntil(earlier, attempt.at.end);
    const bool same_queue = later.queue == earlier.queue;
    const bool next = later.receive_count == earlier.receive_count + 1 && same_queue;
    // A FIFO queue refuses the receipts of receives that are over.
    const bool refuses = same_queue && IsFifo(later.queue);
    if (!hidden && !next && !refuses) continue;
    found.emplace_back("undead", absl::StrCat("Its delete with receive ", earlier.receive_count,
                                              " was answered at ", Seconds(attempt.at.end),
                                              ", yet receive ", later.receive_count, " began at ",
                                              Seconds(later.at.start), " and delivered it."));
  }
}

absl::Duration Ledger::HiddenUntil(const Receive& receive, absl::Duration at) {
  absl::Duration until = receive.at.start + receive.visibility_timeout;
  for (const Change& change : receive.changes) {
    if (change.at.start > at || change.outcome == Outcome::kFailed) continue;
    const absl::Duration changed = change.at.start + change.timeout;
    // While the message was still hidden the receipt was the newest, so an answered change holds. Else it may have had no effect.
    const bool holds = change.outcome == Outcome::kOk && change.at.end < until;
    until = holds ? changed : std::min(until, changed);
  }
  return until;
}

// ---- For people -----------------------------------------------------------------------------------------------------------

void Ledger::AddLines(const Message& message, const std::string& prefix, Lines& lines) {
  const auto add = [&](Interval at, const std::string& text) {
    lines.emplace_back(at.start, Line(at, prefix + text));
  };
  for (const Send& send : message.sends) {
    std::string order;
    if (!send.group.empty()) absl::StrAppend(&order, " group ", send.group);
    if (!send.deduplication_id.empty()) absl::StrAppend(&order, " deduplicated by ", send.deduplication_id);
    add(send.at, absl::StrCat("send to ", send.queue, order, ": ", OutcomeName(send.outcome), " ",
                              send.message_id, send.sequence_number.empty() ? "" : " number ",
                              send.sequence_number));
  }
  for (const Receive& receive : message.receives) {
    const std::string name = absl::StrCat("receive ", receive.receive_count);
    const std::string order = receive.group.empty() ? ""
                                                    : absl::StrCat(" group ", receive.group, " number ",
                                                                   receive.sequence_number);
    add(receive.at, absl::StrCat(name, " from ", receive.queue, order, ", hidden for ",
                                 absl::FormatDuration(receive.visibility_timeout)));
    for (const Change& change : receive.changes) {
      add(change.at, absl::StrCat("visibility of ", name, " changed to ",
                                  absl::FormatDuration(change.timeout), ": ",
                                  OutcomeName(change.outcome)));
    }
    for (const Delete& attempt : receive.deletes) {
      add(attempt.at, absl::StrCat("delete with ", name, ": ", OutcomeName(attempt.outcome)));
    }
  }
}

std::string Ledger::HistoryOf(const Family& messages) const {
  Lines lines;
  for (const Message* message : messages) {
    AddLines(*message, messages.size() > 1 ? message->key + ": " : "", lines);
  }
  if (lines.empty()) return "";
  const absl::Duration first = absl::c_min_element(lines)->first;
  const absl::Duration last = absl::c_max_element(lines)->first;
  for (const FaultMark& fault : faults_) {
    if (fault.at.end >= first && fault.at.start <= last) {
      lines.emplace_back(fault.at.start, Line(fault.at, absl::StrCat("— ", fault.what)));
    }
  }
  lines.emplace_back(drain_started_, Line({drain_started_, drain_started_}, "— drain starts"));
  return InOrder(lines);
}

absl::Status Ledger::WriteHistory(const std::string& path) const {
  MutexLock lock(&mu_);
  Lines lines;
  for (const auto& [key, message] : messages_) AddLines(message, key + ": ", lines);
  for (const auto& [queue, intervals] : unanswered_) {
    for (const Interval& at : intervals) {
      lines.emplace_back(at.start,
                         Line(at, absl::StrCat("receive from ", queue, ": outcome unknown")));
    }
  }
  for (const FaultMark& fault : faults_) {
    lines.emplace_back(fault.at.start, Line(fault.at, absl::StrCat("— ", fault.what)));
  }
  if (drain_started_ != absl::InfiniteDuration()) {
    lines.emplace_back(drain_started_, Line({drain_started_, drain_started_}, "— drain starts"));
  }
  std::ofstream file(path);
  file << InOrder(lines);
  file.close();
  if (!file) return absl::UnavailableError(absl::StrCat("The history cannot be written to ", path, "."));
  return absl::OkStatus();
}

Ledger::Totals Ledger::totals() const {
  MutexLock lock(&mu_);
  Totals totals;
  for (const auto& [key, message] : messages_) {
    for (const Send& send : message.sends) {
      if (send.outcome == Outcome::kOk && !send.group.empty()) ++totals.in_groups;
      ++(send.outcome == Outcome::kOk       ? totals.acknowledged
         : send.outcome == Outcome::kFailed ? totals.surely_failed
                                            : totals.unknown_sends);
    }
    bool moved = false;
    for (const Receive& receive : message.receives) {
      ++totals.deliveries;
      if (receive.receive_count > 1) ++totals.redeliveries;
      moved = moved || (!message.sends.empty() && receive.queue != message.sends.front().queue);
      for (const Delete& attempt : receive.deletes) {
        if (attempt.outcome == Outcome::kOk) ++totals.deletes_answered;
        if (attempt.outcome == Outcome::kUnknown) ++totals.deletes_unknown;
      }
    }
    if (moved) ++totals.dead_lettered;
  }
  return totals;
}

std::string Describe(const Ledger::Totals& totals) {
  return absl::StrFormat(
      "%d sends acknowledged (%d in groups), %d unknown, %d surely failed; %d deliveries, %d again, %d "
      "dead-lettered; %d deletes",
      totals.acknowledged, totals.in_groups, totals.unknown_sends, totals.surely_failed,
      totals.deliveries, totals.redeliveries, totals.dead_lettered, totals.deletes_answered);
}

std::string Describe(const std::vector<Ledger::Violation>& violations) {
  if (violations.empty()) return "";
  constexpr size_t kShown = 8;
  std::map<std::string, int> by_rule;
  for (const Ledger::Violation& violation : violations) ++by_rule[violation.rule];
  std::string text = absl::StrCat(violations.size(), " broken promises:");
  for (const auto& [rule, count] : by_rule) absl::StrAppend(&text, " ", rule, " ", count);
  absl::StrAppend(&text, "\n");
  for (size_t i = 0; i < std::min(kShown, violations.size()); ++i) {
    const Ledger::Violation& violation = violations[i];
    absl::StrAppend(&text, violation.rule, ": message ", violation.key, ". ", violation.what, "\n",
                    violation.history);
  }
  return text;
}

}  // namespace weir
