// A text of a policy that is matched against a request: with wildcards, and with variables that are filled in from the request's
// context, as in "arn:aws:sqs:*:*:${aws:PrincipalAccount}-inbox". Pure.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/policy/context.h"
#include "libs/policy/wildcard.h"

namespace weir::policy {

class Template {
 public:
  struct Syntax {
    bool wildcards = false;  // `*` and `?`
    // ${key}, ${key, 'default'}, and ${*}, ${?}, ${$} for the characters themselves: since version 2012-10-17 of the language.
    bool variables = false;
  };

  // Says what is wrong with a variable; `where` is the text's place.
  static absl::StatusOr<Template> Parse(absl::string_view text, Syntax syntax, absl::string_view where);

  // Nothing: a variable has no value, or more than one. What is filled in has no wildcards.
  std::optional<Pattern> Fill(const Context& context) const;

  bool has_variables() const { return has_variables_; }

 private:
  struct Variable {
    std::string key;
    std::optional<std::string> fallback;
  };

  static absl::StatusOr<Variable> ParseVariable(absl::string_view text, absl::string_view where);

  std::vector<std::variant<Pattern, Variable>> parts_;
  bool has_variables_ = false;
};

}  // namespace weir::policy
