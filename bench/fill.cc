#include "bench/fill.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/message_ledger.h"
#include "bench/queue_client.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/status_macros.h"

namespace weir::bench {
namespace {

// Calls that one TCP connection carries at a time; more would wait for one another in the client.
constexpr int kThreadsAConnection = 16;

struct Run {
  const Options& options;
  std::vector<std::string> queues;
  std::atomic<int> next_queue{0};
  std::atomic<int64_t> next_call{0};
  std::atomic<bool> failed{false};
  Mutex mu;
  absl::Status error ABSL_GUARDED_BY(mu);
  Measured measured ABSL_GUARDED_BY(mu);

  void Ended(const absl::Status& status, const Measured& of_thread) {
    MutexLock lock(&mu);
    if (error.ok()) error = status;
    if (!status.ok()) failed.store(true);
    measured.Merge(of_thread);
  }
};

absl::Status CreateQueues(Run& run, QueueClient& client) {
  while (!run.failed.load()) {
    const auto queue = static_cast<size_t>(run.next_queue++);
    if (queue >= run.queues.size()) break;
    WEIR_RETURN_IF_ERROR(client.Create(run.queues[queue]));
  }
  return absl::OkStatus();
}

absl::Status Send(Run& run, QueueClient& client, Measured& measured) {
  const int64_t batch = run.options.batch;
  const int64_t calls_a_queue = (run.options.messages + batch - 1) / batch;
  std::vector<std::string> bodies;
  while (!run.failed.load()) {
    const int64_t call = run.next_call++;
    if (call >= calls_a_queue * static_cast<int64_t>(run.queues.size())) break;
    const auto queue = static_cast<size_t>(call / calls_a_queue);
    const int64_t first = call % calls_a_queue * batch;
    const int64_t end = std::min(first + batch, run.options.messages);
    bodies.resize(static_cast<size_t>(end - first));
    for (int64_t number = first; number < end; ++number) {
      bodies[static_cast<size_t>(number - first)] = MessageLedger::BacklogBody(
          static_cast<uint32_t>(number), static_cast<size_t>(run.options.body));
    }
    const int64_t start = MonotonicNanoseconds();
    WEIR_RETURN_IF_ERROR(client.SendBatch(run.queues[queue], bodies));
    measured.send.Record(MonotonicNanoseconds() - start);
    measured.cycles += end - first;
  }
  return absl::OkStatus();
}

// Runs `work` by all threads.
void ByAll(Run& run, std::vector<QueueClient>& clients,
           absl::Status (*work)(Run&, QueueClient&, Measured&)) {
  std::vector<std::thread> threads;
  for (int i = 0; i < run.options.connections; ++i) {
    QueueClient& client = clients[static_cast<size_t>(i) % clients.size()];
    threads.emplace_back([&run, &client, work] {
      Measured measured;
      const absl::Status status = work(run, client, measured);
      run.Ended(status, measured);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

absl::StatusOr<Report> RunFill(const Options& options, CpuMeter& cpu) {
  Run run{.options = options};
  for (int i = 0; i < options.fill_queues; ++i) {
    run.queues.push_back(options.fill_queues == 1 ? options.queue
                                                  : absl::StrCat(options.queue, "-", i));
  }
  std::vector<QueueClient> clients;
  const int connections = (options.connections + kThreadsAConnection - 1) / kThreadsAConnection;
  for (int i = 0; i < connections; ++i) clients.emplace_back(options.target);
  cpu.Start();
  const absl::Duration start = SystemClock().Monotonic();
  ByAll(run, clients,
        [](Run& of, QueueClient& client, Measured&) { return CreateQueues(of, client); });
  ByAll(run, clients, Send);
  const absl::Duration took = SystemClock().Monotonic() - start;
  cpu.Stop();
  MutexLock lock(&run.mu);
  WEIR_RETURN_IF_ERROR(run.error);
  return Report{.workload = "fill", .took = took, .measured = std::move(run.measured)};
}

}  // namespace weir::bench
