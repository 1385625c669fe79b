// CPU time of processes on this machine, from /proc.
#pragma once

#include <sys/types.h>

#include "absl/status/statusor.h"

namespace weir::bench {

// User and system time in seconds. NOT_FOUND if there is no such process.
absl::StatusOr<double> CpuSecondsOf(pid_t pid);

// The same of a process and all its descendants, those that have ended included (as far as their
// parents have waited for them). PostgreSQL's server: its first process has one child a connection.
absl::StatusOr<double> CpuSecondsOfTree(pid_t root);

// Of the calling process.
double OwnCpuSeconds();

// Of everything that runs on this machine. NOT_FOUND where /proc/stat cannot be read.
absl::StatusOr<double> CpuSecondsOfMachine();

}  // namespace weir::bench
