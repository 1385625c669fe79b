#include "services/runner/engine/runtimes.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/observe/log.h"

namespace weir::runner::engine {
namespace {

constexpr absl::Duration kProbeTimeout = absl::Seconds(10);

// "3.12" of "python3.12"; empty when the name says no version.
std::string VersionInName(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "python")) return "";
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '.');
  int number = 0;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &number) ||
      !absl::SimpleAtoi(parts[1], &number)) {
    return "";
  }
  return std::string(name);
}

// The folders of a pyenv with that version, newest first.
std::vector<std::string> PyenvVersions(const std::string& root, const std::string& version) {
  std::vector<std::pair<int, std::string>> found;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(absl::StrCat(root, "/versions"), error)) {
    const std::string name = entry.path().filename().string();
    absl::string_view patch(name);
    int number = 0;
    if (absl::ConsumePrefix(&patch, version) && absl::ConsumePrefix(&patch, ".") &&
        absl::SimpleAtoi(patch, &number)) {
      found.emplace_back(-number, entry.path().string());
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> folders;
  for (auto& [number, folder] : found) folders.push_back(std::move(folder));
  return folders;
}

// The version that the interpreter answers, or why it does not.
absl::StatusOr<std::string> Probe(const std::string& interpreter, const std::string& supervisor,
                                  const std::string& token, const std::string& bootstrap,
                                  std::optional<UserIds> run_as) {
  ProcessSpec spec;
  spec.arguments = {interpreter, "-s", "-B", bootstrap, "--probe"};
  spec.environment = {absl::StrCat("WEIR_RUNNER=", token), "PATH=/usr/local/bin:/usr/bin:/bin"};
  spec.folder.push_back('/');
  spec.run_as = run_as;
  absl::StatusOr<SupervisedProcess> process = StartSupervised(supervisor, token, spec);
  if (!process.ok()) return process.status();
  std::string output;
  const absl::Time deadline = absl::Now() + kProbeTimeout;
  bool ended = false;
  while (!ended) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) break;
    pollfd fd = {process->stdout_pipe, POLLIN, 0};
    if (poll(&fd, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) <= 0) continue;
    char buffer[256];
    const ssize_t n = read(process->stdout_pipe, buffer, sizeof(buffer));
    if (n > 0 && output.size() < sizeof(buffer)) output.append(buffer, static_cast<size_t>(n));
    ended = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
  }
  close(process->control);
  close(process->stdout_pipe);
  close(process->stderr_pipe);
  while (waitpid(process->supervisor, nullptr, 0) < 0 && errno == EINTR) {
  }
  absl::StripAsciiWhitespace(&output);
  if (!ended) {
    return absl::UnavailableError(
        absl::StrCat(interpreter, " did not answer within ", absl::FormatDuration(kProbeTimeout)));
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(output, '.');
  int major = 0;
  int minor = 0;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &major) ||
      !absl::SimpleAtoi(parts[1], &minor)) {
    return absl::UnavailableError(absl::StrCat(interpreter, " does not run"));
  }
  if (std::pair(major, minor) < std::pair(3, 8)) {
    return absl::UnavailableError(
        absl::StrCat(interpreter, " is Python ", output, ", and 3.8 is needed"));
  }
  return output;
}

