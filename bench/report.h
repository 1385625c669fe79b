// What a workload is asked for and what it answers, alike for all workloads, so that their outputs
// can be laid side by side.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bench/histogram.h"
#include "bench/message_ledger.h"

namespace weir::bench {

struct Options {
  std::string target;  // HOST:PORT of the queue service or the broker; replicas: HOST:PORT,HOST:PORT
  std::string
      database_url;      // skip-locked and journal; optional for cycle, whose PostgreSQL it tells
  int connections = 64;  // cyclers: each sends, receives and deletes, one call at a time
  int channels = 4;      // cycle: TCP connections that carry them
  int batch = 1;         // messages a call; journal: cycles a commit
  int body = 100;        // bytes
  int queues = 1;
  std::string
      queue;  // fill: the queue or the head of their names; cycle: one that is there already
  int fill_queues = 1;   // fill
  int64_t messages = 0;  // fill: a queue
  int64_t backlog = 0;   // cycle: how many messages `fill` has left in that queue
  int shards = 4;        // journal
  int credit = 2'000;    // stream: messages that a consumer may hold
  int outstanding = 1;   // rabbitmq, stream: messages of a publisher that are not confirmed yet
  int consumers = 4;     // rabbitmq, stream
  double rate = 200;     // latency and insert-commit: messages a second
  double seconds = 10;
  double warmup = 1;       // before the measurement begins
  pid_t server_pid = 0;    // 0: not known; a broker's is the first of all its processes
  pid_t postgres_pid = 0;  // its first process; 0: found by database_url where possible
  bool json = false;

  // INVALID_ARGUMENT with the option, its value and what is allowed.
  absl::Status Validate() const;
};

// A clock for latencies.
int64_t MonotonicNanoseconds();

// What one thread measured.
struct Measured {
  Histogram send;
  Histogram receive;
  Histogram del;
  Histogram end_to_end;  // a message: from the call that sends it to the answer of the call that
                         // deletes it
  int64_t cycles = 0;    // messages sent, received and deleted
  int64_t empty_receives = 0;

  void Merge(const Measured& other);
};

// The CPU time of all who take part, between Start and Stop. A process that is not known is left
// out.
class CpuMeter {
 public:
  // Of the server: the process alone (PostgreSQL may be a child of Weir's), or all that it started.
  enum class Server { kProcess, kTree };
  CpuMeter(pid_t server_pid, pid_t postgres_pid, Server server = Server::kProcess)
      : server_pid_(server_pid), postgres_pid_(postgres_pid), server_(server) {}

  void Start() { started_ = Now(); }
  void Stop() { stopped_ = Now(); }

  std::optional<double> client() const { return Between(&Times::client); }
  std::optional<double> server() const { return Between(&Times::server); }
  std::optional<double> postgres() const { return Between(&Times::postgres); }
  // Of the whole machine: when others take much of it, rates say little, and CPU a cycle says more.
  std::optional<double> machine() const { return Between(&Times::machine); }

 private:
  struct Times {
    std::optional<double> client, server, postgres, machine;
  };
  Times Now() const;
  std::optional<double> Between(std::optional<double> Times::*which) const;

  const pid_t server_pid_;
  const pid_t postgres_pid_;
  const Server server_;
  Times started_;
  Times stopped_;
};

// The warm-up, then the measurement: `set_measuring` is told when it begins and ends, `run` lets
// the workload go on for a time. Answers how long the measurement took.
absl::Duration MeasureWindow(const Options& options, CpuMeter& cpu,
                             absl::FunctionRef<void(bool measure)> set_measuring,
                             absl::FunctionRef<void(absl::Duration)> run);
// The same for workloads whose threads go on by themselves.
absl::Duration MeasureWindow(const Options& options, CpuMeter& cpu, std::atomic<bool>& measuring);

struct Report {
  absl::string_view workload;
  absl::Duration took;  // of the measurement, without warm-up and end
  Measured measured;
  std::optional<MessageLedger::Totals> messages;  // of the whole run; journal keeps no ledger
  // Cycles that a journal appends have no calls.
  bool has_calls = true;
};

// One JSON object in one line, or a table for people. Latencies of which nothing was recorded are
// left out: not every workload has all calls.
std::string Format(const Options& options, const Report& report, const CpuMeter& cpu);

}  // namespace weir::bench
