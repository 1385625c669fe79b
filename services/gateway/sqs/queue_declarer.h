// Brings the queues of a service to what a file declares (queues_file.h): creates those that are missing, and sets the attributes and
// tags that are different. What the file does not mention stays as it is, be it a queue, an attribute or a tag. While the service cannot
// be reached, or is asked to wait for, it is tried again.
//
// One thread, until all is done. Thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "services/gateway/sqs/queues_file.h"
#include "services/gateway/wire/service.h"

namespace weir::gateway::sqs {

struct DeclarerOptions {
  std::string path;  // of the file, for what is said of it
  // Called on its thread once the queues are there, before Await says so.
  std::function<void()> when_there = [] {};
  // Between tries: from the first, doubled, to the last.
  absl::Duration pause_min = absl::Milliseconds(50);
  absl::Duration pause_max = absl::Seconds(2);
};

class QueueDeclarer {
 public:
  // Of SQS. It must outlive this.
  QueueDeclarer(wire::Service& service, std::vector<DeclaredQueue> queues, DeclarerOptions options);
  ~QueueDeclarer() { Stop(); }

  // OK: the queues are there. FAILED_PRECONDITION: one of them cannot become what the file says, and the rest were left. CANCELLED: it
  // was stopped before. DEADLINE_EXCEEDED: none of these yet.
  absl::Status Await(absl::Duration timeout) const;

  // Ends it, done or not. May be called twice.
  void Stop();

 private:
  struct Answer;

  absl::Status Run();
  absl::Status Declare(const DeclaredQueue& queue);
  // One try.
  wire::Outcome Bring(const DeclaredQueue& queue);
  wire::Outcome Create(const DeclaredQueue& queue);
  wire::Outcome Change(const DeclaredQueue& queue, const wire::Value& current);
  wire::Outcome Call(absl::string_view operation, const DeclaredQueue& queue, wire::Value input);
  bool stopping() const;
  // False: it is stopped.
  bool Pause(absl::Duration duration);

  wire::Service& service_;
  const std::vector<DeclaredQueue> queues_;
  const DeclarerOptions options_;

  mutable Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  wire::Service::Cancel cancel_ ABSL_GUARDED_BY(mu_);  // of the call that runs
  std::optional<absl::Status> outcome_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;  // last: it uses the rest
};

}  // namespace weir::gateway::sqs
