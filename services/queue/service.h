// The queue service as a library: everything between a configuration and a listening port. `weir-queue` and `weir up` are thin
// mains around it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/observe/metrics.h"
#include "services/queue/config.h"

namespace weir::queue {

// Brings the database's schema up to date; what Start does first.
absl::Status MigrateSchema(const std::string& database_url);

class QueueServer {
 public:
  // Migrates the schema, takes the shards, listens. `metrics` must outlive the server.
  static absl::StatusOr<std::unique_ptr<QueueServer>> Start(const Config& config,
                                                            observe::Metrics& metrics);
  virtual ~QueueServer() = default;  // stops

  // "127.0.0.1:7801": with the port that was picked when 0 was asked for.
  virtual std::string address() const = 0;

  // Takes no more calls, ends long polls, waits for what runs, gives its shards back. May be called twice.
  virtual void Stop() = 0;
};

}  // namespace weir::queue
