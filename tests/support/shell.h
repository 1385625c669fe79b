// Command lines as a shell reads them.
#pragma once

#include <string>

namespace weir {

struct ShellOutcome {
  int exit_code = -1;  // -1: ended by a signal
  std::string out;
  std::string err;
};

// Runs `line`, a command line without redirections of its own, and waits for its end. `err_path`: a file that may be written, for what
// goes to stderr.
ShellOutcome RunShell(const std::string& line, const std::string& err_path);

}  // namespace weir
