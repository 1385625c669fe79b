// What beanstalkd answers, as far as cycles need it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace weir::bench {

struct BeanstalkdReply {
  enum class Kind { kInserted, kReserved, kTimedOut, kDeleted, kUsing, kWatching };
  Kind kind = Kind::kTimedOut;
  uint64_t id = 0;   // of the job that was inserted or reserved
  std::string body;  // reserved
};

// Reads the reply at the head of `data`. The answer: how many bytes it took, 0 if it is not
// complete yet. INTERNAL, with its words, for a reply that is none of the above: an error of
// beanstalkd's.
absl::StatusOr<size_t> ParseBeanstalkdReply(absl::string_view data, BeanstalkdReply& reply);

}  // namespace weir::bench
