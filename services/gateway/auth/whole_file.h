// Files that are read and replaced as a whole. Errors name the path and the system's reason.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace weir::gateway::auth {

// kNotFound when there is no such file.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// Durable when it returns OK; whoever reads meanwhile, or after a crash, gets the old text or the new one. Mode 0600.
absl::Status ReplaceFile(const std::string& path, absl::string_view text);

// Held by one process and thread at a time; it ends with the process. The lock is a file of its own, PATH.lock, as the file itself
// is replaced.
class FileLock {
 public:
  // Waits for whoever has it.
  static absl::StatusOr<FileLock> Take(const std::string& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace weir::gateway::auth
