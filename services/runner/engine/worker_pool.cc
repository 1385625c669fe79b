#include "services/runner/engine/worker_pool.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>
#include <utility>  // before Asio, whose 1.74 forgets it

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"
#include "libs/runtime/thread_pool.h"
#include "services/runner/engine/bootstrap.gen.h"
#include "services/runner/engine/code_cache.h"
#include "services/runner/engine/runtimes.h"
#include "services/runner/engine/worker.h"
#include "services/runner/engine/worker_process.h"

namespace weir::runner::engine {
namespace {

namespace asio = boost::asio;

// For processes to be killed at the stop; they need milliseconds.
constexpr absl::Duration kStopTimeout = absl::Seconds(10);
constexpr size_t kJanitorQueueMax = 10'000;

absl::Status FolderError(absl::string_view what, const std::string& path, int error) {
  return MakeError(
      ErrorReason::kInvalidParameterValue,
      absl::StrCat("data_dir: cannot ", what, " ", path, ": ", std::strerror(error), "."));
}

// The folder that holds what workers read; ours alone while the descriptor is open.
//   lock            locked by the process that uses the folder
//   token           of that process: stands in the environment of all that it starts
//   bootstrap.py    what workers run
//   code/ tmp/      unpacked code; temporary files, a folder a worker
class DataDir {
 public:
  ~DataDir() {
    if (lock_ >= 0) close(lock_);
  }

  absl::Status Open(const std::string& path) {
    if (path.empty()) {
      return MakeError(ErrorReason::kMissingParameter,
                       "data_dir: it is not set; the runner needs one.");
    }
    std::error_code error;
    path_ = std::filesystem::absolute(path, error).lexically_normal().string();
    const bool existed = std::filesystem::exists(path_, error);
    std::filesystem::create_directories(path_, error);
    if (error) return FolderError("make", path_, error.value());
    // Workers may run as another user. A folder that was there keeps the mode that its owner chose.
    if (!existed && chmod(path_.c_str(), 0755) != 0)
      return FolderError("set the mode of", path_, errno);
    lock_ = open((path_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_ < 0) return FolderError("open", path_ + "/lock", errno);
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
      return MakeError(
          ErrorReason::kInvalidParameterValue,
          absl::StrCat("data_dir: ", path_,
                       " is in use by another runner; each needs a folder of its own."));
    }
    KillLeftovers();
    for (const char* name : {"code", "tmp", "bootstrap.py"}) {
      std::filesystem::remove_all(path_ + "/" + name, error);
      if (error) return FolderError("empty", path_ + "/" + name, error.value());
    }
    for (const char* name : {"code", "tmp"}) {
      const std::string folder = path_ + "/" + name;
      if (mkdir(folder.c_str(), 0755) != 0 || chmod(folder.c_str(), 0755) != 0) {
        return FolderError("make", folder, errno);
      }
    }
    token_ = RandomToken(16);
    WEIR_RETURN_IF_ERROR(WriteFile("token", token_, 0600));
    return WriteFile("bootstrap.py", bootstrap::kBootstrap, 0644);
  }

  const std::string& path() const { return path_; }
  const std::string& token() const { return token_; }

 private:
  // What a former process did not end: its supervisors do that by themselves, unless somebody
  // killed those, too.
  void KillLeftovers() {
    std::ifstream file(path_ + "/token");
    std::string token;
    file >> token;
    if (token.size() != 32) return;
    if (const int killed = KillByToken(token); killed > 0) {
      observe::Log(observe::Level::kWarning, "processes of a former runner killed",
                   {{"count", absl::StrCat(killed)}});
    }
  }

  absl::Status WriteFile(const std::string& name, absl::string_view content, mode_t mode) {
    const std::string path = path_ + "/" + name;
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    file.close();
    if (!file || chmod(path.c_str(), mode) != 0) return FolderError("write", path, errno);
    return absl::OkStatus();
  }

  std::string path_;
  std::string token_;
  int lock_ = -1;
};

class WorkerPool : public Invoker, public WorkerOwner {
 public:
  WorkerPool(WorkerPoolOptions options, CodeSource& code, LogSink& logs, InvokerMetrics& metrics,
             const Clock& clock)
      : options_(std::move(options)),
        code_source_(code),
        logs_(logs),
        metrics_(metrics),
        clock_(clock),
        work_(asio::make_work_guard(io_)),
        janitor_(1, kJanitorQueueMax) {}

  ~WorkerPool() override { Stop(absl::ZeroDuration()); }

