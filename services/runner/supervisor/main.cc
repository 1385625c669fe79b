// weir-supervisor: runs one worker, and sees to it that nothing of it outlives the runner.
//
// Started by the runner (services/runner/engine/worker_process.cc), never by hand: descriptor 3 is
// its connection to the runner, 0 to 2 become the worker's. It is the subreaper of all that the
// worker starts, so also daemons stay its descendants, and it ends only when none is left: when
// told, when the runner is gone, or when the worker's main process ends. It sleeps otherwise; only
// while an invocation runs does it look at the memory now and then.
//
// Plain system calls and a static binary: it starts in a millisecond, and nothing in a function's
// environment (LD_PRELOAD) reaches it, though it may run as root above workers that do not.
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "services/runner/engine/supervisor_protocol.h"

namespace weir::runner::supervisor {
namespace {

constexpr rlim_t kOpenFilesMax = 1024;
// Of all workers of that user together: stops a fork bomb from filling the machine's process table.
constexpr rlim_t kUserProcessesMax = 8192;
// Beyond the limit that the samples enforce; for what grows faster than they come.
constexpr int64_t kMemoryBackstopMib = 1024;
constexpr int kSampleMillisMin = 10;
constexpr int kSampleMillisMax = 100;

struct Spec {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::string folder;
  bool change_user = false;
  uid_t user = 0;
  gid_t group = 0;
  int64_t memory_mib = 0;  // 0: no limit
};

void Send(const Report& report) {
  // The runner may be gone, or so busy that the buffer is full; neither may keep us from our duty.
  (void)send(kControlFd, &report, sizeof(report), MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool ReadSpec(Spec& spec) {
  static char buffer[kSpecBytesMax];
  ssize_t n = 0;
  do {
    n = recv(kControlFd, buffer, sizeof(buffer), 0);
  } while (n < 0 && errno == EINTR);
  if (n <= 0 || buffer[n - 1] != '\0') return false;
  for (const char* field = buffer; field < buffer + n; field += std::strlen(field) + 1) {
    const char* text = field + 1;
    switch (*field) {
      case kArgument:
        spec.arguments.emplace_back(text);
        break;
      case kEnvironment:
        spec.environment.emplace_back(text);
        break;
      case kFolder:
        spec.folder = text;
        break;
      case kUser:
        spec.change_user = true;
        spec.user = static_cast<uid_t>(std::atol(text));
        break;
      case kGroup:
        spec.group = static_cast<gid_t>(std::atol(text));
        break;
      case kMemoryMib:
        spec.memory_mib = std::atoll(text);
        break;
      default:
        return false;
    }
  }
  return !spec.arguments.empty();
}

// Whole content of a small file in /proc; empty when the process is gone.
std::string ReadProc(const char* path) {
  std::string content;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return content;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
    content.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return content;
}

// Numeric names in a folder of /proc.
std::vector<pid_t> NumbersIn(const char* path) {
  std::vector<pid_t> numbers;
  DIR* folder = opendir(path);
  if (folder == nullptr) return numbers;
  while (const dirent* entry = readdir(folder)) {
    const long number = std::strtol(entry->d_name, nullptr, 10);
    if (number > 0) numbers.push_back(static_cast<pid_t>(number));
  }
  closedir(folder);
  return numbers;
}

// Kernels without CONFIG_PROC_CHILDREN: by the parents that all processes name.
std::vector<pid_t> DescendantsByParents() {
  std::vector<std::pair<pid_t, pid_t>> parents;  // process, its parent
  for (const pid_t pid : NumbersIn("/proc")) {
    char path[64];
    std::snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    const std::string stat = ReadProc(path);
    // "pid (name) state ppid": the name may hold anything, so from its last parenthesis on.
    const size_t end = stat.rfind(')');
    int parent = 0;
    if (end == std::string::npos || std::sscanf(stat.c_str() + end + 1, " %*c %d", &parent) != 1)
      continue;
    parents.emplace_back(pid, parent);
  }
  std::vector<pid_t> found = {getpid()};
  for (size_t i = 0; i < found.size(); ++i) {
    for (const auto& [pid, parent] : parents) {
      if (parent == found[i]) found.push_back(pid);
    }
  }
  found.erase(found.begin());
  return found;
}

// Every process below us, zombies included.
std::vector<pid_t> Descendants() {
  static const bool kernel_lists_children = access("/proc/thread-self/children", R_OK) == 0;
  if (!kernel_lists_children) return DescendantsByParents();
  std::vector<pid_t> found = {getpid()};
  for (size_t i = 0; i < found.size(); ++i) {
    char path[64];
    std::snprintf(path, sizeof(path), "/proc/%d/task", found[i]);
    for (const pid_t thread : NumbersIn(path)) {
      char children[96];
      std::snprintf(children, sizeof(children), "%s/%d/children", path, thread);
      const std::string list = ReadProc(children);
      for (const char* at = list.c_str(); *at != '\0';) {
        char* end = nullptr;
        const long pid = std::strtol(at, &end, 10);
        if (end == at) break;
        found.push_back(static_cast<pid_t>(pid));
        at = end;
        while (*at == ' ') ++at;
      }
    }
  }
  found.erase(found.begin());
  return found;
}

int64_t ResidentKib(pid_t pid) {
  static const int64_t page_kib = sysconf(_SC_PAGESIZE) / 1024;
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/%d/statm", pid);
  long long resident = 0;
  if (std::sscanf(ReadProc(path).c_str(), "%*s %lld", &resident) != 1) return 0;
  return resident * page_kib;
}

// Its share of pages that it has in common with others; falls back to all of them.
int64_t ProportionalKib(pid_t pid) {
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
  const std::string rollup = ReadProc(path);
  const size_t at = rollup.find("\nPss:");
  long long kib = 0;
  if (at == std::string::npos || std::sscanf(rollup.c_str() + at, "\nPss: %lld", &kib) != 1) {
    return ResidentKib(pid);
  }
  return kib;
}

// In the new process; does not return.
[[noreturn]] void RunWorker(const Spec& spec, int error_fd) {
  const auto fail = [error_fd] {
    const int error = errno;
    (void)!write(error_fd, &error, sizeof(error));
    _exit(127);
  };
  // A session of its own: a function that signals its process group does not hit the supervisor.
  setsid();
  if (spec.change_user) {
    if (setgroups(0, nullptr) != 0 || setgid(spec.group) != 0 || setuid(spec.user) != 0) fail();
    const rlimit processes = {kUserProcessesMax, kUserProcessesMax};
    setrlimit(RLIMIT_NPROC, &processes);
  }
  // After the change of the user, which clears it. For the case that somebody kills the supervisor
  // itself.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const rlimit core = {0, 0};
  setrlimit(RLIMIT_CORE, &core);
  rlimit files = {kOpenFilesMax, kOpenFilesMax};
  setrlimit(RLIMIT_NOFILE, &files);
  if (spec.memory_mib > 0) {
    const rlim_t bytes = static_cast<rlim_t>(spec.memory_mib + kMemoryBackstopMib) << 20;
    const rlimit data = {bytes, bytes};
    setrlimit(RLIMIT_DATA, &data);
  }
  // When the machine runs out of memory, a worker goes before the runner or PostgreSQL.
  if (const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); fd >= 0) {
    (void)!write(fd, "1000", 4);
    close(fd);
  }
  umask(022);
  if (!spec.folder.empty() && chdir(spec.folder.c_str()) != 0) fail();

  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int signal_number = 1; signal_number < NSIG; ++signal_number) signal(signal_number, SIG_DFL);

  std::vector<char*> arguments;
  for (const std::string& argument : spec.arguments)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  for (const std::string& variable : spec.environment)
    environment.push_back(const_cast<char*>(variable.c_str()));
  environment.push_back(nullptr);
  execve(arguments[0], arguments.data(), environment.data());
  fail();
  _exit(127);
}

class Supervisor {
 public:
  explicit Supervisor(const Spec& spec) : spec_(spec) {}

