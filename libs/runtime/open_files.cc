#include "libs/runtime/open_files.h"

#include <sys/resource.h>

namespace weir::runtime {

void RaiseOpenFilesLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  // Allowed to everybody; where it fails all the same, the limit stays as it was.
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace weir::runtime
