// Counts that every message came back: once, whole, and under the id that its sender was told.
//
// A message is named by its sender (a cycler) and a number; both stand at the head of its body, so
// whoever receives it can look it up. Thread-safe: a lock a sender, so that it is hardly ever
// waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "libs/base/mutex.h"

namespace weir::bench {

struct MessageKey {
  uint32_t sender = 0;
  uint32_t number = 0;
};

class MessageLedger {
 public:
  // The head of a body, so also its least length.
  static constexpr size_t kHeadBytes = 14;

  // REQUIRES: body_bytes >= kHeadBytes.
  MessageLedger(int senders, size_t body_bytes);

  // Bodies of messages that were in the queue before: numbers 0 to `messages` - 1. They may be
  // received as others are, but need not.
  void ExpectBacklog(int64_t messages);
  // REQUIRES: body_bytes >= kHeadBytes.
  static std::string BacklogBody(uint32_t number, size_t body_bytes);

  // Makes the body of `sender`'s next message. `now` comes back from Deleted.
  MessageKey Next(uint32_t sender, int64_t now, std::string& body);
  // The sender was told that the message is stored, and under which id (never 0).
  void Sent(MessageKey key, uint64_t id);
  // Nothing for a body that is not, or not any more, as Next made it; it counts as damaged.
  std::optional<MessageKey> Received(absl::string_view body, uint64_t id);
  // When the message was made; 0 for the backlog.
  int64_t Deleted(MessageKey key);

  struct Totals {
    int64_t sent = 0;      // those whose send was answered
    int64_t received = 0;  // different ones
    int64_t deleted = 0;
    int64_t lost = 0;        // sent, never received
    int64_t duplicated = 0;  // receives beyond the first
    int64_t damaged = 0;     // wrong body, or another id than the sender's
    int64_t backlog = 0;     // were there before
    int64_t left = 0;        // the queue still counts them
    bool AllCameBack() const {
      return lost == 0 && duplicated == 0 && damaged == 0 && deleted + left == sent + backlog;
    }
  };
  // `left`: messages that are still in the queue, behind the backlog or of it. Without a backlog
  // each message is looked for; with one, those are lost that were neither deleted nor left.
  Totals Count(int64_t left = 0) const;

 private:
  struct Entry {
    int64_t made_at = 0;
    uint64_t sent_id = 0;      // 0: not answered
    uint64_t received_id = 0;  // 0: not received
    uint16_t receives = 0;
    bool deleted = false;
  };
  struct Sender {
    mutable Mutex mu;
    std::vector<Entry> entries ABSL_GUARDED_BY(mu);
  };

  Sender* Find(uint32_t sender) const;
  absl::string_view Filling(uint32_t number) const;

  const size_t body_bytes_;
  const std::string filling_;
  std::vector<std::unique_ptr<Sender>> senders_;
  std::unique_ptr<Sender> backlog_;
  mutable Mutex damaged_mu_;
  int64_t damaged_ ABSL_GUARDED_BY(damaged_mu_) = 0;
};

}  // namespace weir::bench
