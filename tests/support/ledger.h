// What clients did to queues and what they were told: the ground truth of the tests that kill things.
//
// Clients record every send, receive, delivery, delete and change of visibility, with the time before the request and after its answer,
// and what the answer said. Check then proves that no promise was broken:
//   lost         what was acknowledged and not deleted is there when everything is drained
//   undead       no message is delivered by a receive that began after its delete was answered
//   early        no message is delivered again before the visibility timeout of an answered receive has ended
//   count        receive counts of a message rise from receive to receive; none is answered twice
//   unexplained  they rise by one, and by more only where a receive was not answered: nothing else makes a duplicate
//   altered      bodies and groups come back as they were sent
//   invented     no message that was not sent, or whose send surely failed; one id a message
//   misplaced    a message is in the queue that it was sent to, or in its dead-letter queue after enough receives
// and of FIFO queues:
//   sequence     within a group, sequence numbers rise in the order in which sends were acknowledged; receivers see them as senders did
//   order        no message is delivered while one ahead of it in its group is there, unless that one comes first in the same answer
//   exclusive    the same, where the one ahead is with another consumer whose visibility timeout runs
//   duplicated   sends with one deduplication id are one message for 5 minutes: all are answered with its id
// Answers that never came prove nothing either way, so an unknown outcome allows both.
//
// A message's body begins with a key of its own, unique in the ledger, up to the first '|'. In a FIFO queue a send may be repeated with
// the same key, group and deduplication id. Times are those of one monotonic clock.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace weir {

class Ledger {
 public:
  enum class Outcome {
    kOk,
    kFailed,   // surely not done: an error that says so
    kUnknown,  // no answer, or one that leaves it open
  };
  // Before the request was sent and after its answer had come.
  struct Interval {
    absl::Duration start;
    absl::Duration end;
  };
  struct Submission {
    std::string queue;
    std::string body;
    Interval at;
    Outcome outcome = Outcome::kOk;
    std::string message_id;  // when it was answered
    // FIFO queues.
    std::string group;
    std::string deduplication_id;
    std::string sequence_number;
    // Messages of one batch have its number in common, and are recorded in the order of its entries. 0: sent alone.
    int64_t batch = 0;
  };
  struct Delivery {
    std::string queue;
    std::string body;
    std::string message_id;
    int receive_count = 0;
    absl::Duration visibility_timeout;
    Interval at;
    // FIFO queues.
    std::string group;
    std::string sequence_number;
    // As of sends: the messages of one answer, recorded in its order.
    int64_t batch = 0;
  };
  using DeliveryId = int64_t;
  struct Queue {
    std::string name;
    std::string dead_letter_queue;  // empty: none
    int max_receive_count = 0;
    bool fifo = false;
  };

  // `slack`: how far the service's clock may lag behind ours when it computes a deadline.
  explicit Ledger(absl::Duration slack = absl::Milliseconds(500)) : slack_(slack) {}

  void AddQueue(Queue queue);

  void Sent(const Submission& submission);
  DeliveryId Delivered(const Delivery& delivery);
  // A receive whose outcome is unknown: messages may have been received that nobody saw.
  void ReceiveUnanswered(absl::string_view queue, Interval at);
  void Deleted(DeliveryId delivery, Interval at, Outcome outcome);
  void VisibilityChanged(DeliveryId delivery, absl::Duration timeout, Interval at, Outcome outcome);
  // Shown in histories.
  void Fault(absl::string_view what, Interval at);
  // From now on everything that is left is received, until the queues say that they are empty.
  void DrainStarted(absl::Duration at);

  struct Violation {
    std::string rule;  // "lost"
    std::string key;
    std::string what;     // a sentence
    std::string history;  // of this message, a line an event, in order of time
  };
  // REQUIRES: DrainStarted was called, and the drain has ended.
  std::vector<Violation> Check() const;

  // All that was recorded, a line an event, in order of time; docs/testing.md says how to read it.
  absl::Status WriteHistory(const std::string& path) const;

  struct Totals {
    int64_t acknowledged = 0;
    int64_t surely_failed = 0;
    int64_t unknown_sends = 0;
    int64_t deliveries = 0;
    int64_t redeliveries = 0;
    int64_t dead_lettered = 0;
    int64_t deletes_answered = 0;
    int64_t deletes_unknown = 0;
    int64_t in_groups = 0;  // acknowledged sends with a group
  };
  Totals totals() const;

