#include "libs/policy/statement.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace weir::policy {
namespace {

constexpr absl::string_view kElements[] = {"Sid",       "Effect",   "Principal",   "NotPrincipal", "Action",
                                           "NotAction", "Resource", "NotResource", "Condition"};

// One of two elements must be there, and only one: "Action" or "NotAction".
struct Choice {
  const Json* value;
  bool negated;
  std::string where;
};
absl::StatusOr<Choice> Choose(const Json& json, const std::string& name, absl::string_view where) {
  const std::string negated = "Not" + name;
  const bool has_plain = json.contains(name);
  const bool has_negated = json.contains(negated);
  if (has_plain == has_negated) {
    return Malformed(where, absl::StrCat(has_plain ? "has both " : "has neither ", name, has_plain ? " and " : " nor ", negated,
                                         "; a statement needs one of them."));
  }
  const std::string& chosen = has_plain ? name : negated;
  return Choice{&json.at(chosen), has_negated, absl::StrCat(where, ".", chosen)};
}

// "*", or SERVICE:NAME with wildcards in the name.
bool IsAction(absl::string_view text) {
  if (text == "*") return true;
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  const auto in_service = [](char c) { return absl::ascii_isalnum(c) || c == '-'; };
  const auto in_name = [](char c) { return absl::ascii_isalnum(c) || c == '*' || c == '?'; };
  return std::all_of(text.begin(), text.begin() + colon, in_service) && std::all_of(text.begin() + colon + 1, text.end(), in_name);
}

}  // namespace

absl::StatusOr<Statement> Statement::Parse(const Json& json, bool variables, absl::string_view where) {
  if (!json.is_object()) return Malformed(where, "must be an object.");
  for (const auto& [name, value] : json.items()) {
    if (!absl::c_linear_search(kElements, name)) {
      return Malformed(where, absl::StrCat("has the element ", Shown(name),
                                           "; allowed are Sid, Effect, Principal, NotPrincipal, Action, NotAction, Resource, "
                                           "NotResource and Condition."));
    }
  }
  Statement statement;
  if (const auto sid = json.find("Sid"); sid != json.end()) {
    if (!sid->is_string()) return Malformed(absl::StrCat(where, ".Sid"), "must be a string.");
    statement.sid_ = sid->get<std::string>();
  }
  const auto effect = json.find("Effect");
  const bool allow = effect != json.end() && *effect == "Allow";
  if (!allow && (effect == json.end() || *effect != "Deny")) {
    return Malformed(absl::StrCat(where, ".Effect"), R"(must be "Allow" or "Deny".)");
  }
  statement.effect_ = allow ? Effect::kAllow : Effect::kDeny;
  WEIR_RETURN_IF_ERROR(statement.ReadPrincipals(json, where));
  WEIR_RETURN_IF_ERROR(statement.ReadActions(json, where));
  WEIR_RETURN_IF_ERROR(statement.ReadResources(json, variables, where));
  WEIR_RETURN_IF_ERROR(statement.ReadConditions(json, variables, where));
  return statement;
}

absl::Status Statement::ReadPrincipals(const Json& json, absl::string_view where) {
  WEIR_ASSIGN_OR_RETURN(const Choice choice, Choose(json, "Principal", where));
  not_principals_ = choice.negated;
  WEIR_ASSIGN_OR_RETURN(principals_, PrincipalSet::Parse(*choice.value, choice.where));
  return absl::OkStatus();
}

absl::Status Statement::ReadActions(const Json& json, absl::string_view where) {
  WEIR_ASSIGN_OR_RETURN(const Choice choice, Choose(json, "Action", where));
  not_actions_ = choice.negated;
  WEIR_ASSIGN_OR_RETURN(actions_, ReadStrings(*choice.value, choice.where));
  for (const std::string& action : actions_) {
    if (!IsAction(action)) {
      return Malformed(choice.where, absl::StrCat("has the action ", Shown(action),
                                                  "; it must be \"*\" or a service and a name, as in sqs:SendMessage or sqs:Get*."));
    }
  }
  return absl::OkStatus();
}

absl::Status Statement::ReadResources(const Json& json, bool variables, absl::string_view where) {
  WEIR_ASSIGN_OR_RETURN(const Choice choice, Choose(json, "Resource", where));
  not_resources_ = choice.negated;
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> texts, ReadStrings(*choice.value, choice.where));
  for (const std::string& text : texts) {
    if (text.empty()) return Malformed(choice.where, "has an empty text; it must be an ARN, with wildcards perhaps, or \"*\".");
    WEIR_ASSIGN_OR_RETURN(Template resource, Template::Parse(text, {.wildcards = true, .variables = variables}, choice.where));
    resources_.push_back(std::move(resource));
  }
  return absl::OkStatus();
}

absl::Status Statement::ReadConditions(const Json& json, bool variables, absl::string_view where) {
  const auto found = json.find("Condition");
  if (found == json.end()) return absl::OkStatus();
  const std::string place = absl::StrCat(where, ".Condition");
  if (!found->is_object()) return Malformed(place, "must be an object of operators.");
  for (const auto& [name, keys] : found->items()) {
    if (!keys.is_object() || keys.empty()) {
      return Malformed(absl::StrCat(place, ".", name), "must be an object of context keys, each with its values.");
    }
    for (const auto& [key, values] : keys.items()) {
      WEIR_ASSIGN_OR_RETURN(Condition condition, Condition::Parse(name, key, values, variables, place));
      conditions_.push_back(std::move(condition));
    }
  }
  return absl::OkStatus();
}

bool Statement::Applies(const Principal& principal, absl::string_view action, absl::string_view resource,
                        const Context& context) const {
  return principals_.Contains(principal) != not_principals_ && AppliesToAction(action) && AppliesToResource(resource, context) &&
         absl::c_all_of(conditions_, [&](const Condition& condition) { return condition.Holds(context); });
}

bool Statement::AppliesToAction(absl::string_view action) const {
  const bool named = absl::c_any_of(actions_, [&](const std::string& text) {
    Pattern pattern;
    AppendWildcards(text, pattern);
    return Matches(pattern, action, LetterCase::kIgnored);
  });
  return named != not_actions_;
}

bool Statement::AppliesToResource(absl::string_view resource, const Context& context) const {
  bool named = false;
  for (const Template& text : resources_) {
    const auto pattern = text.Fill(context);
    // The statement is about something that this request does not have.
    if (!pattern.has_value()) return false;
    named = named || Matches(*pattern, resource);
  }
  return named != not_resources_;
}

}  // namespace weir::policy
