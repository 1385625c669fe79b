// Configuration of the runner service. Defaults visible here; flags, environment and file use the same names.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace weir::runner {

// A configured runtime: the name that functions ask for and the program that runs them.
struct RuntimeConfig {
  std::string name;         // "python3.12"
  std::string interpreter;  // path, or a name to be found on PATH; empty: looked for in the usual places
};

struct Config {
  std::string listen = "127.0.0.1:7802";  // port 0: any free one
  std::string database_url;               // required
  std::string queue_endpoint;             // "127.0.0.1:7801"; required
  std::string data_dir;                   // unpacked code and sockets; emptied at start; required
  // Empty: python3.8 to python3.14, as found on this machine.
  std::vector<RuntimeConfig> runtimes;
  // The program that each worker runs under; empty: "weir-supervisor" beside our own executable.
  std::string supervisor;
  int max_workers = 64;                   // processes of all functions together
  absl::Duration idle_worker_timeout = absl::Minutes(10);

  // INVALID_ARGUMENT with the field, its value and what is allowed.
  absl::Status Validate() const;
};

}  // namespace weir::runner