  absl::Status Start() {
    WEIR_RETURN_IF_ERROR(data_dir_.Open(options_.data_dir));
    if (options_.supervisor.empty()) {
      std::error_code error;
      const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
      options_.supervisor = (self.parent_path() / "weir-supervisor").string();
    }
    if (access(options_.supervisor.c_str(), X_OK) != 0) {
      return MakeError(ErrorReason::kInvalidParameterValue,
                       absl::StrCat("supervisor: ", options_.supervisor,
                                    " is no program; it must be weir-supervisor."));
    }
    cache_ = std::make_unique<CodeCache>(data_dir_.path() + "/code", code_source_);
    found_ = FindRuntimes(options_.runtimes, options_.supervisor, data_dir_.token(),
                          data_dir_.path() + "/bootstrap.py");
    for (const FoundRuntime& runtime : found_) runtimes_.push_back(runtime.info);
    thread_ = std::thread([this] { io_.run(); });
    return absl::OkStatus();
  }

  // --- Slots

  absl::StatusOr<Slot> TryAcquireSlot(const core::Function& function) override {
    {
      MutexLock lock(&mu_);
      if (stopping_) return ShuttingDown();
      if (TakeSlotLocked(function)) return Slot(this, function.id);
    }
    metrics_.Refused(function);
    return MakeError(ErrorReason::kTooManyRequests,
                     absl::StrCat("The function ", function.name.name,
                                  " cannot be invoked now: as many invocations run as "
                                  "its concurrency_limit (",
                                  function.config.concurrency_limit,
                                  ", 0 is no limit) or the runner's max_workers (",
                                  options_.max_workers, ") allows."));
  }

  absl::StatusOr<Slot> AcquireSlot(const core::Function& function, absl::Time deadline) override {
    MutexLock lock(&mu_);
    for (;;) {
      if (stopping_) return ShuttingDown();
      if (TakeSlotLocked(function)) return Slot(this, function.id);
      const absl::Duration left = deadline - clock_.Now();
      if (left <= absl::ZeroDuration()) {
        return MakeError(ErrorReason::kDeadlineExceeded,
                         absl::StrCat("No worker for the function ", function.name.name,
                                      " became free before the caller's deadline."));
      }
      slot_released_.WaitWithTimeout(&mu_, left);
    }
  }

  void ReleaseSlot(core::FunctionId function) override {
    MutexLock lock(&mu_);
    --slots_;
    const auto it = slots_of_.find(function);
    if (it != slots_of_.end() && --it->second == 0) slots_of_.erase(it);
    slot_released_.SignalAll();
  }

  // --- Invocations

  absl::StatusOr<core::InvocationResult> Invoke(Slot slot, core::FunctionPtr function,
                                                InvokeRequest request) override {
    const FoundRuntime* runtime = FindRuntime(function->config.runtime);
    if (runtime == nullptr) return RuntimeUnavailable(function->config.runtime);
    {
      MutexLock lock(&mu_);
      if (stopping_) return ShuttingDown();
      ++calls_;
    }
    absl::StatusOr<core::InvocationResult> result = Run(*runtime, function, std::move(request));
    {
      MutexLock lock(&mu_);
      --calls_;
      if (calls_ == 0) call_ended_.SignalAll();
    }
    if (result.ok()) {
      metrics_.Invoked(*function, result->outcome, result->duration,
                       result->init_duration.has_value());
    }
    return result;
  }

  void Retire(core::FunctionId function, core::Revision keep) override {
    cache_->Drop(function, keep);
    asio::post(io_, [this, function, keep] {
      // A copy: those that end leave the set.
      for (const std::shared_ptr<Worker>& worker : std::set(workers_)) {
        if (worker->function().id == function && worker->function().revision != keep) {
          worker->Retire();
        }
      }
    });
  }

  const std::vector<RuntimeInfo>& runtimes() const override { return runtimes_; }

