// `weir up` on a folder, for tests that end it in every way there is.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/support/program.h"

namespace weir {

class WeirUp {
 public:
  explicit WeirUp(std::string data_dir);

  // Starts the program without waiting until it is ready. `flags`: more of them, or other ports than any free ones.
  absl::Status Launch(const std::vector<std::string>& flags = {});
  // Waits for the ready file. An error tells the end of the program's output.
  absl::Status AwaitReady(absl::Duration limit = absl::Seconds(60));
  // Ends of their own accord are failures of the test.
  bool AwaitExit(absl::Duration timeout) { return program_->AwaitExit(timeout); }
  // kill -9 of the process alone: what it started is on its own. Answers what was left.
  ProcessSet Kill();
  // Ctrl-C; false when it has not ended in time.
  bool Interrupt(absl::Duration limit = absl::Seconds(30));

  // "127.0.0.1:PORT" of "queue", "runner"; as of the last AwaitReady.
  const std::string& endpoint(const std::string& service) const { return endpoints_.at(service); }
  // Of its private PostgreSQL, as of the last AwaitReady.
  pid_t postgres_pid() const { return postgres_pid_; }
  // "NAME=VALUE" that every process of this instance, of all its starts, has in its environment.
  const std::string& marker() const { return marker_; }
  // The end of what it wrote.
  std::string Output() const { return TailOf(output_path_); }

 private:
  bool ReadReadyFile();

  const std::string data_dir_;
  const std::string ready_file_;
  const std::string output_path_;
  const std::string marker_value_;
  const std::string marker_;
  std::unique_ptr<Program> program_;
  std::map<std::string, std::string> endpoints_;
  pid_t postgres_pid_ = 0;
};

}  // namespace weir
