#include "services/runner/logs/log_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/observe/log.h"

namespace weir::runner::logs {
namespace {

constexpr absl::Duration kStoreTimeout = absl::Seconds(10);

size_t CostOf(const core::LogLine& line) { return line.text.size() + line.request_id.size() + 64; }

}  // namespace

LogWriter::LogWriter(LogWriterOptions options, store::LogStore& store, LogFeed& feed,
                     LogMetrics& metrics, const Clock& clock)
    : options_(options),
      store_(store),
      feed_(feed),
      metrics_(metrics),
      clock_(clock),
      next_trim_(clock.Monotonic()) {}

void LogWriter::Start() {
  thread_ = std::thread([this] { Run(); });
}

void LogWriter::Append(std::vector<core::LogLine> lines) {
  MutexLock lock(&mu_);
  for (core::LogLine& line : lines) {
    buffer_bytes_ += CostOf(line);
    buffer_.push_back(std::move(line));
    ++appended_;
  }
  while (buffer_bytes_ > options_.buffer_bytes_max || buffer_.size() > options_.buffer_lines_max) {
    DropOldestLocked();
  }
  changed_.SignalAll();
}

void LogWriter::DropOldestLocked() {
  const core::LogLine& line = buffer_.front();
  ++lost_[line.function];
  ++settled_;
  metrics_.LinesLost(1);
  buffer_bytes_ -= CostOf(line);
  buffer_.pop_front();
}

bool LogWriter::Flush(absl::Time deadline) {
  MutexLock lock(&mu_);
  const uint64_t goal = appended_;
  while (settled_ < goal && !stopping_) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) break;
    changed_.WaitWithTimeout(&mu_, left);
  }
  return settled_ >= goal;
}

void LogWriter::Stop() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

void LogWriter::AddLossesLocked(Group& group) {
  for (const auto& [function, lines] : lost_) {
    group.lines.push_back({.function = function,
                     .logged_at = clock_.Now(),
                     .stream = core::LogStream::kPlatform,
                     .text = absl::StrCat(lines, " log lines were lost here: they came faster than "
                                                 "the store took them, or it was away.")});
  }
  lost_.clear();
}

LogWriter::Group LogWriter::NextGroup() {
  MutexLock lock(&mu_);
  while (buffer_.empty() && lost_.empty() && !stopping_) {
    const absl::Duration left = next_trim_ - clock_.Monotonic();
    if (left <= absl::ZeroDuration()) return {};
    changed_.WaitWithTimeout(&mu_, left);
  }
  Group group;
  AddLossesLocked(group);
  size_t bytes = 0;
  while (!buffer_.empty() && group.lines.size() < options_.group_lines_max &&
         bytes < options_.group_bytes_max) {
    const size_t cost = CostOf(buffer_.front());
    bytes += cost;
    buffer_bytes_ -= cost;
    group.lines.push_back(std::move(buffer_.front()));
    ++group.appended;
    buffer_.pop_front();
  }
  return group;
}

bool LogWriter::Write(const Group& group) {
  const absl::Status status =
      store_.AppendLogLines(group.lines, clock_.Now(), absl::Now() + kStoreTimeout);
  if (!status.ok()) {
    observe::Log(observe::Level::kWarning, "log lines could not be stored",
                 {{"error", std::string(status.message())}, {"lines", absl::StrCat(group.lines.size())}});
    return false;
  }
  metrics_.LinesWritten(group.lines.size());
  absl::flat_hash_set<core::FunctionId> functions;
  for (const core::LogLine& line : group.lines) functions.insert(line.function);
  feed_.Stored(functions);
  return true;
}

void LogWriter::TrimIfDue() {
  if (clock_.Monotonic() < next_trim_) return;
  next_trim_ = clock_.Monotonic() + options_.trim_interval;
  const absl::Status status =
      store_.TrimLogs(clock_.Now() - options_.retention, absl::Now() + kStoreTimeout);
  if (!status.ok()) {
    observe::Log(observe::Level::kWarning, "old log lines could not be removed, trying again later",
                 {{"error", std::string(status.message())}});
  }
}

bool LogWriter::Written(Group& group) {
  MutexLock lock(&mu_);
  settled_ += group.appended;
  group = Group();
  changed_.SignalAll();
  return stopping_ && buffer_.empty() && lost_.empty();
}

bool LogWriter::WaitToRetry(absl::Duration backoff) {
  MutexLock lock(&mu_);
  const absl::Time until = absl::Now() + backoff;
  while (!stopping_ && absl::Now() < until) changed_.WaitWithTimeout(&mu_, until - absl::Now());
  return stopping_;
}

void LogWriter::Run() {
  absl::Duration backoff = options_.retry_min;
  Group group;
  while (true) {
    TrimIfDue();
    if (group.lines.empty()) group = NextGroup();
    if (group.lines.empty() || Write(group)) {
      backoff = options_.retry_min;
      if (Written(group)) return;
      continue;
    }
    if (WaitToRetry(backoff)) return;
    backoff = std::min(backoff * 2, options_.retry_max);
  }
}

}  // namespace weir::runner::logs
