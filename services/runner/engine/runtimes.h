// Which runtimes this machine has: a runtime is a name that functions ask for and a Python
// interpreter that answers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/runner/config.h"
#include "services/runner/engine/invoker.h"
#include "services/runner/engine/worker_process.h"

namespace weir::runner::engine {

struct FoundRuntime {
  RuntimeInfo info;
  // Whom its workers run as; nothing: as the runner itself.
  std::optional<UserIds> run_as;
};

// Where to look for the interpreter of a runtime, best place first: PATH, /usr/bin, /usr/local/bin,
// pyenv's versions, and pyenv's shims last, because a shim is there also for versions that are not
// selected.
std::vector<std::string> InterpreterCandidates(const RuntimeConfig& runtime,
                                               const std::string& path,
                                               const std::vector<std::string>& pyenv_roots);

// Runs the candidates of all runtimes, in parallel, until one answers; a few hundred milliseconds.
// As root each is first tried as "nobody"; an interpreter that nobody may not read (a pyenv under
// /root) runs as root. `bootstrap` is a path that the workers will run, too, so what works here
// works there. `configured` empty: python3.8 to python3.14.
std::vector<FoundRuntime> FindRuntimes(std::vector<RuntimeConfig> configured,
                                       const std::string& supervisor, const std::string& token,
                                       const std::string& bootstrap);

}  // namespace weir::runner::engine
