// The words of the runner: functions, invocations, log lines, mappings.
//
// Plain values, no behaviour; they may be copied between threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "libs/base/strong_id.h"

namespace weir::runner::core {

// Never reused, so a function that is deleted and created again under its name is another one. 0: no function.
using FunctionId = StrongId<struct FunctionIdTag>;
// Rises with every deployment that changed something; starts at 1.
using Revision = StrongId<struct RevisionTag>;

struct FunctionName {
  std::string account;  // 12 digits
  std::string region;
  std::string name;
  friend auto operator<=>(const FunctionName&, const FunctionName&) = default;
};

struct FunctionConfig {
  std::string runtime;
  std::string handler;
  absl::Duration timeout = absl::Seconds(3);  // whole seconds
  int32_t memory_mib = 128;
  std::map<std::string, std::string> environment;
  int32_t concurrency_limit = 0;  // 0: only the runner's own bound
  std::string description;
  friend bool operator==(const FunctionConfig&, const FunctionConfig&) = default;
};

// What a function consists of, as it was deployed.
struct FunctionCode {
  enum class Kind : int16_t { kInlineFiles = 1, kZip = 2 };
  Kind kind = Kind::kInlineFiles;
  std::map<std::string, std::string> files;  // kInlineFiles: content by path relative to the function's folder
  std::string zip;                           // kZip: the archive's bytes
};

// One revision of a function; immutable once shared. Its code is read apart.
struct Function {
  FunctionId id;
  FunctionName name;
  FunctionConfig config;
  std::string code_sha256;
  int64_t code_bytes = 0;
  Revision revision;
  absl::Time created_at;
  absl::Time modified_at;
};
using FunctionPtr = std::shared_ptr<const Function>;

// "arn:aws:lambda:REGION:ACCOUNT:function:NAME"
std::string FunctionArn(const FunctionName& name);

enum class InvocationOutcome { kSucceeded, kHandledError, kUnhandledError };

// How an invocation ended: also one that failed did end.
struct InvocationResult {
  std::string request_id;
  InvocationOutcome outcome = InvocationOutcome::kSucceeded;
  std::string payload;  // JSON: what the function returned, or Lambda's error object
  absl::Duration duration;
  std::optional<absl::Duration> init_duration;  // unset: a warm worker took it
  int32_t max_memory_used_mib = 0;
  Revision revision;
  std::string log_tail;  // the last 4 KiB of its log
};

enum class LogStream : int16_t { kStdout = 1, kStderr = 2, kPlatform = 3 };

struct LogLine {
  FunctionId function;
  absl::Time logged_at;
  std::string request_id;  // empty: outside of any invocation
  LogStream stream = LogStream::kPlatform;
  std::string text;  // UTF-8, without the line break
};

struct MappingConfig {
  int32_t batch_size = 10;
  absl::Duration maximum_batching_window = absl::ZeroDuration();  // whole seconds
  bool enabled = true;
  int32_t maximum_concurrency = 0;  // 0: as many as the function may have
  bool report_batch_item_failures = false;
  friend bool operator==(const MappingConfig&, const MappingConfig&) = default;
};

// One version of an event source mapping.
struct Mapping {
  std::string uuid;
  FunctionId function;
  FunctionName function_name;
  std::string event_source_arn;
  MappingConfig config;
  absl::Time created_at;
  absl::Time modified_at;
};

}  // namespace weir::runner::core
