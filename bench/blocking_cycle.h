// Full cycles by threads that block, one a cycler: how the SKIP LOCKED table and the other brokers
// are driven. What a system's call looks like is its BlockingClient's; who sends when, the figures
// and the count that every message came back are here, so they are the same for all.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/report.h"

namespace weir::bench {

struct ReceivedMessage {
  absl::string_view body;
  uint64_t id = 0;  // as the sender was told it; never 0
};

// A cycler's connection. Used by one thread at a time.
class BlockingClient {
 public:
  virtual ~BlockingClient() = default;

  // Returns when the system has answered that all bodies are stored; `ids` has one a body.
  virtual absl::Status Send(const std::vector<std::string>& bodies, std::vector<uint64_t>& ids) = 0;
  // Up to `max` messages. Where there are none it waits, for a second at most, without using CPU;
  // `received` may then be empty. The views hold until the next call.
  virtual absl::Status Receive(int max, std::vector<ReceivedMessage>& received) = 0;
  // Deletes what the last Receive gave.
  virtual absl::Status DeleteReceived() = 0;
};

// Makes the connected client of a cycler of queue `queue` (0 to options.queues - 1).
using MakeBlockingClient =
    std::function<absl::StatusOr<std::unique_ptr<BlockingClient>>(int queue)>;

// Each cycler sends a batch, receives as many messages as it sent, its own or others', and deletes
// them; again, until the time is over. Then no more is sent, and what is queued is received. The
// first call that fails ends the run with its error. REQUIRES: the queues are empty and nobody else
// uses them.
absl::StatusOr<Report> RunBlockingCycles(absl::string_view workload, const Options& options,
                                         CpuMeter& cpu, const MakeBlockingClient& make_client);

}  // namespace weir::bench
