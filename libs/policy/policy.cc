#include "libs/policy/policy.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/policy/json.h"

namespace weir::policy {
namespace {

constexpr absl::string_view kFirstVersion = "2008-10-17";
constexpr absl::string_view kVersionWithVariables = "2012-10-17";

// Its version has variables.
absl::StatusOr<bool> ReadHead(const Json& json) {
  if (!json.is_object()) return Malformed("The policy", "must be an object with the element Statement.");
  for (const auto& [name, value] : json.items()) {
    if (name != "Version" && name != "Id" && name != "Statement") {
      return Malformed("The policy", absl::StrCat("has the element ", Shown(name), "; allowed are Version, Id and Statement."));
    }
  }
  if (const auto id = json.find("Id"); id != json.end() && !id->is_string()) return Malformed("Id", "must be a string.");
  const auto version = json.find("Version");
  if (version == json.end()) return false;
  const std::string text = version->is_string() ? version->get<std::string>() : "";
  if (text != kFirstVersion && text != kVersionWithVariables) {
    return Malformed("Version", absl::StrCat("must be \"", kFirstVersion, "\" or \"", kVersionWithVariables, "\"."));
  }
  return text == kVersionWithVariables;
}

}  // namespace

absl::StatusOr<Policy> Policy::Parse(absl::string_view document) {
  WEIR_ASSIGN_OR_RETURN(const Json json, ParseJson(document));
  WEIR_ASSIGN_OR_RETURN(const bool variables, ReadHead(json));
  const auto found = json.find("Statement");
  const bool listed = found != json.end() && found->is_array() && !found->empty();
  if (!listed && (found == json.end() || !found->is_object())) {
    return Malformed("Statement", "must be an object, or an array with at least one.");
  }
  Policy policy;
  std::set<std::string> sids;
  const size_t count = listed ? found->size() : 1;
  for (size_t i = 0; i < count; ++i) {
    const std::string where = listed ? absl::StrCat("Statement[", i, "]") : "Statement";
    WEIR_ASSIGN_OR_RETURN(Statement statement, Statement::Parse(listed ? found->at(i) : *found, variables, where));
    if (!statement.sid().empty() && !sids.insert(statement.sid()).second) {
      return Malformed(absl::StrCat(where, ".Sid"), absl::StrCat("is ", Shown(statement.sid()), ", as is that of another statement."));
    }
    policy.statements_.push_back(std::move(statement));
  }
  return policy;
}

Decision Policy::Decide(const AccessRequest& request) const {
  Context context = request.context;
  const bool account = request.principal.kind == Principal::Kind::kAccount;
  context.SetAll("aws:PrincipalAccount", account ? std::vector<std::string>{request.principal.id} : std::vector<std::string>());
  context.SetAll("aws:PrincipalArn", account ? std::vector<std::string>{request.principal.Arn()} : std::vector<std::string>());
  Decision decision = Decision::kNotAllowed;
  for (const Statement& statement : statements_) {
    if (!statement.Applies(request.principal, request.action, request.resource, context)) continue;
    if (statement.effect() == Statement::Effect::kDeny) return Decision::kDenied;
    decision = Decision::kAllowed;
  }
  return decision;
}

}  // namespace weir::policy
