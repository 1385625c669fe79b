// The policies of queues: SQS's limits, and the statements that AddPermission and RemovePermission write.
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "libs/base/account.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/policy/json.h"
#include "libs/policy/policy.h"
#include "libs/policy/sqs_actions.h"

namespace weir::policy {
namespace {

constexpr size_t kDocumentBytesMax = 8192;
constexpr size_t kStatementsMax = 20;
constexpr size_t kActionsMax = 7;  // of a statement
constexpr size_t kLabelCharactersMax = 80;

constexpr absl::string_view kOwnersAction = "Only the queue owner is allowed to invoke this action.";
constexpr absl::string_view kNoAction = "Please refer to the appropriate WSDL for a list of valid actions.";

absl::Status InvalidParameter(absl::string_view value, absl::string_view name, absl::string_view reason) {
  return MakeError(ErrorReason::kInvalidParameterValue,
                   absl::StrCat("Value ", value, " for parameter ", name, " is invalid. Reason: ", reason));
}

absl::Status CheckCount(size_t count, absl::string_view what, size_t max) {
  if (count <= max) return absl::OkStatus();
  return MakeError(ErrorReason::kOverLimit, absl::StrCat(count, " ", what, " were found, maximum allowed is ", max, "."));
}

bool HasWildcards(absl::string_view text) { return absl::StrContains(text, '*') || absl::StrContains(text, '?'); }

// "sqs:SendMessage"; with wildcards it may stand for nothing.
absl::Status CheckAction(absl::string_view action) {
  if (action == "*") return absl::OkStatus();
  const size_t colon = action.find(':');
  const absl::string_view name = action.substr(colon + 1);
  const bool of_sqs = absl::EqualsIgnoreCase(action.substr(0, colon), "sqs");
  if (of_sqs && (HasWildcards(name) || FindSqsAction(name) != SqsAction::kUnknown)) return absl::OkStatus();
  return InvalidParameter(of_sqs ? absl::StrCat("SQS:", name) : action, "ActionName", kNoAction);
}

bool IsLabel(absl::string_view label) {
  return !label.empty() && label.size() <= kLabelCharactersMax &&
         absl::c_all_of(label, [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; });
}

absl::Status CheckPermission(const Permission& permission) {
  if (!IsLabel(permission.label)) {
    return InvalidParameter(permission.label, "Label",
                            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.");
  }
  if (permission.actions.empty()) {
    return MakeError(ErrorReason::kMissingParameter, "The request must contain the parameter Actions.");
  }
  WEIR_RETURN_IF_ERROR(CheckCount(permission.actions.size(), "Actions", kActionsMax));
  for (const std::string& action : permission.actions) {
    const SqsAction known = FindSqsAction(action);
    if (action == "*" || known == SqsAction::kShared) continue;
    return InvalidParameter(absl::StrCat("SQS:", action), "ActionName", known == SqsAction::kOwnerOnly ? kOwnersAction : kNoAction);
  }
  const bool accounts = !permission.accounts.empty() && absl::c_all_of(permission.accounts, IsAccount);
  if (accounts) return absl::OkStatus();
  return InvalidParameter(absl::StrCat("[", absl::StrJoin(permission.accounts, ", "), "]"), "PrincipalId", "Unable to verify.");
}

// As SQS writes it, a list of one is no list.
Json OneOrList(const std::vector<std::string>& texts) { return texts.size() == 1 ? Json(texts[0]) : Json(texts); }

Json StatementOf(const Permission& permission) {
  std::vector<std::string> principals;
  for (const std::string& account : permission.accounts) principals.push_back(Principal::Account(account).Arn());
  std::vector<std::string> actions;
  for (const std::string& action : permission.actions) actions.push_back(absl::StrCat("SQS:", action));
  return Json{{"Sid", permission.label},
              {"Effect", "Allow"},
              {"Principal", Json{{"AWS", OneOrList(principals)}}},
              {"Action", OneOrList(actions)},
              {"Resource", permission.queue_arn}};
}

// A document that was checked, with its statements as an array.
absl::StatusOr<Json> Reopen(absl::string_view document) {
  WEIR_RETURN_IF_ERROR(Policy::Parse(document).status());
  WEIR_ASSIGN_OR_RETURN(Json json, ParseJson(document));
  Json& statements = json["Statement"];
  if (statements.is_object()) statements = Json::array({std::exchange(statements, Json())});
  return json;
}

Json::iterator FindLabel(Json& statements, absl::string_view label) {
  return absl::c_find_if(statements, [&](const Json& statement) {
    const auto sid = statement.find("Sid");
    return sid != statement.end() && sid->get_ref<const std::string&>() == label;
  });
}

}  // namespace

absl::Status CheckPolicy(absl::string_view document) {
  if (document.size() > kDocumentBytesMax) {
    return Malformed("The policy", absl::StrCat("has ", document.size(), " bytes; ", kDocumentBytesMax, " are the most."));
  }
  WEIR_ASSIGN_OR_RETURN(const Policy policy, Policy::Parse(document));
  WEIR_RETURN_IF_ERROR(CheckCount(policy.statements().size(), "Statements", kStatementsMax));
  for (const Statement& statement : policy.statements()) {
    WEIR_RETURN_IF_ERROR(CheckCount(statement.actions().size(), "Actions", kActionsMax));
    for (const std::string& action : statement.actions()) WEIR_RETURN_IF_ERROR(CheckAction(action));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> AddPermission(absl::string_view document, const Permission& permission) {
  WEIR_RETURN_IF_ERROR(CheckPermission(permission));
  Json json;
  if (document.empty()) {
    json = Json{{"Version", "2008-10-17"},
                {"Id", absl::StrCat(permission.queue_arn, "/SQSDefaultPolicy")},
                {"Statement", Json::array()}};
  } else {
    WEIR_ASSIGN_OR_RETURN(json, Reopen(document));
  }
  Json& statements = json["Statement"];
  if (FindLabel(statements, permission.label) != statements.end()) {
    return InvalidParameter(permission.label, "Label", "Already exists.");
  }
  statements.push_back(StatementOf(permission));
  std::string changed = json.dump();
  WEIR_RETURN_IF_ERROR(CheckPolicy(changed));
  return changed;
}

absl::StatusOr<std::string> RemovePermission(absl::string_view document, absl::string_view label) {
  Json json = Json{{"Statement", Json::array()}};
  if (!document.empty()) {
    WEIR_ASSIGN_OR_RETURN(json, Reopen(document));
  }
  Json& statements = json["Statement"];
  const auto found = FindLabel(statements, label);
  if (found == statements.end()) return InvalidParameter(label, "Label", "can't find label.");
  statements.erase(found);
  if (statements.empty()) return "";
  std::string changed = json.dump();
  WEIR_RETURN_IF_ERROR(CheckPolicy(changed));
  return changed;
}

}  // namespace weir::policy
