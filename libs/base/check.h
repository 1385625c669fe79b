// Assertions about our own mistakes. A request can never reach one: bad input gets a Status.
#pragma once

#include "absl/strings/string_view.h"

namespace weir {

// Prints the failed condition with its place to stderr and aborts.
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line,
                              absl::string_view detail);

}  // namespace weir

// Aborts unless `condition` holds. Stays on in release builds: a queue that goes on with broken invariants loses messages.
#define WEIR_CHECK(condition, ...)                                                       \
  do {                                                                                   \
    if (__builtin_expect(!(condition), 0)) {                                             \
      ::weir::CheckFailed(#condition, __FILE__, __LINE__ __VA_OPT__(, ) __VA_ARGS__);    \
    }                                                                                    \
  } while (false)
