// Configuration of the queue service. Defaults visible here; flags, environment and file use the same names.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace weir::queue {

struct Config {
  std::string listen = "127.0.0.1:7801";  // port 0: any free one
  // The address that peers use; empty: as `listen` turned out, with this host's name where that is every address.
  std::string advertise;
  std::string database_url;               // libpq URI or keywords; required
  // Name of this replica. A replica that comes back under its name takes its shards at once, so it must be unique among those
  // that run and stable over restarts (a StatefulSet pod's name; DefaultReplica).
  std::string replica = "local";
  int shards = 4;             // used when the store is created; afterwards the stored count holds
  absl::Duration lease_time = absl::Seconds(6);
  int registry_connections = 4;
  // SQS's: a queue is purged once a minute at most, and its name can be taken again a minute after it was deleted. Kept in the store,
  // so all replicas that are configured so obey alike.
  bool sqs_sixty_second_rules = false;

  // Where peers reach the server that listens at `bound`; empty as long as its port is not known.
  std::string AdvertisedAddress(const std::string& bound) const;

  // INVALID_ARGUMENT with the field, its value and what is allowed.
  absl::Status Validate() const;
};

// "HOST-PORT": this host and the port of `listen`, so unique among the replicas and stable over restarts, but for port 0.
std::string DefaultReplica(const std::string& listen);

}  // namespace weir::queue
