// Unpacked code, once per revision of a function. A revision's folder is there as long as somebody
// holds it: the cache itself until the revision is dropped, and every worker that runs it.
//
// Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "services/runner/core/types.h"
#include "services/runner/engine/invoker.h"

namespace weir::runner::engine {

class CodeFolder {
 public:
  explicit CodeFolder(std::string path) : path_(std::move(path)) {}
  ~CodeFolder();  // removes it
  CodeFolder(const CodeFolder&) = delete;
  CodeFolder& operator=(const CodeFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};
using CodeFolderPtr = std::shared_ptr<const CodeFolder>;

class CodeCache {
 public:
  // `folder` exists and is empty. References must outlive the cache.
  CodeCache(std::string folder, CodeSource& source);

  // Reads and unpacks the code unless it is there already; callers that come meanwhile wait for the
  // first.
  absl::StatusOr<CodeFolderPtr> Get(const core::Function& function, absl::Time deadline);
  // Lets go of all other revisions of the function. Removing files may take a while.
  void Drop(core::FunctionId function, core::Revision keep);

 private:
  struct Entry {
    bool done = false;
    absl::Status status;
    CodeFolderPtr folder;
  };
  using Key = std::pair<core::FunctionId, core::Revision>;

  absl::StatusOr<CodeFolderPtr> Unpack(const core::Function& function, absl::Time deadline);

  const std::string folder_;
  CodeSource& source_;
  Mutex mu_;
  CondVar done_;
  std::map<Key, std::shared_ptr<Entry>> entries_ ABSL_GUARDED_BY(mu_);
  int64_t next_folder_ ABSL_GUARDED_BY(mu_) = 1;
};

}  // namespace weir::runner::engine
