#include "tests/fault/weir_up.h"

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"

namespace weir {
namespace {

constexpr char kMarkerName[] = "WEIR_TEST_RUN";

}  // namespace

WeirUp::WeirUp(std::string data_dir)
    : data_dir_(std::move(data_dir)),
      ready_file_(data_dir_ + "/ready.json"),
      output_path_(data_dir_ + "/weir-up.log"),
      marker_value_(RandomToken(8)),
      marker_(absl::StrCat(kMarkerName, "=", marker_value_)) {}

absl::Status WeirUp::Launch(const std::vector<std::string>& flags) {
  std::error_code ignored;
  std::filesystem::remove(ready_file_, ignored);
  std::vector<std::string> argv = {WEIR_BIN_DIR "/weir", "up", "--data-dir", data_dir_ + "/data", "--ready-file", ready_file_};
  for (const char* port : {"--queue-port", "--runner-port", "--gateway-port", "--metrics-port"}) {
    if (std::find(flags.begin(), flags.end(), port) == flags.end()) argv.insert(argv.end(), {port, "0"});
  }
  argv.insert(argv.end(), flags.begin(), flags.end());
  WEIR_ASSIGN_OR_RETURN(program_, Program::Start({.argv = std::move(argv),
                                                  .environment = {{kMarkerName, marker_value_}},
                                                  .output_path = output_path_}));
  return absl::OkStatus();
}

absl::Status WeirUp::AwaitReady(absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  while (!ReadReadyFile()) {
    // The wait for its end is the pause between two looks.
    if (program_->AwaitExit(absl::Milliseconds(5))) {
      return absl::InternalError(absl::StrCat("weir up has ended by itself; it wrote:\n", Output()));
    }
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("weir up is not ready after ", absl::FormatDuration(limit), "; it wrote:\n",
                       Output()));
    }
  }
  return absl::OkStatus();
}

bool WeirUp::ReadReadyFile() {
  std::ifstream file(ready_file_);
  const nlohmann::json ready = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!ready.is_object()) return false;
  endpoints_.clear();
  for (const auto& [name, value] : ready.items()) {
    if (value.is_string()) endpoints_[name] = value.get<std::string>();
  }
  postgres_pid_ = ready.value("postgres_pid", 0);
  return true;
}

ProcessSet WeirUp::Kill() {
  program_->KillHard();
  return ProcessSet::WithEnvironment(marker_);
}

bool WeirUp::Interrupt(absl::Duration limit) {
  program_->Signal(SIGINT);
  return program_->AwaitExit(limit);
}

}  // namespace weir
