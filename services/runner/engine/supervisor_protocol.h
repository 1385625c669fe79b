// How the runner and weir-supervisor talk, over a SOCK_SEQPACKET pair whose end is the supervisor's
// descriptor 3.
//
// First the runner sends one packet that says what to run: fields one after the other, each a tag,
// text and a NUL. Then it sends commands of one byte. The supervisor sends Reports. The end of the
// connection means to the supervisor that the runner is gone, and to the runner that the supervisor
// is.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir::runner::supervisor {

inline constexpr int kControlFd = 3;
inline constexpr size_t kSpecBytesMax = 128 << 10;

// Tags of the first packet.
inline constexpr char kArgument =
    'a';  // one each, in order; the first is the program's absolute path
inline constexpr char kEnvironment = 'e';  // NAME=VALUE, one each: the worker's whole environment
inline constexpr char kFolder = 'd';       // working directory
inline constexpr char kUser = 'u';         // uid, decimal; not given: ours
inline constexpr char kGroup = 'g';        // gid
inline constexpr char kMemoryMib =
    'm';  // of all processes of the worker together; not given: no limit

// Commands.
inline constexpr char kKill = 'K';   // kill everything, report kEnded, exit
inline constexpr char kWatch = 'W';  // an invocation runs: sample memory
inline constexpr char kRest = 'R';   // it has ended: sample no more

enum class ReportKind : int32_t {
  kStarted = 1,      // value: pid of the main process
  kNotStarted = 2,   // value: errno
  kMemory = 3,       // memory_kib: a new peak
  kOutOfMemory = 4,  // memory_kib: over the limit; everything is being killed, kEnded follows
  kEnded = 5,  // value: wait status of the main process; memory_kib: its peak. No process is left
};

struct Report {
  ReportKind kind = ReportKind::kStarted;
  int32_t value = 0;
  int64_t memory_kib = 0;
};

}  // namespace weir::runner::supervisor
