#include "libs/policy/principal.h"

#include <optional>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/account.h"
#include "libs/base/status_macros.h"

namespace weir::policy {
namespace {

constexpr size_t kUniqueIdMin = 16;

// "AIDACKCEVSQ6C2EXAMPLE": what AWS makes of the ARN of a user or a role that is gone.
bool IsUniqueId(absl::string_view text) {
  return text.size() >= kUniqueIdMin && text[0] == 'A' &&
         absl::c_all_of(text, [](char c) { return absl::ascii_isupper(c) || absl::ascii_isdigit(c); });
}

// "arn:aws:iam::111122223333:user/ann", of iam or sts.
struct IdentityArn {
  std::string account;
  std::string resource;
};
std::optional<IdentityArn> ParseIdentityArn(absl::string_view text) {
  const std::vector<std::string> fields = absl::StrSplit(text, absl::MaxSplits(':', 5));
  if (fields.size() != 6 || fields[0] != "arn" || !absl::StartsWith(fields[1], "aws")) return std::nullopt;
  if ((fields[2] != "iam" && fields[2] != "sts") || !fields[3].empty() || !IsAccount(fields[4])) return std::nullopt;
  const size_t slash = fields[5].find('/');
  const bool named = slash != std::string::npos && slash > 0 && slash + 1 < fields[5].size();
  if (fields[5] != "root" && !named) return std::nullopt;
  return IdentityArn{fields[4], fields[5]};
}

}  // namespace

std::string Principal::Arn() const {
  return kind == Kind::kAccount ? absl::StrCat("arn:aws:iam::", id, ":root") : "";
}

absl::StatusOr<PrincipalSet> PrincipalSet::Parse(const Json& json, absl::string_view where) {
  PrincipalSet set;
  if (json.is_string() && json.get_ref<const std::string&>() == "*") {
    set.everybody_ = true;
    return set;
  }
  if (!json.is_object() || json.empty()) {
    return Malformed(where, R"(must be "*", or an object such as {"AWS": "111122223333"}.)");
  }
  for (const auto& [kind, names] : json.items()) {
    const std::string place = absl::StrCat(where, ".", kind);
    if (kind != "AWS" && kind != "Service" && kind != "Federated" && kind != "CanonicalUser") {
      return Malformed(where, absl::StrCat("has the member ", Shown(kind), "; allowed are AWS, Service, Federated and CanonicalUser."));
    }
    WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> listed, ReadStrings(names, place));
    for (const std::string& name : listed) {
      if (name.empty()) return Malformed(place, "has an empty name.");
      if (kind == "AWS") WEIR_RETURN_IF_ERROR(set.AddAws(name, place));
      if (kind == "Service" && name == "*") set.every_service_ = true;
      if (kind == "Service") set.services_.push_back(name);
    }
  }
  return set;
}

absl::Status PrincipalSet::AddAws(const std::string& name, absl::string_view where) {
  const auto arn = ParseIdentityArn(name);
  if (name == "*") {
    everybody_ = true;
  } else if (absl::StrContains(name, '*') || absl::StrContains(name, '?')) {
    return Malformed(where, absl::StrCat("has the name ", Shown(name), "; a principal is named in full, or all are with \"*\"."));
  } else if (IsAccount(name)) {
    accounts_.push_back(name);
  } else if (arn.has_value() && arn->resource == "root") {
    accounts_.push_back(arn->account);
  } else if (!arn.has_value() && !IsUniqueId(name)) {
    return Malformed(where, absl::StrCat("has the name ", Shown(name),
                                         "; it must be an account of 12 digits, an ARN such as arn:aws:iam::111122223333:root, or "
                                         "\"*\"."));
  }
  return absl::OkStatus();
}

bool PrincipalSet::Contains(const Principal& principal) const {
  if (everybody_) return true;
  switch (principal.kind) {
    case Principal::Kind::kAnonymous: return false;
    case Principal::Kind::kAccount: return absl::c_linear_search(accounts_, principal.id);
    case Principal::Kind::kService: return every_service_ || absl::c_linear_search(services_, principal.id);
  }
  return false;
}

}  // namespace weir::policy