  // False: not started, and reported.
  bool Start() {
    int error_pipe[2];
    if (pipe2(error_pipe, O_CLOEXEC) != 0) return NotStarted(errno);
    main_ = fork();
    if (main_ < 0) return NotStarted(errno);
    if (main_ == 0) RunWorker(spec_, error_pipe[1]);
    close(error_pipe[1]);
    // The worker's pipes end when the worker's processes have ended, not when we have.
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; ++fd) dup2(null, fd);
    int error = 0;
    ssize_t n = 0;
    do {
      n = read(error_pipe[0], &error, sizeof(error));
    } while (n < 0 && errno == EINTR);
    close(error_pipe[0]);
    if (n == sizeof(error)) {
      waitpid(main_, nullptr, 0);
      return NotStarted(error);
    }
    Send({ReportKind::kStarted, main_, 0});
    return true;
  }

  // Until the worker has ended, with all its descendants.
  void Run(int signal_fd) {
    while (!main_ended_) {
      pollfd fds[] = {{kControlFd, POLLIN, 0}, {signal_fd, POLLIN, 0}};
      const int ready = poll(fds, 2, watching_ ? sample_millis_ : -1);
      if (ready < 0 && errno != EINTR) break;
      if (ready == 0 && watching_ && SampleIsOverLimit()) break;
      if (fds[0].revents != 0 && MustEnd()) break;
      if (fds[1].revents != 0) {
        signalfd_siginfo info;
        while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
          // SIGTERM is what the kernel sends when the runner ends (PR_SET_PDEATHSIG).
          if (info.ssi_signo != SIGCHLD) goto end;
        }
        Reap(WNOHANG);
      }
    }
  end:
    KillAll();
    Send({ReportKind::kEnded, main_status_, std::max(peak_kib_, main_peak_kib_)});
  }

