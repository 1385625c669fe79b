#include "tests/fault/queue_process.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/grpcx/channel.h"

namespace weir {

QueueProcess::QueueProcess(Options options)
    : options_(std::move(options)),
      address_(options_.address.empty() ? absl::StrCat("127.0.0.1:", FreePort()) : options_.address) {}

absl::Status QueueProcess::Launch() {
  WEIR_ASSIGN_OR_RETURN(
      program_,
      Program::Start({.argv = {WEIR_BIN_DIR "/weir-queue", "--listen", address_, "--advertise",
                               options_.advertise.empty() ? address_ : options_.advertise,
                               "--database-url", options_.database_url, "--replica", options_.replica,
                               "--shards", absl::StrCat(options_.shards), "--lease-seconds",
                               absl::StrCat(options_.lease_seconds), "--metrics-listen", "127.0.0.1:0"},
                      .output_path = options_.output_path}));
  return absl::OkStatus();
}

absl::Status QueueProcess::AwaitReady(absl::Duration limit) {
  const auto channel = grpcx::MakeChannel(address_, {.own_connection = true});
  const absl::Time deadline = absl::Now() + limit;
  while (!channel->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Milliseconds(100)))) {
    if (program_->AwaitExit(absl::ZeroDuration())) {
      return absl::InternalError(absl::StrCat("weir-queue has ended by itself; it wrote:\n", Output()));
    }
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat("weir-queue takes no calls after ",
                                                      absl::FormatDuration(limit), "; it wrote:\n",
                                                      Output()));
    }
  }
  return absl::OkStatus();
}

}  // namespace weir