  // The key of a body; the whole body when it has none.
  static absl::string_view KeyOf(absl::string_view body);

 private:
  struct Change {
    Interval at;
    Outcome outcome;
    absl::Duration timeout;
  };
  struct Delete {
    Interval at;
    Outcome outcome;
  };
  struct Receive {
    DeliveryId number;
    std::string queue;
    std::string message_id;
    int receive_count;
    absl::Duration visibility_timeout;
    Interval at;
    std::string group;
    std::string sequence_number;
    int64_t batch;
    uint64_t fingerprint;
    size_t bytes;
    std::vector<Change> changes;
    std::vector<Delete> deletes;
  };
  struct Send {
    int64_t number;  // in the order of the records
    std::string queue;
    std::string message_id;
    Interval at;
    Outcome outcome;
    std::string group;
    std::string deduplication_id;
    std::string sequence_number;
    int64_t batch;
    uint64_t fingerprint;
    size_t bytes;
  };
  struct Message {
    std::string key;
    std::vector<Send> sends;  // more than one: repeated with one deduplication id
    std::vector<Receive> receives;
  };
  struct FaultMark {
    std::string what;
    Interval at;
  };
  struct ReceiveRef {
    Message* message;
    size_t index;
  };
  // Messages that were sent to one queue with one deduplication id: one message in truth. Without an id a message is alone.
  using Family = std::vector<const Message*>;
  using Families = std::vector<Family>;
  // A family of a FIFO group, as order sees it.
  struct Member;
  using Group = std::vector<Member>;

  Families MakeFamilies() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Each adds what it finds wrong with one message.
  using Found = std::vector<std::pair<std::string, std::string>>;  // rule, sentence
  void CheckOrigin(const Message& message, Found& found) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CheckPlace(const Message& message, Found& found) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CheckLost(const Message& message, const Family& family, Found& found) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CheckPairs(const Message& message, Found& found) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CheckUndead(const Receive& earlier, const Receive& later, Found& found) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // `before`: the receive with the next lower count, if there is one.
  void CheckExplained(const Message& message, const Receive* before, const Receive& later,
                      Found& found) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Of FIFO queues; in ledger_fifo.cc.
  static void CheckDuplicated(const Family& family, Found& found);
  void CheckGroups(const Families& families, std::vector<Violation>& violations) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CheckSequence(const Group& group, std::vector<Violation>& violations) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CheckOrder(const Group& group, std::vector<Violation>& violations) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool MakeMember(const Family& family, Member& member, std::vector<Violation>& violations) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Violation Between(absl::string_view rule, const Member& behind, const Member& ahead,
                    std::string what) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Deleted, or found by the drain.
  bool Accounted(const Family& family) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  const Queue* Find(const std::string& queue) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsFifo(const std::string& queue) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Until when the receive hides the message at least, as far as its own client knows at `at`.
  static absl::Duration HiddenUntil(const Receive& receive, absl::Duration at);
  using Lines = std::vector<std::pair<absl::Duration, std::string>>;
  static void AddLines(const Message& message, const std::string& prefix, Lines& lines);
  std::string HistoryOf(const Family& messages) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const absl::Duration slack_;
  mutable Mutex mu_;
  std::map<std::string, Queue> queues_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Message, std::less<>> messages_ ABSL_GUARDED_BY(mu_);
  int64_t sends_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<ReceiveRef> receives_ ABSL_GUARDED_BY(mu_);  // by DeliveryId
  std::map<std::string, std::vector<Interval>> unanswered_ ABSL_GUARDED_BY(mu_);  // by queue
  std::vector<FaultMark> faults_ ABSL_GUARDED_BY(mu_);
  absl::Duration drain_started_ ABSL_GUARDED_BY(mu_) = absl::InfiniteDuration();
};

// All violations for people: a summary, then the first few with their histories. Empty: none.
std::string Describe(const std::vector<Ledger::Violation>& violations);
// One line a run prints.
std::string Describe(const Ledger::Totals& totals);

}  // namespace weir
