// What the ledger demands of FIFO queues. Positions are sequence numbers: CheckSequence holds them to the order of acknowledged sends,
// CheckOrder holds deliveries to them.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/support/ledger.h"

namespace weir {
namespace {

// Repeats within this time are surely in the window of 5 minutes, a request that was carried out late included.
constexpr absl::Duration kSurelyInWindow = absl::Minutes(4);

std::string Seconds(absl::Duration at) {
  return absl::StrFormat("%.3f", absl::ToDoubleSeconds(at));
}

}  // namespace

// A message of a group, with all that was sent under its deduplication id.
struct Ledger::Member {
  const Family* family = nullptr;
  const Queue* queue = nullptr;
  std::string group;
  std::string sequence_number;
  // It came to its position in between: not before the first send that may have been carried out, and by the first answer. Infinite: no
  // send was answered.
  absl::Duration from = absl::InfiniteDuration();
  absl::Duration by = absl::InfiniteDuration();
  // The only send, if there was one: what came in one batch is in its order.
  const Send* only_send = nullptr;
  std::vector<const Receive*> receives;  // from its own queue
  // It is certain that the message was there when a receive was carried out that had ended by then.
  absl::Duration there_until = -absl::InfiniteDuration();
};

void Ledger::CheckDuplicated(const Family& family, Found& found) {
  absl::Duration first = absl::InfiniteDuration();
  absl::Duration last = -absl::InfiniteDuration();
  std::set<std::string> ids;
  std::set<std::string> bodies;
  for (const Message* message : family) {
    for (const Send& send : message->sends) {
      if (send.outcome == Outcome::kFailed) continue;
      first = std::min(first, send.at.start);
      last = std::max(last, send.at.end);
      if (send.outcome == Outcome::kOk) ids.insert(send.message_id);
    }
    for (const Receive& receive : message->receives) {
      ids.insert(receive.message_id);
      bodies.insert(message->key);
    }
  }
  if (family.front()->sends.empty() || family.front()->sends.front().deduplication_id.empty()) return;
  if (last - first > kSurelyInWindow) return;
  if (ids.size() > 1) {
    found.emplace_back("duplicated",
                       absl::StrCat("One deduplication id stands for ", ids.size(), " messages: ",
                                    *ids.begin(), " and ", *std::next(ids.begin()), "."));
  } else if (bodies.size() > 1) {
    found.emplace_back("duplicated", "Under one deduplication id two bodies were delivered.");
  }
}

// False: nothing can be said of its order.
bool Ledger::MakeMember(const Family& family, Member& member, std::vector<Violation>& violations) const {
  if (family.front()->sends.empty()) return false;
  member.family = &family;
  member.queue = Find(family.front()->sends.front().queue);
  if (member.queue == nullptr || !member.queue->fifo) return false;

  std::set<std::string> groups;
  std::set<std::string> numbers;
  absl::Duration last = -absl::InfiniteDuration();
  absl::Duration first_delete = absl::InfiniteDuration();
  int sends = 0;
  for (const Message* message : family) {
    for (const Send& send : message->sends) {
      if (send.outcome == Outcome::kFailed) continue;
      ++sends;
      member.only_send = &send;
      groups.insert(send.group);
      member.from = std::min(member.from, send.at.start);
      last = std::max(last, send.at.end);
      if (send.outcome != Outcome::kOk) continue;
      member.by = std::min(member.by, send.at.end);
      numbers.insert(send.sequence_number);
    }
    for (const Receive& receive : message->receives) {
      for (const Delete& attempt : receive.deletes) {
        if (attempt.outcome != Outcome::kFailed) first_delete = std::min(first_delete, attempt.at.start);
      }
      if (receive.queue != member.queue->name) continue;
      numbers.insert(receive.sequence_number);
      member.receives.push_back(&receive);
      member.there_until = std::max(member.there_until, receive.at.start);
    }
  }
  if (sends != 1) member.only_send = nullptr;
  if (numbers.empty() || groups.size() != 1 || last - member.from > kSurelyInWindow) return false;
  if (numbers.size() > 1 || numbers.begin()->empty()) {
    violations.push_back({"sequence", family.front()->key,
                          absl::StrCat("It has ", numbers.size(), " sequence numbers, \"",
                                       *numbers.begin(), "\" and \"", *numbers.rbegin(), "\"."),
                          HistoryOf(family)});
    return false;
  }
  member.group = *groups.begin();
  member.sequence_number = *numbers.begin();
  // Receives that nobody saw may have brought it to a dead-letter queue.
  if (member.queue->max_receive_count == 0 && Accounted(family)) {
    member.there_until = std::max(member.there_until, first_delete);
  }
  return true;
}

void Ledger::CheckGroups(const Families& families, std::vector<Violation>& violations) const {
  std::map<std::pair<std::string, std::string>, Group> groups;
  for (const Family& family : families) {
    Member member;
    if (!MakeMember(family, member, violations)) continue;
    groups[{member.queue->name, member.group}].push_back(std::move(member));
  }
  for (auto& [name, group] : groups) {
    absl::c_sort(group, [](const Member& a, const Member& b) {
      return std::pair(a.sequence_number.size(), a.sequence_number) <
             std::pair(b.sequence_number.size(), b.sequence_number);
    });
    CheckSequence(group, violations);
    CheckOrder(group, violations);
  }
}

Ledger::Violation Ledger::Between(absl::string_view rule, const Member& behind, const Member& ahead,
                                  std::string what) const {
  Family both = *behind.family;
  both.insert(both.end(), ahead.family->begin(), ahead.family->end());
  return {std::string(rule), behind.family->front()->key, std::move(what), HistoryOf(both)};
}

void Ledger::CheckSequence(const Group& group, std::vector<Violation>& violations) const {
  const Member* latest = nullptr;         // of those before: the one that was sent last
  std::map<int64_t, const Member*> last;  // of each batch: the entry that stood furthest back
  for (const Member& member : group) {
    const std::string& key = member.family->front()->key;
    if (latest != nullptr && latest->sequence_number == member.sequence_number) {
      violations.push_back(
          Between("sequence", member, *latest, "Two messages of a group have one sequence number."));
    } else if (latest != nullptr && member.by < latest->from) {
      violations.push_back(Between(
          "sequence", member, *latest,
          absl::StrCat("Its send was acknowledged at ", Seconds(member.by), ", before ",
                       latest->family->front()->key, " was sent, whose sequence number is lower.")));
    }
    if (latest == nullptr || member.from > latest->from) latest = &member;
    if (member.only_send == nullptr || member.only_send->batch == 0) continue;
    const auto [before, first] = last.emplace(member.only_send->batch, &member);
    if (first) continue;
    if (before->second->only_send->number > member.only_send->number) {
      violations.push_back(Between("sequence", member, *before->second,
                                   absl::StrCat("In one batch ", key, " stood before ",
                                                before->second->family->front()->key,
                                                ", whose sequence number is lower.")));
    } else {
      before->second = &member;
    }
  }
}

void Ledger::CheckOrder(const Group& group, std::vector<Violation>& violations) const {
  // How long any of those up to an index was surely there.
  std::vector<absl::Duration> there_until;
  for (const Member& member : group) {
    there_until.push_back(there_until.empty() ? member.there_until
                                              : std::max(there_until.back(), member.there_until));
  }
  const auto first_in_answer = [](const Member& ahead, const Receive& receive) {
    return receive.batch != 0 && absl::c_any_of(ahead.receives, [&](const Receive* other) {
             return other->batch == receive.batch && other->number < receive.number;
           });
  };
  for (size_t behind = 1; behind < group.size(); ++behind) {
    for (const Receive* receive : group[behind].receives) {
      for (size_t i = behind; i-- > 0 && there_until[i] >= receive->at.end;) {
        const Member& ahead = group[i];
        if (ahead.there_until < receive->at.end || first_in_answer(ahead, *receive)) continue;
        const bool held = absl::c_any_of(ahead.receives, [&](const Receive* other) {
          return other->at.end <= receive->at.start &&
                 HiddenUntil(*other, receive->at.end) > receive->at.end + slack_;
        });
        violations.push_back(Between(
            held ? "exclusive" : "order", group[behind], ahead,
            absl::StrCat("Receive ", receive->receive_count, " delivered it at ",
                         Seconds(receive->at.end), ", while ", ahead.family->front()->key,
                         " stood ahead of it in group ", ahead.group,
                         held ? " and was with another consumer." : ".")));
        break;
      }
    }
  }
}

}  // namespace weir
