// Decisions and commands as text, for traces and for comparing.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "services/queue/core/command.h"
#include "services/queue/core/decision.h"

namespace weir::queue::core::testing {

// One line; what matters to find a fault.
std::string Print(const Command& command);
// One line each for mutations, replies and effects.
std::string Print(const Decision& decision);

}  // namespace weir::queue::core::testing
