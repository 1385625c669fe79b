// Completion of command lines, answered from the tree of commands itself, so that it knows what this binary knows.
//
// The scripts for the shells only call `weir __complete -- WORDS…`, which prints a candidate a line.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace weir::cli {

// Names for a type of argument (kQueueType …); empty for other types.
using NameSource = std::function<std::vector<std::string>(absl::string_view type)>;

// Candidates for the last of `words` (the words after "weir", the last one possibly empty), those that start with it, sorted.
std::vector<std::string> Complete(const CLI::App& app, const std::vector<std::string>& words,
                                  const NameSource& names);

// For "bash", "zsh" and "fish"; empty for others.
std::string CompletionScript(absl::string_view shell);

}  // namespace weir::cli
