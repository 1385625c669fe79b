// What clients did to queues and what they were told: the ground truth of the tests that kill things.
//
// Clients record every send, delivery, delete and change of visibility, with the time before the request and after its answer, and
// what the answer said. Check then proves that no promise was broken:
//   lost        what was acknowledged and not deleted is there when everything is drained
//   undead      no message is delivered by a receive that began after its delete was answered
//   early       no message is delivered again before the visibility timeout of an answered receive has ended
//   count       receive counts of a message rise from receive to receive; none is answered twice
//   altered     bodies come back as they were sent
//   invented    no message that was not sent, or whose send surely failed; one id a message
//   misplaced   a message is in the queue that it was sent to, or in its dead-letter queue after enough receives
// Answers that never came prove nothing either way, so an unknown outcome allows both.
//
// A message's body begins with a key of its own, unique in the ledger, up to the first '|'. Times are those of one monotonic clock.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
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
  struct Delivery {
    std::string queue;
    std::string body;
    std::string message_id;
    int receive_count = 0;
    absl::Duration visibility_timeout;
    Interval at;
  };
  using DeliveryId = int64_t;

  // `slack`: how far the service's clock may lag behind ours when it computes a deadline.
  explicit Ledger(absl::Duration slack = absl::Milliseconds(500)) : slack_(slack) {}

  // Without a dead-letter queue: empty and 0.
  void AddQueue(std::string queue, std::string dead_letter_queue, int max_receive_count);

  void Sent(absl::string_view queue, absl::string_view body, Interval at, Outcome outcome,
            absl::string_view message_id);
  DeliveryId Delivered(const Delivery& delivery);
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

  struct Totals {
    int64_t acknowledged = 0;
    int64_t surely_failed = 0;
    int64_t unknown_sends = 0;
    int64_t deliveries = 0;
    int64_t redeliveries = 0;
    int64_t dead_lettered = 0;
    int64_t deletes_answered = 0;
    int64_t deletes_unknown = 0;
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
    std::string queue;
    std::string message_id;
    int receive_count;
    absl::Duration visibility_timeout;
    Interval at;
    uint64_t fingerprint;
    size_t bytes;
    std::vector<Change> changes;
    std::vector<Delete> deletes;
  };
  struct Send {
    std::string queue;
    std::string message_id;
    Interval at;
    Outcome outcome;
    uint64_t fingerprint;
    size_t bytes;
  };
  struct Message {
    std::vector<Send> sends;  // one, unless the test has a mistake
    std::vector<Receive> receives;
  };
  struct QueueRule {
    std::string dead_letter_queue;
    int max_receive_count = 0;
  };
  struct FaultMark {
    std::string what;
    Interval at;
  };
  struct ReceiveRef {
    Message* message;
    size_t index;
  };

  // Each adds what it finds wrong with one message.
  using Found = std::vector<std::pair<std::string, std::string>>;  // rule, sentence
  void CheckOrigin(const Message& message, Found& found) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CheckPlace(const Message& message, Found& found) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CheckLost(const Message& message, Found& found) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CheckPairs(const Message& message, Found& found) const;
  static void CheckUndead(const Receive& earlier, const Receive& later, Found& found);
  // Until when the receive hides the message at least, as far as its own client knows at `at`.
  static absl::Duration HiddenUntil(const Receive& receive, absl::Duration at);
  std::string HistoryOf(const Message& message) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const absl::Duration slack_;
  mutable Mutex mu_;
  std::map<std::string, QueueRule> queues_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Message, std::less<>> messages_ ABSL_GUARDED_BY(mu_);
  std::vector<ReceiveRef> receives_ ABSL_GUARDED_BY(mu_);  // by DeliveryId
  std::vector<FaultMark> faults_ ABSL_GUARDED_BY(mu_);
  absl::Duration drain_started_ ABSL_GUARDED_BY(mu_) = absl::InfiniteDuration();
};

// All violations for people: a summary, then the first few with their histories. Empty: none.
std::string Describe(const std::vector<Ledger::Violation>& violations);

}  // namespace weir