  void Stop(absl::Duration drain) override {
    MutexLock stop_lock(&stop_mu_);
    if (!thread_.joinable()) return;
    {
      MutexLock lock(&mu_);
      stopping_ = true;
      slot_released_.SignalAll();
      const absl::Duration until = clock_.Monotonic() + drain;
      while (calls_ > 0) {
        const absl::Duration left = until - clock_.Monotonic();
        if (left <= absl::ZeroDuration()) break;
        call_ended_.WaitWithTimeout(&mu_, left);
      }
    }
    auto ended = std::make_shared<Notification>();
    asio::post(io_, [this, ended] {
      all_ended_ = ended;
      for (const std::shared_ptr<Worker>& worker : std::set(workers_))
        worker->End(EndReason::kStopping);
      NotifyIfAllEnded();
    });
    if (!ended->WaitForNotificationWithTimeout(kStopTimeout)) {
      observe::Log(observe::Level::kError,
                   "workers did not end; their supervisors go on killing them");
    }
    {
      // Whoever waits for a worker has been answered by its end; let them leave before the pool
      // goes.
      MutexLock lock(&mu_);
      const absl::Duration until = clock_.Monotonic() + kStopTimeout;
      while (calls_ > 0 && clock_.Monotonic() < until) {
        call_ended_.WaitWithTimeout(&mu_, until - clock_.Monotonic());
      }
    }
    work_.reset();
    io_.stop();
    thread_.join();
    idle_.clear();
    workers_.clear();
    janitor_.Stop();
  }

  // --- WorkerOwner, on the io thread

  void OnWorkerIdle(const std::shared_ptr<Worker>& worker) override {
    if (all_ended_ != nullptr) {
      worker->End(EndReason::kStopping);
      return;
    }
    worker->ArmIdleTimeout(options_.idle_worker_timeout);
    idle_[KeyOf(worker->function())].push_back(worker);
    idle_order_.push_back(worker);
  }

  void OnWorkerEnding(const std::shared_ptr<Worker>& worker) override { RemoveIdle(worker); }

  void OnWorkerEnded(const std::shared_ptr<Worker>& worker, bool clean) override {
    workers_.erase(worker);
    WorkerOptions& options = worker->options();
    if (!clean) {
      observe::Log(observe::Level::kWarning, "a worker's supervisor was killed",
                   {{"function", worker->function().name.name}});
    }
    // Files take time, and so do processes whose supervisor was killed.
    if (!janitor_.Post([clean, token = options.worker_token, folder = options.temporary_folder,
                        code = std::exchange(options.code, nullptr)] {
          if (!clean) KillByToken(token);
          std::error_code error;
          std::filesystem::remove_all(folder, error);
        })) {
      observe::Log(observe::Level::kWarning, "a worker's files stay until the next start",
                   {{"folder", options.temporary_folder}});
    }
    NotifyIfAllEnded();
  }

 private:
  using Key = std::pair<core::FunctionId, core::Revision>;
  static Key KeyOf(const core::Function& function) { return {function.id, function.revision}; }

  static absl::Status ShuttingDown() {
    return MakeError(ErrorReason::kShuttingDown, "The runner stops and starts no function.");
  }

  absl::Status RuntimeUnavailable(const std::string& name) const {
    std::vector<std::string> available;
    for (const RuntimeInfo& runtime : runtimes_) {
      if (runtime.available) available.push_back(runtime.name);
    }
    return MakeError(ErrorReason::kRuntimeUnavailable,
                     absl::StrCat("The runtime ", name, " is not available here; available are: ",
                                  available.empty() ? "none" : absl::StrJoin(available, ", "), "."),
                     {{"available", absl::StrJoin(available, ",")}});
  }

  const FoundRuntime* FindRuntime(const std::string& name) const {
    for (const FoundRuntime& runtime : found_) {
      if (runtime.info.name == name && runtime.info.available) return &runtime;
    }
    return nullptr;
  }

  bool TakeSlotLocked(const core::Function& function) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (slots_ >= options_.max_workers) return false;
    const auto it = slots_of_.find(function.id);
    const int limit = function.config.concurrency_limit;
    if (limit > 0 && it != slots_of_.end() && it->second >= limit) return false;
    ++slots_;
    ++slots_of_[function.id];
    return true;
  }

  absl::StatusOr<core::InvocationResult> Run(const FoundRuntime& runtime,
                                             const core::FunctionPtr& function,
                                             InvokeRequest request) {
    const absl::Time deadline = request.deadline;
    auto call = std::make_shared<Call>(function, std::move(request), RandomUuid());
    asio::post(io_, [this, call] { Look(call); });
    if (call->AwaitLook() == Call::State::kNeedsWorker) {
      WorkerOptions worker;
      worker.runtime = runtime;
      worker.supervisor = options_.supervisor;
      worker.token = data_dir_.token();
      worker.worker_token = RandomToken(16);
      worker.bootstrap = data_dir_.path() + "/bootstrap.py";
      WEIR_ASSIGN_OR_RETURN(worker.code, cache_->Get(*function, deadline));
      WEIR_ASSIGN_OR_RETURN(worker.temporary_folder, MakeTemporaryFolder(worker));
      asio::post(io_, [this, call, worker = std::move(worker)]() mutable {
        StartWorker(call, std::move(worker));
      });
    }
    return call->AwaitResult();
  }

