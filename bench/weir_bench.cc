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
//   stream         full cycles over the streams Produce and Consume
//   latency        one message at a time, at a pace, to a consumer that waits
//   insert-commit  INSERTs at the same pace, what latency is compared with
//   sqs            full cycles in SQS's JSON over HTTP against a running gateway
//   sqs-latency    latency in SQS's JSON over HTTP
//   fill           makes queues and sends messages that stay
//
// All print the same: cycles per second, latencies, CPU. bench/compare.sh runs the first two
// alternately. Exit code 1: an error, or not every message came back.
#include <CLI/CLI.hpp>

#include "bench/command_line.h"
#include "bench/cycle.h"
#include "bench/fill.h"
#include "bench/journal.h"
#include "bench/latency.h"
#include "bench/postgres.h"
#include "bench/report.h"
#include "bench/skip_locked.h"
#include "bench/sqs.h"
#include "bench/stream.h"

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

void AddService(CLI::App& command, Options& options) {
  command
      .add_option("--target", options.target,
                  "HOST:PORT of the queue service; of several replicas: separated by commas")
      ->required();
  command.add_option("--server-pid", options.server_pid,
                     "The service's process, to tell its CPU time");
  command.add_option("--database-url", options.database_url,
                     "The service's PostgreSQL, only to tell its CPU time");
}

void AddFill(CLI::App& app, Options& options, Workload& workload) {
  CLI::App* fill = app.add_subcommand("fill", "Makes queues and sends messages that stay");
  AddService(*fill, options);
  fill->add_option("--queue", options.queue, "Name of the queue, or the head of their names")
      ->required();
  fill->add_option("--queues", options.fill_queues, "How many")->capture_default_str();
  fill->add_option("--messages", options.messages, "Messages that each gets")
      ->capture_default_str();
  AddCyclerOptions(*fill, options);
  AddCommonOptions(*fill, options);
  fill->callback([&workload] { workload = RunFill; });
}

void AddLatencies(CLI::App& app, Options& options, Workload& workload) {
  CLI::App* latency = app.add_subcommand("latency", "Paced sends to a consumer that waits");
  AddService(*latency, options);
  CLI::App* insert = app.add_subcommand("insert-commit", "Paced INSERTs, what latency compares to");
  insert
      ->add_option("--database-url", options.database_url,
                   "PostgreSQL; a table is made and dropped")
      ->required();
  for (CLI::App* command : {latency, insert}) {
    command->add_option("--rate", options.rate, "Messages a second")->capture_default_str();
    AddCommonOptions(*command, options);
    AddPostgresPid(*command, options);
  }
  latency->callback([&workload] { workload = RunLatency; });
  insert->callback([&workload] { workload = RunInsertCommit; });
}

void AddStream(CLI::App& app, Options& options, Workload& workload) {
  CLI::App* stream = app.add_subcommand("stream", "Full cycles over streams of a queue service");
  AddService(*stream, options);
  stream->add_option("--producers", options.connections, "Streams that send")->capture_default_str();
  stream->add_option("--outstanding", options.outstanding, "Messages of each, not answered yet")
      ->capture_default_str();
  stream->add_option("--batch", options.batch, "Messages a request")->capture_default_str();
  stream->add_option("--consumers", options.consumers, "Streams that receive and delete")
      ->capture_default_str();
  stream->add_option("--credit", options.credit, "Messages that each may hold")
      ->capture_default_str();
  stream->add_option("--channels", options.channels, "TCP connections that carry the streams")
      ->capture_default_str();
  AddQueues(*stream, options);
  AddCommonOptions(*stream, options);
  AddPostgresPid(*stream, options);
  stream->callback([&workload] { workload = RunStream; });
}

void AddGateway(CLI::App& app, Options& options, Workload& workload) {
  CLI::App* cycle = app.add_subcommand("sqs", "Full cycles in SQS's JSON over HTTP");
  CLI::App* latency = app.add_subcommand("sqs-latency", "Paced sends in SQS's JSON over HTTP");
  for (CLI::App* command : {cycle, latency}) {
    command->add_option("--target", options.target, "HOST:PORT of a gateway")->required();
    command->add_option("--server-pid", options.server_pid, "The gateway's process, to tell its CPU time");
    command->add_option("--database-url", options.database_url, "Weir's PostgreSQL, only to tell its CPU time");
    AddCommonOptions(*command, options);
    AddPostgresPid(*command, options);
  }
  AddCyclerOptions(*cycle, options);
  AddQueues(*cycle, options);
  latency->add_option("--rate", options.rate, "Messages a second")->capture_default_str();
  cycle->callback([&workload] { workload = RunSqsCycles; });
  latency->callback([&workload] { workload = RunSqsLatency; });
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Workloads that measure Weir's queue service.");
  app.require_subcommand(1);

  CLI::App* cycle = app.add_subcommand("cycle", "Full cycles over gRPC against a queue service");
  AddService(*cycle, options);
  AddCyclerOptions(*cycle, options);
  AddQueues(*cycle, options);
  cycle->add_option("--channels", options.channels, "TCP connections that carry the calls")
      ->capture_default_str();
  AddCommonOptions(*cycle, options);
  AddPostgresPid(*cycle, options);
  cycle->add_option("--queue", options.queue,
                    "A queue that is there, with messages that `fill` sent; default: new ones");
  cycle->add_option("--backlog", options.backlog, "How many messages that queue has");

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

  Workload other = nullptr;
  AddFill(app, options, other);
  AddLatencies(app, options, other);
  AddGateway(app, options, other);
  Options of_stream;  // other defaults
  of_stream.connections = 4;
  of_stream.outstanding = 1'000;
  of_stream.batch = 100;
  AddStream(app, of_stream, other);

  CLI11_PARSE(app, argc, argv);
  const Workload workload = cycle->parsed()         ? RunCycle
                            : skip_locked->parsed() ? RunSkipLocked
                            : journal->parsed()     ? RunJournal
                                                    : other;
  if (workload == RunStream) options = of_stream;
  if (options.postgres_pid == 0) options.postgres_pid = FindPostgresPid(options.database_url);
  CpuMeter cpu(options.server_pid, options.postgres_pid);
  return RunAndPrint("weir-bench", workload, options, cpu);
}

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) { return weir::bench::Main(argc, argv); }
