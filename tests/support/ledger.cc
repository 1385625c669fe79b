#include "tests/support/ledger.h"

#include <algorithm>
#include <functional>
#include <utility>

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

}  // namespace

absl::string_view Ledger::KeyOf(absl::string_view body) { return body.substr(0, body.find('|')); }

void Ledger::AddQueue(std::string queue, std::string dead_letter_queue, int max_receive_count) {
  MutexLock lock(&mu_);
  queues_[std::move(queue)] = {std::move(dead_letter_queue), max_receive_count};
}

void Ledger::Sent(absl::string_view queue, absl::string_view body, Interval at, Outcome outcome,
                  absl::string_view message_id) {
  MutexLock lock(&mu_);
  messages_[std::string(KeyOf(body))].sends.push_back(
      {std::string(queue), std::string(message_id), at, outcome, Fingerprint(body), body.size()});
}

Ledger::DeliveryId Ledger::Delivered(const Delivery& delivery) {
  MutexLock lock(&mu_);
  Message& message = messages_[std::string(KeyOf(delivery.body))];
  message.receives.push_back({delivery.queue, delivery.message_id, delivery.receive_count,
                              delivery.visibility_timeout, delivery.at, Fingerprint(delivery.body),
                              delivery.body.size(), {}, {}});
  receives_.push_back({&message, message.receives.size() - 1});
  return static_cast<DeliveryId>(receives_.size()) - 1;
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

std::vector<Ledger::Violation> Ledger::Check() const {
  MutexLock lock(&mu_);
  WEIR_CHECK(drain_started_ != absl::InfiniteDuration(), "Check before DrainStarted");
  std::vector<Violation> violations;
  for (const auto& [key, message] : messages_) {
    Found found;
    CheckOrigin(message, found);
    CheckPlace(message, found);
    CheckLost(message, found);
    CheckPairs(message, found);
    for (auto& [rule, what] : found) {
      violations.push_back({std::move(rule), key, std::move(what), HistoryOf(message)});
    }
  }
  return violations;
}

void Ledger::CheckOrigin(const Message& message, Found& found) const {
  if (message.receives.empty()) return;
  if (message.sends.empty()) {
    found.emplace_back("invented", "It was delivered, and nobody has sent it.");
    return;
  }
  const Send& send = message.sends.front();
  if (send.outcome == Outcome::kFailed) {
    found.emplace_back("invented", "It was delivered, though its send was answered as surely failed.");
  }
  const std::string& id =
      send.outcome == Outcome::kOk ? send.message_id : message.receives.front().message_id;
  for (const Receive& receive : message.receives) {
    if (receive.message_id != id) {
      found.emplace_back("invented", absl::StrCat("It was delivered under the ids ", id, " and ",
                                                  receive.message_id, "."));
    }
    if (receive.fingerprint != send.fingerprint || receive.bytes != send.bytes) {
      found.emplace_back("altered", absl::StrCat("Sent with ", send.bytes,
                                                 " bytes, it came back as others (", receive.bytes,
                                                 ")."));
    }
    if (receive.at.end < send.at.start) {
      found.emplace_back("invented", "It was delivered before it was sent.");
    }
  }
}

void Ledger::CheckPlace(const Message& message, Found& found) const {
  if (message.sends.empty()) return;
  const std::string& home = message.sends.front().queue;
  const auto rule = queues_.find(home);
  for (const Receive& receive : message.receives) {
    const bool limited = rule != queues_.end() && rule->second.max_receive_count > 0;
    if (receive.queue == home) {
      if (limited && receive.receive_count > rule->second.max_receive_count) {
        found.emplace_back(
            "misplaced",
            absl::StrCat("Receive ", receive.receive_count, " was answered from ", home,
                         ", whose redrive policy allows ", rule->second.max_receive_count, "."));
      }
    } else if (!limited || receive.queue != rule->second.dead_letter_queue) {
      found.emplace_back("misplaced",
                         absl::StrCat("Sent to ", home, ", it was delivered from ", receive.queue, "."));
    } else if (receive.receive_count <= rule->second.max_receive_count) {
      found.emplace_back(
          "misplaced",
          absl::StrCat("It was in the dead-letter queue at receive ", receive.receive_count,
                       ", though ", rule->second.max_receive_count, " were allowed before."));
    }
  }
}

void Ledger::CheckLost(const Message& message, Found& found) const {
  if (message.sends.empty() || message.sends.front().outcome != Outcome::kOk) return;
  for (const Receive& receive : message.receives) {
    if (receive.at.end >= drain_started_) return;
    for (const Delete& attempt : receive.deletes) {
      if (attempt.outcome != Outcome::kFailed) return;
    }
  }
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

void Ledger::CheckUndead(const Receive& earlier, const Receive& later, Found& found) {
  for (const Delete& attempt : earlier.deletes) {
    if (attempt.outcome != Outcome::kOk || later.at.start <= attempt.at.end) continue;
    // A delete with a receipt that is no longer the newest does nothing. It was the newest while its receive hid the message, and
    // when the very next receive of the queue came only after the delete.
    const bool hidden = attempt.at.end < HiddenUntil(earlier, attempt.at.end);
    const bool next = later.receive_count == earlier.receive_count + 1 && later.queue == earlier.queue;
    if (!hidden && !next) continue;
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

std::string Ledger::HistoryOf(const Message& message) const {
  std::vector<std::pair<absl::Duration, std::string>> lines;
  const auto add = [&](Interval at, const std::string& text) {
    lines.emplace_back(at.start, Line(at, text));
  };
  for (const Send& send : message.sends) {
    add(send.at, absl::StrCat("send to ", send.queue, ": ", OutcomeName(send.outcome), " ",
                              send.message_id));
  }
  for (const Receive& receive : message.receives) {
    const std::string name = absl::StrCat("receive ", receive.receive_count);
    add(receive.at, absl::StrCat(name, " from ", receive.queue, ", hidden for ",
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
  if (lines.empty()) return "";
  for (const FaultMark& fault : faults_) add(fault.at, absl::StrCat("— ", fault.what));
  lines.emplace_back(drain_started_, Line({drain_started_, drain_started_}, "— drain starts"));
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string history;
  for (const auto& [at, line] : lines) history += line;
  return history;
}

Ledger::Totals Ledger::totals() const {
  MutexLock lock(&mu_);
  Totals totals;
  for (const auto& [key, message] : messages_) {
    for (const Send& send : message.sends) {
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
