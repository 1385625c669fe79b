// weir-queue as a process of its own, on a database that the test keeps.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/support/program.h"

namespace weir {

class QueueProcess {
 public:
  struct Options {
    std::string address = "";    // where it listens, over restarts too; empty: a port that is free
    std::string advertise = "";  // where peers reach it; empty: as it listens
    std::string database_url;
    std::string replica = "local";
    int shards = 4;
    int lease_seconds = 10;
    std::string output_path;
  };
  explicit QueueProcess(Options options);

  absl::Status Launch();
  // Waits until it takes calls.
  absl::Status AwaitReady(absl::Duration limit = absl::Seconds(60));

  Program& program() { return *program_; }
  const std::string& address() const { return address_; }
  std::string Output() const { return TailOf(options_.output_path); }

 private:
  const Options options_;
  const std::string address_;
  std::unique_ptr<Program> program_;
};

}  // namespace weir
