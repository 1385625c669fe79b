// The file of access keys, a JSON document. Secrets stand in it sealed under a master key that has a file of its own, so that neither
// file alone lets anybody sign. `weir access-key` writes both, mode 0600; the gateway only reads them.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/gateway/auth/access_keys.h"

namespace weir::gateway::auth {

// Where the master key of the keys in `path` stands: at `given`, or if that is empty in "access-keys.master" beside them.
std::string MasterPath(absl::string_view path, absl::string_view given = "");

// For the gateway. Looks at most once a second whether the files have changed (also as Kubernetes changes mounted Secrets, by another
// link), and then reads them again. Files that cannot be read or do not fit are logged, and the keys of before stay in force until the
// files are right again.
class AccessKeyFile final : public KeySource {
 public:
  // An error when the files are missing, broken, or do not fit each other. `clock` must outlive this.
  static absl::StatusOr<std::unique_ptr<AccessKeyFile>> Open(const std::string& path, const std::string& master_path,
                                                             const Clock& clock = SystemClock());

  std::optional<AccessKey> Find(absl::string_view id) override;

 private:
  using Keys = std::map<std::string, AccessKey, std::less<>>;

  AccessKeyFile(std::string path, std::string master_path, const Clock& clock)
      : path_(std::move(path)), master_path_(std::move(master_path)), clock_(clock) {}
  // True: this thread is the one that looks at the files now.
  bool TakesTheLook();
  void LookForChanges();
  absl::Status Read();
  // Differs when one of the files has been replaced or written.
  std::string Version() const;

  const std::string path_;
  const std::string master_path_;
  const Clock& clock_;
  std::atomic<int64_t> next_look_ns_{0};

  Mutex reading_mu_;  // before mu_
  std::string version_ ABSL_GUARDED_BY(reading_mu_);  // of what keys_ were read from
  std::string last_error_ ABSL_GUARDED_BY(reading_mu_);
  SharedMutex mu_;
  Keys keys_ ABSL_GUARDED_BY(mu_);
};

// For `weir access-key`. Those that write do so under a lock and replace the file as a whole: readers see the one or the other.

struct NewAccessKey {
  std::string account;  // 12 digits
  std::string description;
};
// What is wrong with it, as CreateAccessKey says it.
absl::Status Validate(const NewAccessKey& key);
// Makes the files when both are missing. The answer is the only one that ever has the secret.
absl::StatusOr<AccessKey> CreateAccessKey(const std::string& path, const std::string& master_path, const NewAccessKey& key,
                                          absl::Time now);
// In the order in which they were created, without secrets. Needs no master key.
absl::StatusOr<std::vector<AccessKey>> ListAccessKeys(const std::string& path);
// OK also when it is so already. Needs no master key. The answer has no secret.
absl::StatusOr<AccessKey> SetAccessKeyDisabled(const std::string& path, absl::string_view id, bool disabled);

}  // namespace weir::gateway::auth
