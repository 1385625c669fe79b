// The end of a test with a ledger: what happened, whether a promise was broken, and the history where one was.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/fault/load.h"
#include "tests/support/ledger.h"

namespace weir {

// REQUIRES: the load was drained.
inline void ExpectPromisesKept(const Ledger& ledger, const Load& load, uint64_t seed) {
  std::printf("%s\n", Describe(ledger.totals()).c_str());
  for (const auto& [name, count] : load.errors()) {
    std::printf("  %s: %ld\n", name.c_str(), static_cast<long>(count));
  }
  const std::string broken = Describe(ledger.Check());
  if (broken.empty()) return;
  const std::string path = absl::StrCat("/tmp/weir-history-", seed, "-", getpid(), ".txt");
  const absl::Status written = ledger.WriteHistory(path);
  ADD_FAILURE() << broken << "WEIR_SEED=" << seed << "; "
                << (written.ok() ? "history in " + path : std::string(written.message()));
}

}  // namespace weir
