#include "services/runner/engine/worker_log.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace weir::runner::engine {
namespace {

constexpr size_t kFlushBytes = 256 << 10;

// Length of the UTF-8 character at the start of `text`, 0 if there is none.
size_t CharacterLength(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) low = 0xa0;   // overlong
    if (first == 0xed) high = 0x9f;  // surrogates
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  if (text.size() < length || byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

// The largest n <= at that does not lie within a character (if `text` is UTF-8).
size_t CutBefore(absl::string_view text, size_t at) {
  size_t cut = at;
  while (cut > 0 && at - cut < 3 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
  return cut == 0 || (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80 ? at : cut;
}

}  // namespace

std::string ToUtf8(absl::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const size_t length = text[0] == '\0' ? 0 : CharacterLength(text);
    if (length == 0) {
      result += "\xEF\xBF\xBD";
      text.remove_prefix(1);
    } else {
      result.append(text.data(), length);
      text.remove_prefix(length);
    }
  }
  return result;
}

WorkerLog::WorkerLog(core::FunctionId function, LogSink& sink, const Clock& clock)
    : function_(function), sink_(sink), clock_(clock) {}

void WorkerLog::Begin(absl::string_view request_id) {
  EndLines();
  request_id_ = std::string(request_id);
  written_ = 0;
}

void WorkerLog::Write(core::LogStream stream, absl::string_view bytes) {
  std::string& begun = begun_[stream == core::LogStream::kStdout ? 0 : 1];
  while (!bytes.empty()) {
    if (written_ > kInvocationBytesMax) return;  // what comes is dropped
    const size_t room = kLineBytesMax - begun.size();
    const size_t line_end = bytes.find('\n');
    if (line_end != absl::string_view::npos && line_end <= room) {
      begun.append(bytes.data(), line_end);
      bytes.remove_prefix(line_end + 1);
      AddLine(stream, absl::StripSuffix(begun, "\r"));
      begun.clear();
    } else if (bytes.size() > room) {
      begun.append(bytes.data(), room);
      bytes.remove_prefix(room);
      // One byte of the next piece tells whether the cut goes through a character.
      begun.push_back(bytes.front());
      const size_t cut = CutBefore(begun, kLineBytesMax);
      begun.pop_back();
      AddLine(stream, absl::string_view(begun).substr(0, cut));
      begun.erase(0, cut);
    } else {
      begun.append(bytes.data(), bytes.size());
      bytes = {};
    }
  }
}

void WorkerLog::AddLine(core::LogStream stream, absl::string_view text) {
  written_ += text.size() + 1;
  if (written_ > kInvocationBytesMax) {
    for (std::string& begun : begun_) begun.clear();
    Append(core::LogStream::kPlatform,
           absl::StrCat("The log of this invocation has reached ", kInvocationBytesMax >> 10,
                        " KiB; what it writes from here on is left out."));
    return;
  }
  Append(stream, ToUtf8(text));
}

void WorkerLog::Platform(absl::string_view text) {
  Append(core::LogStream::kPlatform, ToUtf8(text.substr(0, kLineBytesMax)));
}

void WorkerLog::Append(core::LogStream stream, std::string text) {
  absl::StrAppend(&tail_, text, "\n");
  if (tail_.size() > 4 * kTailBytesMax) tail_.erase(0, tail_.size() - kTailBytesMax);
  core::LogLine line;
  line.function = function_;
  line.logged_at = clock_.Now();
  line.request_id = request_id_;
  line.stream = stream;
  line.text = std::move(text);
  lines_bytes_ += line.text.size();
  lines_.push_back(std::move(line));
  if (lines_bytes_ > kFlushBytes) Flush();
}

void WorkerLog::EndLines() {
  for (size_t i = 0; i < begun_.size(); ++i) {
    if (begun_[i].empty()) continue;
    const std::string line = std::exchange(begun_[i], {});
    if (written_ > kInvocationBytesMax) continue;
    AddLine(i == 0 ? core::LogStream::kStdout : core::LogStream::kStderr, line);
  }
}

std::string WorkerLog::End() {
  EndLines();
  std::string tail = std::exchange(tail_, {});
  if (tail.size() > kTailBytesMax) {
    size_t cut = tail.size() - kTailBytesMax;
    while (cut < tail.size() && (static_cast<unsigned char>(tail[cut]) & 0xc0) == 0x80) ++cut;
    tail.erase(0, cut);
  }
  request_id_.clear();
  written_ = 0;
  Flush();
  return tail;
}

void WorkerLog::Flush() {
  if (lines_.empty()) return;
  lines_bytes_ = 0;
  sink_.Append(std::exchange(lines_, {}));
}

}  // namespace weir::runner::engine
