#include "libs/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace weir {

void CheckFailed(const char* condition, const char* file, int line) {
  CheckFailed(condition, file, line, "");
}

void CheckFailed(const char* condition, const char* file, int line, absl::string_view detail) {
  std::fprintf(stderr, "%s:%d: check failed: %s %.*s\n", file, line, condition,
               static_cast<int>(detail.size()), detail.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace weir
