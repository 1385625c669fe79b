// Programs that the lab starts: commands whose output it shows, a log that it follows, the suite that runs beside it.
//
// Used on one thread. A program ends with the lab, however the lab ends.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/up_parts.h"

namespace weir::cli {

class LabProcess {
 public:
  // A program by its path, or by its name in PATH; one that is not there ends with exit code 127. stdout and stderr come to us.
  // `detached`: the terminal's Ctrl-C does not reach it.
  static absl::StatusOr<std::unique_ptr<LabProcess>> Start(const std::vector<std::string>& argv, bool detached);
  ~LabProcess();  // kills it if it still runs

  // Hands each line to `on_line` until that answers true (OK), the output ends (OK as well), the deadline comes or a signal
  // arrives.
  absl::Status ReadLines(const SignalWatch& signals, absl::Time deadline,
                         const std::function<bool(absl::string_view)>& on_line);
  void Signal(int signal_number) const;
  // Its exit code; 128 and more: ended by a signal. -1: it does not end in time.
  int Await(absl::Duration timeout);
  pid_t pid() const { return pid_; }

 private:
  LabProcess(pid_t pid, int output) : pid_(pid), output_(output) {}
  pid_t pid_;
  int output_;
};

}  // namespace weir::cli