 private:
  bool NotStarted(int error) {
    Send({ReportKind::kNotStarted, error, 0});
    return false;
  }

  // Takes commands. True: kill all.
  bool MustEnd() {
    for (;;) {
      char command = 0;
      const ssize_t n = recv(kControlFd, &command, 1, MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return false;
      if (n <= 0 || command == kKill) return true;
      watching_ = command == kWatch;
      sample_millis_ = kSampleMillisMin;
      if (watching_ && SampleIsOverLimit()) return true;
    }
  }

  bool SampleIsOverLimit() {
    const std::vector<pid_t> pids = Descendants();
    int64_t kib = 0;
    for (const pid_t pid : pids) kib += ResidentKib(pid);
    const int64_t limit_kib = spec_.memory_mib * 1024;
    // Forked processes share most of their pages: before that counts against them, look closely.
    if (pids.size() > 1 && limit_kib > 0 && kib > limit_kib) {
      kib = 0;
      for (const pid_t pid : pids) kib += ProportionalKib(pid);
    }
    const bool grows = kib > last_kib_ + 4096;
    last_kib_ = kib;
    if (kib > peak_kib_) {
      peak_kib_ = kib;
      Send({ReportKind::kMemory, 0, peak_kib_});
    }
    if (limit_kib > 0 && kib > limit_kib) {
      Send({ReportKind::kOutOfMemory, 0, kib});
      return true;
    }
    // What neither grows nor comes close to its limit is looked at less often.
    const bool close_to_limit = limit_kib > 0 && kib > limit_kib * 3 / 4;
    sample_millis_ = grows || close_to_limit ? kSampleMillisMin
                                             : std::min(sample_millis_ * 3 / 2, kSampleMillisMax);
    return false;
  }

  // Takes the status of those that have ended. False: there is no child.
  bool Reap(int options) {
    for (;;) {
      int status = 0;
      rusage usage;
      const pid_t pid = wait4(-1, &status, options, &usage);
      if (pid < 0 && errno == EINTR) continue;
      if (pid < 0) return false;
      if (pid == 0) return true;
      if (pid == main_) {
        main_ended_ = true;
        main_status_ = status;
        main_peak_kib_ = usage.ru_maxrss;
      }
      options |= WNOHANG;
    }
  }

  // Orphans become our children before their parent can be waited for, so whoever escapes one round
  // is ours in the next.
  void KillAll() {
    do {
      for (const pid_t pid : Descendants()) kill(pid, SIGKILL);
    } while (Reap(0));
  }

  const Spec& spec_;
  pid_t main_ = -1;
  bool main_ended_ = false;
  int main_status_ = 0;
  int64_t main_peak_kib_ = 0;
  bool watching_ = false;
  int sample_millis_ = kSampleMillisMin;
  int64_t last_kib_ = 0;
  int64_t peak_kib_ = 0;
};

int Main() {
  // Whatever happens to the runner, even kill -9, the kernel tells us; and so does the end of the
  // connection, also when the runner was gone before this line.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
    Send({ReportKind::kNotStarted, errno, 0});
    return 1;
  }
  fcntl(kControlFd, F_SETFD, FD_CLOEXEC);
  signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal_number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT})
    sigaddset(&signals, signal_number);
  sigprocmask(SIG_SETMASK, &signals, nullptr);
  const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);

  Spec spec;
  if (signal_fd < 0 || !ReadSpec(spec)) {
    Send({ReportKind::kNotStarted, EINVAL, 0});
    return 1;
  }
  Supervisor supervisor(spec);
  if (!supervisor.Start()) return 1;
  supervisor.Run(signal_fd);
  return 0;
}

}  // namespace
}  // namespace weir::runner::supervisor

int main() { return weir::runner::supervisor::Main(); }
