#include "tests/support/shell.h"

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace weir {

ShellOutcome RunShell(const std::string& line, const std::string& err_path) {
  ShellOutcome outcome;
  std::FILE* pipe = popen(absl::StrCat(line, " 2>", err_path).c_str(), "r");
  std::array<char, 4096> buffer;
  for (size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) outcome.out.append(buffer.data(), n);
  const int status = pclose(pipe);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::stringstream text;
  text << std::ifstream(err_path).rdbuf();
  outcome.err = text.str();
  return outcome;
}

}  // namespace weir
