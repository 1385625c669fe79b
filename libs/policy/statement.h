// One statement of a policy. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/policy/condition.h"
#include "libs/policy/json.h"
#include "libs/policy/principal.h"
#include "libs/policy/template.h"

namespace weir::policy {

class Statement {
 public:
  enum class Effect { kAllow, kDeny };

  // `variables`: the document's version has them.
  static absl::StatusOr<Statement> Parse(const Json& json, bool variables, absl::string_view where);

  // Is it about this request? `action` in any letter case; the resource's counts.
  bool Applies(const Principal& principal, absl::string_view action, absl::string_view resource, const Context& context) const;

  Effect effect() const { return effect_; }
  const std::string& sid() const { return sid_; }
  // As they stand in the document.
  const std::vector<std::string>& actions() const { return actions_; }

 private:
  absl::Status ReadPrincipals(const Json& json, absl::string_view where);
  absl::Status ReadActions(const Json& json, absl::string_view where);
  absl::Status ReadResources(const Json& json, bool variables, absl::string_view where);
  absl::Status ReadConditions(const Json& json, bool variables, absl::string_view where);

  bool AppliesToAction(absl::string_view action) const;
  bool AppliesToResource(absl::string_view resource, const Context& context) const;

  std::string sid_;  // empty: it has none
  Effect effect_ = Effect::kDeny;
  PrincipalSet principals_;
  bool not_principals_ = false;  // NotPrincipal: all but those
  std::vector<std::string> actions_;
  bool not_actions_ = false;
  std::vector<Template> resources_;
  bool not_resources_ = false;
  std::vector<Condition> conditions_;  // all must hold
};

}  // namespace weir::policy
