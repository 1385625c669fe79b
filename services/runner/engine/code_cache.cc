#include "services/runner/engine/code_cache.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"
#include "services/runner/engine/function_code.h"

namespace weir::runner::engine {

CodeFolder::~CodeFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  if (error) {
    observe::Log(observe::Level::kWarning, "unpacked code not removed",
                 {{"folder", path_}, {"error", error.message()}});
  }
}

CodeCache::CodeCache(std::string folder, CodeSource& source)
    : folder_(std::move(folder)), source_(source) {}

absl::StatusOr<CodeFolderPtr> CodeCache::Get(const core::Function& function, absl::Time deadline) {
  const Key key(function.id, function.revision);
  std::shared_ptr<Entry> entry;
  {
    MutexLock lock(&mu_);
    const auto it = entries_.find(key);
    if (it != entries_.end()) {
      entry = it->second;
      while (!entry->done) {
        const absl::Duration left = deadline - absl::Now();
        if (left <= absl::ZeroDuration()) {
          return MakeError(ErrorReason::kDeadlineExceeded,
                           "The deadline passed while the function's code was unpacked.");
        }
        done_.WaitWithTimeout(&mu_, left);
      }
      if (!entry->status.ok()) return entry->status;
      return entry->folder;
    }
    entry = std::make_shared<Entry>();
    entries_.emplace(key, entry);
  }
  absl::StatusOr<CodeFolderPtr> folder = Unpack(function, deadline);
  MutexLock lock(&mu_);
  entry->done = true;
  if (folder.ok()) {
    entry->folder = *folder;
  } else {
    // Not kept: the next one tries again.
    entry->status = folder.status();
    const auto it = entries_.find(key);
    if (it != entries_.end() && it->second == entry) entries_.erase(it);
  }
  done_.SignalAll();
  return folder;
}

absl::StatusOr<CodeFolderPtr> CodeCache::Unpack(const core::Function& function,
                                                absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const core::FunctionCode code,
                        source_.ReadCode(function.id, function.revision, deadline));
  std::string path;
  {
    MutexLock lock(&mu_);
    // A number of its own: the folder of a revision that was dropped may still be in use.
    path = absl::StrCat(folder_, "/", function.id.value(), "-", function.revision.value(), "-",
                        next_folder_++);
  }
  if (mkdir(path.c_str(), 0755) != 0 || chmod(path.c_str(), 0755) != 0) {
    return MakeError(ErrorReason::kInternal, absl::StrCat("Cannot make the folder ", path, ": ",
                                                          std::strerror(errno), "."));
  }
  auto folder = std::make_shared<const CodeFolder>(path);
  WEIR_RETURN_IF_ERROR(UnpackCode(code, path));
  return folder;
}

void CodeCache::Drop(core::FunctionId function, core::Revision keep) {
  std::vector<std::shared_ptr<Entry>>
      dropped;  // declared first, so destroyed after the lock was released
  MutexLock lock(&mu_);
  for (auto it = entries_.lower_bound(Key(function, core::Revision(0)));
       it != entries_.end() && it->first.first == function;) {
    if (it->first.second == keep) {
      ++it;
      continue;
    }
    dropped.push_back(std::move(it->second));
    it = entries_.erase(it);
  }
}

}  // namespace weir::runner::engine
