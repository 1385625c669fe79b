// Stands for a runner that is killed: runs a function that starts daemons, says so, and waits.
// Argument: the data directory.
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "services/runner/engine/worker_pool.h"
#include "services/runner/engine/worker_pool_testing.h"

int main(int argc, char** argv) {
  using namespace weir;                  // NOLINT
  using namespace weir::runner;          // NOLINT
  using namespace weir::runner::engine;  // NOLINT
  if (argc != 2) return 2;
  FakeCodeSource code;
  FakeLogSink logs;
  FakeInvokerMetrics metrics;
  WorkerPoolOptions options;
  options.data_dir = argv[1];
  options.supervisor = WEIR_BIN_DIR "/weir-supervisor";
  auto pool = MakeWorkerPool(options, code, logs, metrics, SystemClock());
  if (!pool.ok()) return 3;
  std::string runtime;
  for (const RuntimeInfo& info : (*pool)->runtimes()) {
    if (info.available) runtime = info.name;
  }
  const auto function = MakeFunction(1, runtime);
  core::FunctionCode source;
  source.files["app.py"] = R"py(
import os, time
def handler(event, context):
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            os.setsid()
            if os.fork() > 0:
                os._exit(0)
            time.sleep(1000)
            os._exit(0)
        os.waitpid(pid, 0)
    if event == "wait":
        time.sleep(1000)
)py";
  code.Put(*function, source);
  auto warm = (*pool)->TryAcquireSlot(*function);
  if (!warm.ok() || !(*pool)->Invoke(*std::move(warm), function, {"1"}).ok()) return 4;
  std::thread busy([&] {
    auto slot = (*pool)->TryAcquireSlot(*function);
    (void)(*pool)->Invoke(*std::move(slot), function, {"\"wait\""});
  });
  std::printf("ready\n");
  std::fflush(stdout);
  busy.join();
  return 5;
}
