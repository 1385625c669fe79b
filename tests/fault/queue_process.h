// weir-queue as a process of its own, on a database that the test keeps.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/status_macros.h"
#include "libs/grpcx/channel.h"
#include "tests/support/program.h"

namespace weir {

class QueueProcess {
 public:
  struct Options {
    std::string database_url;
    std::string replica = "local";
    int shards = 4;
    int lease_seconds = 10;
    std::string output_path;
  };
  // Keeps its address over restarts.
  explicit QueueProcess(Options options)
      : options_(std::move(options)), address_(absl::StrCat("127.0.0.1:", FreePort())) {}

  absl::Status Launch() {
    WEIR_ASSIGN_OR_RETURN(
        program_, Program::Start({.argv = {WEIR_BIN_DIR "/weir-queue", "--listen", address_,
                                           "--database-url", options_.database_url, "--replica",
                                           options_.replica, "--shards", absl::StrCat(options_.shards),
                                           "--lease-seconds", absl::StrCat(options_.lease_seconds),
                                           "--metrics-listen", "127.0.0.1:0"},
                                  .output_path = options_.output_path}));
    return absl::OkStatus();
  }

  // Waits until it takes calls.
  absl::Status AwaitReady(absl::Duration limit = absl::Seconds(60)) {
    const auto channel = grpcx::MakeChannel(address_, {.own_connection = true});
    const absl::Time deadline = absl::Now() + limit;
    while (!channel->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Milliseconds(100)))) {
      if (program_->AwaitExit(absl::ZeroDuration())) {
        return absl::InternalError(absl::StrCat("weir-queue has ended by itself; it wrote:\n", Output()));
      }
      if (absl::Now() > deadline) {
        return absl::DeadlineExceededError(
            absl::StrCat("weir-queue takes no calls after ", absl::FormatDuration(limit),
                         "; it wrote:\n", Output()));
      }
    }
    return absl::OkStatus();
  }

  Program& program() { return *program_; }
  const std::string& address() const { return address_; }
  std::string Output() const { return TailOf(options_.output_path); }

 private:
  const Options options_;
  const std::string address_;
  std::unique_ptr<Program> program_;
};

}  // namespace weir
