// A condition of a statement: an operator, a context key, and the values that the key's are compared with. Pure.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/policy/context.h"
#include "libs/policy/ip_network.h"
#include "libs/policy/json.h"
#include "libs/policy/template.h"

namespace weir::policy {

// What an operator's values are.
enum class ValueKind { kText, kNumber, kDate, kBool, kBinary, kIp, kArn, kNull };
enum class Comparison { kEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

// The operators of the language, as a table has them: "StringNotLike" is kText, kEqual, negated, with wildcards.
struct Operator {
  absl::string_view name;
  ValueKind kind;
  Comparison comparison = Comparison::kEqual;
  bool negated = false;
  bool ignores_case = false;
  bool has_wildcards = false;
};

// A key may have several values in a request; then an operator is asked of all of them, or of any.
enum class Quantifier { kNone, kForAllValues, kForAnyValue };

class Condition {
 public:
  // `operator_name` with its prefix and suffix: "ForAnyValue:StringLikeIfExists". `variables`: the document's version has them.
  static absl::StatusOr<Condition> Parse(absl::string_view operator_name, absl::string_view key, const Json& values, bool variables,
                                         absl::string_view where);

  // A key that the request does not have: true of a negated operator, of IfExists and of ForAllValues, else false; of ForAnyValue false
  // always. A variable without a value: false, whatever the operator.
  bool Holds(const Context& context) const;

 private:
  // The text of a String or an Arn operator; number; date; Bool or Null; the bytes; network.
  using Operand = std::variant<Template, double, absl::Time, bool, std::string, IpNetwork>;

  static absl::StatusOr<Operand> ParseOperand(const Operator& op, const std::string& text, bool variables, absl::string_view where);

  bool HoldsWithoutKey() const;
  // Of one value of the key.
  bool Passes(const std::string& value, const Context& context) const;
  bool MatchesOperand(const Operand& operand, const std::string& value, const Context& context) const;

  const Operator* op_ = nullptr;  // of the table
  Quantifier quantifier_ = Quantifier::kNone;
  bool if_exists_ = false;
  std::string key_;
  std::vector<Operand> operands_;
};

// The W3C's profile of ISO 8601, from "2026" to "2026-01-31T12:30:00.5+01:00", or seconds since 1970. Four digits are a year.
std::optional<absl::Time> ParseDate(absl::string_view text);

}  // namespace weir::policy