FoundRuntime Find(const RuntimeConfig& config, const std::vector<std::string>& candidates,
                  const std::string& supervisor, const std::string& token,
                  const std::string& bootstrap, std::optional<UserIds> unprivileged) {
  FoundRuntime runtime;
  runtime.info.name = config.name;
  const std::string expected = VersionInName(config.name);
  std::vector<std::optional<UserIds>> users;
  if (unprivileged.has_value()) users.push_back(unprivileged);
  users.push_back(std::nullopt);
  std::string reason;
  for (const std::optional<UserIds>& user : users) {
    for (const std::string& candidate : candidates) {
      absl::StatusOr<std::string> version = Probe(candidate, supervisor, token, bootstrap, user);
      if (!version.ok()) {
        reason = std::string(version.status().message());
        continue;
      }
      if (!expected.empty() && !absl::StartsWith(*version, absl::StrCat(expected, "."))) {
        reason = absl::StrCat(candidate, " is Python ", *version, " and not ", expected);
        continue;
      }
      runtime.info.interpreter = candidate;
      runtime.info.version = *std::move(version);
      runtime.info.available = true;
      runtime.run_as = user;
      return runtime;
    }
  }
  if (!reason.empty()) {
    runtime.info.unavailable_reason = absl::StrCat(reason, ".");
  } else if (!config.interpreter.empty()) {
    runtime.info.unavailable_reason = absl::StrCat("There is no program ", config.interpreter, ".");
  } else {
    runtime.info.unavailable_reason = absl::StrCat(
        "No ", config.name,
        " was found on PATH, in /usr/bin, in /usr/local/bin, or among pyenv's versions.");
  }
  return runtime;
}

}  // namespace

std::vector<std::string> InterpreterCandidates(const RuntimeConfig& runtime,
                                               const std::string& path,
                                               const std::vector<std::string>& pyenv_roots) {
  const std::string& name = runtime.interpreter.empty() ? runtime.name : runtime.interpreter;
  std::vector<std::string> candidates;
  const auto add = [&candidates](const std::string& candidate) {
    if (access(candidate.c_str(), X_OK) != 0) return;
    if (std::find(candidates.begin(), candidates.end(), candidate) == candidates.end()) {
      candidates.push_back(candidate);
    }
  };
  if (absl::StrContains(name, '/')) {
    std::error_code error;
    add(std::filesystem::absolute(name, error).string());
    return candidates;
  }
  std::vector<std::string> shims;
  for (const absl::string_view folder : absl::StrSplit(path, ':', absl::SkipEmpty())) {
    if (folder.front() != '/') continue;
    const std::string candidate = absl::StrCat(folder, "/", name);
    if (absl::EndsWith(absl::StripSuffix(folder, "/"), "/shims")) {
      shims.push_back(candidate);
    } else {
      add(candidate);
    }
  }
  add(absl::StrCat("/usr/bin/", name));
  add(absl::StrCat("/usr/local/bin/", name));
  if (const std::string version = VersionInName(name); !version.empty()) {
    for (const std::string& root : pyenv_roots) {
      for (const std::string& folder : PyenvVersions(root, version))
        add(absl::StrCat(folder, "/bin/", name));
    }
  }
  for (const std::string& shim : shims) add(shim);
  return candidates;
}

std::vector<FoundRuntime> FindRuntimes(std::vector<RuntimeConfig> configured,
                                       const std::string& supervisor, const std::string& token,
                                       const std::string& bootstrap) {
  if (configured.empty()) {
    for (int minor = 8; minor <= 14; ++minor)
      configured.push_back({absl::StrCat("python3.", minor), ""});
  }
  const char* path = std::getenv("PATH");
  std::vector<std::string> pyenv_roots;
  if (const char* root = std::getenv("PYENV_ROOT")) pyenv_roots.emplace_back(root);
  if (const char* home = std::getenv("HOME")) pyenv_roots.push_back(absl::StrCat(home, "/.pyenv"));
  const std::optional<UserIds> unprivileged = UnprivilegedUser();

  std::vector<FoundRuntime> found(configured.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < configured.size(); ++i) {
    const std::vector<std::string> candidates =
        InterpreterCandidates(configured[i], path == nullptr ? "" : path, pyenv_roots);
    threads.emplace_back([&, i, candidates] {
      found[i] = Find(configured[i], candidates, supervisor, token, bootstrap, unprivileged);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const FoundRuntime& runtime : found) {
    if (!runtime.info.available) continue;
    observe::Log(observe::Level::kInfo, "runtime found",
                 {{"runtime", runtime.info.name},
                  {"interpreter", runtime.info.interpreter},
                  {"version", runtime.info.version},
                  {"workers_run_as", runtime.run_as.has_value() ? "nobody" : "the runner's user"}});
  }
  return found;
}

}  // namespace weir::runner::engine
