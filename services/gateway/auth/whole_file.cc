#include "services/gateway/auth/whole_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace weir::gateway::auth {
namespace {

absl::Status SystemError(absl::string_view what, const std::string& path) {
  const std::string message = absl::StrCat("Cannot ", what, " ", path, ": ", strerror(errno), ".");
  return errno == ENOENT ? absl::NotFoundError(message) : absl::FailedPreconditionError(message);
}

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

bool WriteAll(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Makes the names in it durable.
absl::Status SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError("open the folder", folder);
  const absl::Cleanup closer = [fd] { close(fd); };
  if (fsync(fd) != 0) return SystemError("sync the folder", folder);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError("open", path);
  const absl::Cleanup closer = [fd] { close(fd); };
  std::string text;
  std::array<char, 65536> buffer;
  while (true) {
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError("read", path);
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(n));
  }
}

absl::Status ReplaceFile(const std::string& path, absl::string_view text) {
  // mkstemp makes it with mode 0600.
  std::string temporary = path + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return SystemError("make a file beside", path);
  const bool written = WriteAll(fd, text) && fsync(fd) == 0;
  absl::Status status = written ? absl::OkStatus() : SystemError("write", temporary);
  if (close(fd) != 0 && status.ok()) status = SystemError("close", temporary);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) status = SystemError("replace", path);
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return SyncFolder(FolderOf(path));
}

absl::StatusOr<FileLock> FileLock::Take(const std::string& path) {
  const std::string lock_path = path + ".lock";
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError("make the lock file", lock_path);
  FileLock lock(fd);
  while (flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) return SystemError("lock", lock_path);
  }
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace weir::gateway::auth
