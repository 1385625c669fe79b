// weir-bench: named workloads.
//
//   cycle          full cycles (send, receive, delete, each answered after its commit) over gRPC
//                  against a running queue service
//   skip-locked    the same cycles on one PostgreSQL table with FOR UPDATE SKIP LOCKED, what Weir
//   is
//                  compared with
//   journal        the rows of full cycles appended to the queue service's store, without service
//   or
//                  gRPC
//
// All print the same: cycles per second, latencies, CPU. bench/compare.sh runs the first two
// alternately. Exit code 1: an error, or not every message came back.
#include <CLI/CLI.hpp>

#include "bench/command_line.h"
#include "bench/cycle.h"
#include "bench/journal.h"
#include "bench/postgres.h"
#include "bench/report.h"
#include "bench/skip_locked.h"

namespace weir::bench {
namespace {

void AddPostgresPid(CLI::App& command, Options& options) {
  command.add_option("--postgres-pid", options.postgres_pid,
                     "First process of PostgreSQL, to tell its CPU time; found by --database-url "
                     "where that is on this machine");
}

void AddQueues(CLI::App& command, Options& options) {
  command.add_option("--queues", options.queues, "Queues, among which the cyclers are divided")
      ->capture_default_str();
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Workloads that measure Weir's queue service.");
  app.require_subcommand(1);

  CLI::App* cycle = app.add_subcommand("cycle", "Full cycles over gRPC against a queue service");
  cycle->add_option("--target", options.target, "HOST:PORT of the queue service")->required();
  AddCyclerOptions(*cycle, options);
  AddQueues(*cycle, options);
  cycle->add_option("--channels", options.channels, "TCP connections that carry the calls")
      ->capture_default_str();
  AddCommonOptions(*cycle, options);
  AddPostgresPid(*cycle, options);
  cycle->add_option("--server-pid", options.server_pid,
                    "The service's process, to tell its CPU time");
  cycle->add_option("--database-url", options.database_url,
                    "The service's PostgreSQL, only to tell its CPU time");

  CLI::App* skip_locked =
      app.add_subcommand("skip-locked", "Full cycles on one table with FOR UPDATE SKIP LOCKED");
  skip_locked
      ->add_option("--database-url", options.database_url,
                   "PostgreSQL; a table is made and dropped")
      ->required();
  AddCyclerOptions(*skip_locked, options);
  AddQueues(*skip_locked, options);
  AddCommonOptions(*skip_locked, options);
  AddPostgresPid(*skip_locked, options);

  CLI::App* journal = app.add_subcommand("journal", "The store alone: the rows of full cycles");
  journal
      ->add_option("--database-url", options.database_url,
                   "PostgreSQL; a database is made and dropped")
      ->required();
  journal->add_option("--shards", options.shards, "Shards, a thread and a connection each")
      ->capture_default_str();
  journal->add_option("--batch", options.batch, "Cycles a commit")->capture_default_str();
  AddCommonOptions(*journal, options);
  AddPostgresPid(*journal, options);

  CLI11_PARSE(app, argc, argv);
  const Workload workload = cycle->parsed()         ? RunCycle
                            : skip_locked->parsed() ? RunSkipLocked
                                                    : RunJournal;
  if (options.postgres_pid == 0) options.postgres_pid = FindPostgresPid(options.database_url);
  CpuMeter cpu(options.server_pid, options.postgres_pid);
  return RunAndPrint("weir-bench", workload, options, cpu);
}

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) { return weir::bench::Main(argc, argv); }
