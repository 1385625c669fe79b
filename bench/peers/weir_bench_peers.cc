// weir-bench-peers: the cycles of weir-bench on the brokers that one would otherwise choose.
//
//   beanstalkd  rabbitmq  jetstream  redis
//
// Options and figures as weir-bench has them. It needs the brokers' client libraries, so it is a
// program of its own; `make compare` installs them, starts the brokers and runs it.
#include "bench/command_line.h"
#include "bench/peers/peers.h"

namespace weir::bench {
namespace {

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("The cycles of weir-bench on other brokers.");
  app.require_subcommand(1);
  Workload workload = nullptr;
  const auto add = [&](const char* name, const char* description, Workload run) {
    CLI::App* command = app.add_subcommand(name, description);
    command->add_option("--target", options.target, "HOST:PORT of the broker")->required();
    command->add_option("--server-pid", options.server_pid,
                        "The broker's first process, to tell the CPU time of all its processes");
    AddCommonOptions(*command, options);
    command->callback([&workload, run] { workload = run; });
    return command;
  };
  AddCyclerOptions(*add("beanstalkd", "put, reserve, delete", RunBeanstalkd), options);
  AddCyclerOptions(*add("redis", "A stream with a consumer group", RunRedis), options);
  CLI::App* jetstream = add("jetstream", "A work queue stream in files", RunJetStream);
  AddCyclerOptions(*jetstream, options);
  jetstream->add_option("--channels", options.channels, "TCP connections that carry the cyclers")
      ->capture_default_str();
  CLI::App* rabbitmq = add("rabbitmq", "A quorum queue with publisher confirms", RunRabbitMq);
  rabbitmq->add_option("--connections", options.connections, "Publishers")->capture_default_str();
  rabbitmq
      ->add_option("--outstanding", options.outstanding,
                   "Messages of a publisher that are not confirmed yet")
      ->capture_default_str();
  rabbitmq->add_option("--consumers", options.consumers, "Consumers")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  CpuMeter cpu(options.server_pid, /*postgres_pid=*/0, CpuMeter::Server::kTree);
  return RunAndPrint("weir-bench-peers", workload, options, cpu);
}

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) { return weir::bench::Main(argc, argv); }
