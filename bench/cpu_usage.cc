#include "bench/cpu_usage.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace weir::bench {
namespace {

struct ProcessTimes {
  pid_t parent = 0;
  double own = 0;
  double waited_children = 0;
};

std::optional<ProcessTimes> Read(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // The name, in parentheses, may hold anything.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(name_end + 1));
  std::string skipped;
  ProcessTimes times;
  rest >> skipped >> times.parent;
  for (int i = 0; i < 9; ++i) rest >> skipped;
  double user = 0, system = 0, children_user = 0, children_system = 0;
  rest >> user >> system >> children_user >> children_system;
  if (!rest) return std::nullopt;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  times.own = (user + system) / ticks;
  times.waited_children = (children_user + children_system) / ticks;
  return times;
}

std::map<pid_t, ProcessTimes> ReadAll() {
  std::map<pid_t, ProcessTimes> all;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir("/proc"), closedir);
  if (dir == nullptr) return all;
  while (const dirent* entry = readdir(dir.get())) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry->d_name, &pid)) continue;
    if (const auto times = Read(pid)) all.emplace(pid, *times);
  }
  return all;
}

absl::Status NoSuchProcess(pid_t pid) {
  return absl::NotFoundError(absl::StrCat("There is no process ", pid, " on this machine."));
}

}  // namespace

absl::StatusOr<double> CpuSecondsOf(pid_t pid) {
  const auto times = Read(pid);
  if (!times.has_value()) return NoSuchProcess(pid);
  return times->own;
}

absl::StatusOr<double> CpuSecondsOfTree(pid_t root) {
  const std::map<pid_t, ProcessTimes> all = ReadAll();
  if (!all.contains(root)) return NoSuchProcess(root);
  std::multimap<pid_t, pid_t> children;
  for (const auto& [pid, times] : all) children.emplace(times.parent, pid);
  double total = 0;
  std::vector<pid_t> todo = {root};
  while (!todo.empty()) {
    const pid_t pid = todo.back();
    todo.pop_back();
    total += all.at(pid).own + all.at(pid).waited_children;
    const auto [begin, end] = children.equal_range(pid);
    for (auto it = begin; it != end; ++it) todo.push_back(it->second);
  }
  return total;
}

absl::StatusOr<double> CpuSecondsOfMachine() {
  std::ifstream file("/proc/stat");
  std::string name;
  // Time of virtual machines is part of user's.
  double user = 0, nice = 0, system = 0, idle = 0, io_wait = 0, irq = 0, soft_irq = 0;
  if (!(file >> name >> user >> nice >> system >> idle >> io_wait >> irq >> soft_irq)) {
    return absl::NotFoundError("/proc/stat cannot be read.");
  }
  return (user + nice + system + irq + soft_irq) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace weir::bench
