// The workloads of weir-bench-peers: full cycles on the brokers that one would otherwise choose.
// Each makes a queue of its own on the broker at options.target and deletes it at the end.
#pragma once

#include "absl/status/statusor.h"
#include "bench/report.h"

namespace weir::bench {

// Jobs: put, reserve, delete. A connection a cycler; with a batch, commands are pipelined.
absl::StatusOr<Report> RunBeanstalkd(const Options& options, CpuMeter& cpu);

// A stream with file storage and work queue retention, and one durable pull consumer that all
// cyclers fetch from. A send returns when the server has acknowledged it; an acknowledgement of a
// message is sent and not answered, as the clients do it by default. options.channels connections
// carry the cyclers.
absl::StatusOr<Report> RunJetStream(const Options& options, CpuMeter& cpu);

// A quorum queue. options.connections publishers, each with up to options.outstanding persistent
// messages that are not confirmed yet, and options.consumers consumers that acknowledge each
// message by itself. Acknowledgements are sent and not answered.
absl::StatusOr<Report> RunRabbitMq(const Options& options, CpuMeter& cpu);

// A stream and a consumer group: XADD, XREADGROUP, XACK and XDEL. A connection a cycler; with a
// batch, commands are pipelined.
absl::StatusOr<Report> RunRedis(const Options& options, CpuMeter& cpu);

}  // namespace weir::bench