  absl::StatusOr<std::string> MakeTemporaryFolder(const WorkerOptions& worker) {
    const std::string path = absl::StrCat(data_dir_.path(), "/tmp/", worker.worker_token);
    if (mkdir(path.c_str(), 0700) != 0 ||
        (worker.runtime.run_as.has_value() &&
         chown(path.c_str(), worker.runtime.run_as->user, worker.runtime.run_as->group) != 0)) {
      return MakeError(ErrorReason::kInternal, absl::StrCat("Cannot make the folder ", path, ": ",
                                                            std::strerror(errno), "."));
    }
    return path;
  }

  // On the io thread from here.

  void Look(const CallPtr& call) {
    const auto it = idle_.find(KeyOf(*call->function));
    if (it == idle_.end()) return call->NeedsWorker();
    // The one used last: the others can end by their timeout.
    const std::shared_ptr<Worker> worker = it->second.back();
    RemoveIdle(worker);
    call->Assigned();
    worker->Assign(call);
  }

  void StartWorker(const CallPtr& call, WorkerOptions options) {
    if (all_ended_ != nullptr) return call->Finish(ShuttingDown());
    // Meanwhile one may have become idle.
    if (idle_.contains(KeyOf(*call->function))) {
      janitor_.Post([folder = options.temporary_folder] {
        std::error_code error;
        std::filesystem::remove_all(folder, error);
      });
      return Look(call);
    }
    // Busy workers have slots, so when there are too many, one is idle (or about to end).
    int living = 0;
    for (const std::shared_ptr<Worker>& worker : workers_) living += worker->ending() ? 0 : 1;
    if (living >= options_.max_workers && !idle_order_.empty()) {
      const std::shared_ptr<Worker> oldest = idle_order_.front();
      oldest->End(EndReason::kIdle);
    }
    absl::StatusOr<std::shared_ptr<Worker>> worker =
        Worker::Start(io_, std::move(options), *this, logs_, clock_, call);
    if (!worker.ok()) return call->Finish(worker.status());
    workers_.insert(*std::move(worker));
  }

  void RemoveIdle(const std::shared_ptr<Worker>& worker) {
    const auto it = idle_.find(KeyOf(worker->function()));
    if (it == idle_.end()) return;
    if (std::erase(it->second, worker) > 0) std::erase(idle_order_, worker);
    if (it->second.empty()) idle_.erase(it);
  }

  void NotifyIfAllEnded() {
    if (all_ended_ != nullptr && workers_.empty() && !all_ended_->HasBeenNotified())
      all_ended_->Notify();
  }

  // Constant after Start.
  WorkerPoolOptions options_;
  CodeSource& code_source_;
  LogSink& logs_;
  InvokerMetrics& metrics_;
  const Clock& clock_;
  DataDir data_dir_;
  std::vector<FoundRuntime> found_;
  std::vector<RuntimeInfo> runtimes_;

  // Safe by themselves.
  std::unique_ptr<CodeCache> cache_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  runtime::ThreadPool janitor_;

  Mutex stop_mu_;
  std::thread thread_ ABSL_GUARDED_BY(stop_mu_);

  Mutex mu_;
  CondVar slot_released_;
  CondVar call_ended_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  int slots_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<core::FunctionId, int> slots_of_ ABSL_GUARDED_BY(mu_);
  int calls_ ABSL_GUARDED_BY(mu_) = 0;

  // Touched on the io thread only.
  std::set<std::shared_ptr<Worker>> workers_;
  std::map<Key, std::vector<std::shared_ptr<Worker>>> idle_;  // the one used last at the back
  std::vector<std::shared_ptr<Worker>> idle_order_;  // all of idle_, the one used last at the back
  std::shared_ptr<Notification> all_ended_;          // set: stopping
};

}  // namespace

absl::StatusOr<std::unique_ptr<Invoker>> MakeWorkerPool(WorkerPoolOptions options, CodeSource& code,
                                                        LogSink& logs, InvokerMetrics& metrics,
                                                        const Clock& clock) {
  auto pool = std::make_unique<WorkerPool>(std::move(options), code, logs, metrics, clock);
  WEIR_RETURN_IF_ERROR(pool->Start());
  return std::unique_ptr<Invoker>(std::move(pool));
}

}  // namespace weir::runner::engine
