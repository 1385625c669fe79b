// What is known of a request besides who asks for what: the context keys that conditions and variables name, such as aws:SourceIp. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace weir::policy {

class Context {
 public:
  // The letter case of keys does not count.
  void Set(absl::string_view key, absl::string_view value) { SetAll(key, {std::string(value)}); }
  // A key without values is one that is not there.
  void SetAll(absl::string_view key, std::vector<std::string> values);
  // aws:CurrentTime and aws:EpochTime.
  void SetTime(absl::Time now);

  // Null: the request has no such key; else there is at least one value.
  const std::vector<std::string>* Find(absl::string_view key) const;

 private:
  std::map<std::string, std::vector<std::string>> values_;  // by the key in lower case
};

}  // namespace weir::policy
