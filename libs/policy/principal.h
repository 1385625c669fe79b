// Who asks, and whom a statement is about. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/policy/json.h"

namespace weir::policy {

// Access keys belong to accounts, so whoever signs a request is an account, not one of its users or roles.
struct Principal {
  enum class Kind { kAnonymous, kAccount, kService };

  static Principal Anonymous() { return {}; }
  static Principal Account(absl::string_view id) { return {Kind::kAccount, std::string(id)}; }
  static Principal Service(absl::string_view name) { return {Kind::kService, std::string(name)}; }

  // Of an account: "arn:aws:iam::111122223333:root"; else empty.
  std::string Arn() const;

  Kind kind = Kind::kAnonymous;
  std::string id;  // "111122223333", or "sns.amazonaws.com"
};

// What stands as Principal or NotPrincipal. Everybody is "*" or {"AWS": "*"}, and that is anonymous callers and services, too. An
// account is its 12 digits or the ARN of its root. Users, roles, sessions, federated and canonical users may be named; none of them ever
// asks, so they stand for nobody.
class PrincipalSet {
 public:
  static absl::StatusOr<PrincipalSet> Parse(const Json& json, absl::string_view where);

  bool Contains(const Principal& principal) const;

 private:
  absl::Status AddAws(const std::string& name, absl::string_view where);

  bool everybody_ = false;
  bool every_service_ = false;
  std::vector<std::string> accounts_;
  std::vector<std::string> services_;
};

}  // namespace weir::policy
