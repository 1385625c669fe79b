#include "libs/policy/template.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"
#include "libs/policy/json.h"

namespace weir::policy {

absl::StatusOr<Template> Template::Parse(absl::string_view text, Syntax syntax, absl::string_view where) {
  Template result;
  Pattern fixed;
  const auto append = [&](absl::string_view part) {
    syntax.wildcards ? AppendWildcards(part, fixed) : AppendLiterals(part, fixed);
  };
  while (syntax.variables) {
    const size_t begin = text.find("${");
    if (begin == absl::string_view::npos) break;
    const size_t end = text.find('}', begin);
    if (end == absl::string_view::npos) {
      return Malformed(where, "has a variable without an end: after ${ a } must follow; ${$} is a $ itself.");
    }
    append(text.substr(0, begin));
    const absl::string_view inside = text.substr(begin + 2, end - begin - 2);
    text.remove_prefix(end + 1);
    if (inside == "*" || inside == "?" || inside == "$") {
      AppendLiterals(inside, fixed);
      continue;
    }
    WEIR_ASSIGN_OR_RETURN(Variable variable, ParseVariable(inside, where));
    result.parts_.emplace_back(std::exchange(fixed, Pattern()));
    result.parts_.emplace_back(std::move(variable));
    result.has_variables_ = true;
  }
  append(text);
  result.parts_.emplace_back(std::move(fixed));
  return result;
}

// aws:SourceIp, or: aws:userid, 'anonymous'
absl::StatusOr<Template::Variable> Template::ParseVariable(absl::string_view text, absl::string_view where) {
  const size_t comma = text.find(',');
  Variable variable{.key = std::string(absl::StripAsciiWhitespace(text.substr(0, comma)))};
  const size_t colon = variable.key.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == variable.key.size()) {
    return Malformed(where, absl::StrCat("has the variable ${", text, "}, which is none: a variable names a context key, as in "
                                         "${aws:SourceIp}."));
  }
  if (comma == absl::string_view::npos) return variable;
  absl::string_view fallback = absl::StripAsciiWhitespace(text.substr(comma + 1));
  if (fallback.size() < 2 || !absl::ConsumePrefix(&fallback, "'") || !absl::ConsumeSuffix(&fallback, "'")) {
    return Malformed(where, absl::StrCat("has the variable ${", text, "}, whose default must stand in single quotes, as in "
                                         "${aws:SourceIp, 'none'}."));
  }
  variable.fallback = std::string(fallback);
  return variable;
}

std::optional<Pattern> Template::Fill(const Context& context) const {
  Pattern filled;
  for (const auto& part : parts_) {
    if (const auto* fixed = std::get_if<Pattern>(&part)) {
      filled.insert(filled.end(), fixed->begin(), fixed->end());
      continue;
    }
    const auto& variable = std::get<Variable>(part);
    const std::vector<std::string>* values = context.Find(variable.key);
    if (values != nullptr && values->size() == 1) {
      AppendLiterals(values->front(), filled);
    } else if (values == nullptr && variable.fallback.has_value()) {
      AppendLiterals(*variable.fallback, filled);
    } else {
      return std::nullopt;
    }
  }
  return filled;
}

}  // namespace weir::policy
