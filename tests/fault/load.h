// Clients that keep queues busy, through every kind of fault, and write down in a ledger what they did and were told.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "tests/support/ledger.h"
#include "weir/queue/v1/queue_service.grpc.pb.h"

namespace weir {

// Where the service is at the moment: a restart may change the port. Thread-safe.
class Endpoint {
 public:
  void Set(const std::string& address);
  // Null before the first Set.
  std::shared_ptr<grpc::Channel> channel() const;

 private:
  mutable Mutex mu_;
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mu_);
};

struct LoadQueue {
  std::string name;
  absl::Duration visibility_timeout = absl::Seconds(2);
  std::string dead_letter_queue;  // listed before the queues that use it
  int max_receive_count = 0;
  // Its messages have groups and deduplication ids, and sends are repeated, those without an answer above all.
  bool fifo = false;
  int partitions = 1;
};

class Load {
 public:
  struct Options {
    std::vector<LoadQueue> queues;
    uint64_t seed = 0;
    std::string key_prefix = "m";  // FIFO queues remember keys for 5 minutes: another one for each load
    int senders = 2;
    int receivers = 4;
    // Senders pause while so many messages are there.
    int64_t backlog_max = 1'500;
    absl::Duration call_timeout = absl::Seconds(5);  // beyond the wait of a receive
  };
  // References must outlive the load.
  Load(Options options, const Endpoint& endpoint, Ledger& ledger);
  ~Load() { Stop(); }

  // Creates the queues, repeating until `deadline` what may be repeated.
  absl::Status CreateQueues(absl::Time deadline);
  // With `endpoint`, a number of further clients that talk to another replica.
  void Start();
  void StartMore(const Endpoint& endpoint, int senders, int receivers);
  // Waits for the calls that run. May be called twice.
  void Stop();
  // Receives and deletes until all queues say that they are empty.
  // REQUIRES: stopped.
  absl::Status Drain(absl::Duration limit);

  // Time on the ledger's clock.
  absl::Duration Now() const;
  // Waits until so many more sends were answered with OK; false at the end of `limit`.
  bool AwaitProgress(int64_t sends, absl::Duration limit);
  // How often each error came, by code and reason: "UNAVAILABLE STORE_UNAVAILABLE".
  std::map<std::string, int64_t> errors() const;
  // Longest time from a request to an error answer; without the wait of receives.
  absl::Duration slowest_error() const;

 private:
  class Client;
  class Sender;

  void RunSender(const Endpoint& endpoint, uint64_t number);
  void RunReceiver(const Endpoint& endpoint, uint64_t number);
  void StartClients(const Endpoint& endpoint, int senders, int receivers);
  // A number that no other batch has.
  int64_t NextBatch() { return next_batch_.fetch_add(1) + 1; }
  // False: stopped meanwhile.
  bool Pause(absl::Duration duration);
  void NoteError(const grpc::Status& status, absl::Duration took);
  void NoteSent(int64_t acknowledged);
  void NoteDeleted(int64_t deleted) { backlog_.fetch_sub(deleted); }
  void DrainQueue(const LoadQueue& queue, absl::Time deadline);
  bool AllEmpty(std::string* counts);

  const Options options_;
  const Endpoint& endpoint_;
  Ledger& ledger_;
  const absl::Duration started_;

  std::atomic<int64_t> backlog_{0};
  std::atomic<int64_t> next_key_{0};
  std::atomic<int64_t> next_batch_{0};
  mutable Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  int64_t sends_answered_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, int64_t> errors_ ABSL_GUARDED_BY(mu_);
  absl::Duration slowest_error_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_;
  uint64_t clients_ = 0;
};

// What an answer says about whether the request was carried out.
Ledger::Outcome OutcomeOf(const grpc::Status& status);

// "UNAVAILABLE STORE_UNAVAILABLE", or without a reason when the service did not give one.
std::string ErrorName(const grpc::Status& status);

// The seed of WEIR_SEED, else one of the machine's; printed, so that a failure can be repeated.
uint64_t TestSeed();
// A number from the environment.
int EnvironmentOr(const char* name, int otherwise);

}  // namespace weir
