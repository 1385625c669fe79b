#include "libs/policy/condition.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "libs/base/status_macros.h"

namespace weir::policy {
namespace {

constexpr Operator kOperators[] = {
    {"StringEquals", ValueKind::kText},
    {"StringNotEquals", ValueKind::kText, Comparison::kEqual, true},
    {"StringEqualsIgnoreCase", ValueKind::kText, Comparison::kEqual, false, true},
    {"StringNotEqualsIgnoreCase", ValueKind::kText, Comparison::kEqual, true, true},
    {"StringLike", ValueKind::kText, Comparison::kEqual, false, false, true},
    {"StringNotLike", ValueKind::kText, Comparison::kEqual, true, false, true},
    {"NumericEquals", ValueKind::kNumber},
    {"NumericNotEquals", ValueKind::kNumber, Comparison::kEqual, true},
    {"NumericLessThan", ValueKind::kNumber, Comparison::kLess},
    {"NumericLessThanEquals", ValueKind::kNumber, Comparison::kLessOrEqual},
    {"NumericGreaterThan", ValueKind::kNumber, Comparison::kGreater},
    {"NumericGreaterThanEquals", ValueKind::kNumber, Comparison::kGreaterOrEqual},
    {"DateEquals", ValueKind::kDate},
    {"DateNotEquals", ValueKind::kDate, Comparison::kEqual, true},
    {"DateLessThan", ValueKind::kDate, Comparison::kLess},
    {"DateLessThanEquals", ValueKind::kDate, Comparison::kLessOrEqual},
    {"DateGreaterThan", ValueKind::kDate, Comparison::kGreater},
    {"DateGreaterThanEquals", ValueKind::kDate, Comparison::kGreaterOrEqual},
    {"Bool", ValueKind::kBool},
    {"BinaryEquals", ValueKind::kBinary},
    {"IpAddress", ValueKind::kIp},
    {"NotIpAddress", ValueKind::kIp, Comparison::kEqual, true},
    {"ArnEquals", ValueKind::kArn, Comparison::kEqual, false, false, true},
    {"ArnLike", ValueKind::kArn, Comparison::kEqual, false, false, true},
    {"ArnNotEquals", ValueKind::kArn, Comparison::kEqual, true, false, true},
    {"ArnNotLike", ValueKind::kArn, Comparison::kEqual, true, false, true},
    {"Null", ValueKind::kNull},
};

const Operator* FindOperator(absl::string_view name) {
  for (const Operator& op : kOperators) {
    if (op.name == name) return &op;
  }
  return nullptr;
}

absl::string_view WantedBy(ValueKind kind) {
  switch (kind) {
    case ValueKind::kNumber: return "a number";
    case ValueKind::kDate: return "a date such as 2026-01-31T12:00:00Z, or seconds since 1970";
    case ValueKind::kBinary: return "base64";
    case ValueKind::kIp: return "an IP address or a network such as 203.0.113.0/24";
    case ValueKind::kArn: return "an ARN of six fields, each of which may have wildcards";
    default: return "true or false";
  }
}

std::optional<double> ParseNumber(absl::string_view text) {
  double number = 0;
  // It would allow spaces around.
  if (text.empty() || absl::ascii_isspace(text.front()) || absl::ascii_isspace(text.back())) return std::nullopt;
  if (!absl::SimpleAtod(text, &number) || !std::isfinite(number)) return std::nullopt;
  return number;
}

std::optional<bool> ParseBool(absl::string_view text) {
  if (absl::EqualsIgnoreCase(text, "true")) return true;
  if (absl::EqualsIgnoreCase(text, "false")) return false;
  return std::nullopt;
}

template <typename T>
bool Compare(Comparison comparison, const T& value, const T& operand) {
  switch (comparison) {
    case Comparison::kEqual: return value == operand;
    case Comparison::kLess: return value < operand;
    case Comparison::kLessOrEqual: return value <= operand;
    case Comparison::kGreater: return value > operand;
    case Comparison::kGreaterOrEqual: return value >= operand;
  }
  return false;
}

// What cannot be read compares with nothing.
template <typename T>
bool CompareRead(Comparison comparison, const std::optional<T>& value, const T& operand) {
  return value.has_value() && Compare(comparison, *value, operand);
}

// The end of an ARN's next field, of which the last takes all that is left.
template <typename Text, typename Colon>
size_t FieldEnd(const Text& text, Colon colon, bool last) {
  return last ? text.size() : static_cast<size_t>(std::find(text.begin(), text.end(), colon) - text.begin());
}

constexpr int kArnFields = 6;

// Field by field, so that no wildcard goes beyond its own.
bool MatchesArn(absl::Span<const Glyph> pattern, absl::string_view arn) {
  for (int field = 0; field < kArnFields; ++field) {
    const bool last = field == kArnFields - 1;
    const size_t in_pattern = FieldEnd(pattern, Literal(':'), last);
    const size_t in_arn = FieldEnd(arn, ':', last);
    if (!Matches(pattern.subspan(0, in_pattern), arn.substr(0, in_arn))) return false;
    if (last) return true;
    if (in_pattern == pattern.size() || in_arn == arn.size()) return false;
    pattern.remove_prefix(in_pattern + 1);
    arn.remove_prefix(in_arn + 1);
  }
  return false;
}

// A value as the language has it: a string, or what may stand without quotes.
std::optional<std::string> TextOf(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  return std::nullopt;
}

absl::StatusOr<std::vector<std::string>> ReadValues(const Json& values, absl::string_view where) {
  constexpr absl::string_view kWanted = "must be a string, a number, a Boolean, or an array with at least one of them.";
  std::vector<std::string> texts;
  if (values.is_array()) {
    for (const Json& value : values) {
      const auto text = TextOf(value);
      if (!text.has_value()) return Malformed(where, kWanted);
      texts.push_back(*text);
    }
  } else if (const auto text = TextOf(values)) {
    texts.push_back(*text);
  }
  if (texts.empty()) return Malformed(where, kWanted);
  return texts;
}

absl::Status CheckKey(absl::string_view key, absl::string_view where) {
  const size_t colon = key.find(':');
  if (colon != absl::string_view::npos && colon > 0 && colon + 1 < key.size()) return absl::OkStatus();
  return Malformed(where, absl::StrCat("has the key ", Shown(key), "; a context key has a prefix, as aws:SourceIp has."));
}

}  // namespace

std::optional<absl::Time> ParseDate(absl::string_view text) {
  const bool digits = !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  if (digits && text.size() != 4) {
    int64_t seconds = 0;
    // A year beyond any calendar would end at the edge of what a time can be.
    if (text.size() > 12 || !absl::SimpleAtoi(text, &seconds)) return std::nullopt;
    return absl::FromUnixSeconds(seconds);
  }
  // The formats would also take spaces, signs, and years of other lengths.
  const auto allowed = [](char c) { return absl::ascii_isdigit(c) || absl::StrContains("-:.+TZ", c); };
  const bool year = text.size() >= 4 && std::all_of(text.begin(), text.begin() + 4, absl::ascii_isdigit);
  if (!year || !std::all_of(text.begin(), text.end(), allowed)) return std::nullopt;
  for (const char* format : {"%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d%ET%H:%M%Ez", "%Y-%m-%d%ET%H:%M:%E*S%Ez"}) {
    absl::Time time;
    if (absl::ParseTime(format, text, &time, nullptr)) return time;
  }
  return std::nullopt;
}

absl::StatusOr<Condition> Condition::Parse(absl::string_view operator_name, absl::string_view key, const Json& values,
                                           bool variables, absl::string_view where) {
  Condition condition;
  absl::string_view name = operator_name;
  if (absl::ConsumePrefix(&name, "ForAllValues:")) {
    condition.quantifier_ = Quantifier::kForAllValues;
  } else if (absl::ConsumePrefix(&name, "ForAnyValue:")) {
    condition.quantifier_ = Quantifier::kForAnyValue;
  }
  condition.if_exists_ = absl::ConsumeSuffix(&name, "IfExists");
  condition.op_ = FindOperator(name);
  if (condition.op_ == nullptr) {
    return Malformed(where, absl::StrCat("has the operator ", Shown(operator_name),
                                         ", which is none. Operators are those of String, Numeric, Date, Bool, Binary, IpAddress, Arn "
                                         "and Null, written as AWS writes them: StringEquals, ArnLike, NotIpAddress."));
  }
  if (condition.op_->kind == ValueKind::kNull && name != operator_name) {
    return Malformed(where, absl::StrCat("has the operator ", Shown(operator_name), "; Null stands alone."));
  }
  WEIR_RETURN_IF_ERROR(CheckKey(key, where));
  condition.key_ = std::string(key);
  const std::string place = absl::StrCat(where, ".", operator_name, ".", key);
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> texts, ReadValues(values, place));
  for (const std::string& text : texts) {
    WEIR_ASSIGN_OR_RETURN(Operand operand, ParseOperand(*condition.op_, text, variables, place));
    condition.operands_.push_back(std::move(operand));
  }
  return condition;
}

absl::StatusOr<Condition::Operand> Condition::ParseOperand(const Operator& op, const std::string& text, bool variables,
                                                           absl::string_view where) {
  const absl::Status wrong =
      Malformed(where, absl::StrCat("has the value ", Shown(text), "; it must be ", WantedBy(op.kind), "."));
  switch (op.kind) {
    case ValueKind::kText:
    case ValueKind::kArn: {
      WEIR_ASSIGN_OR_RETURN(Template parsed,
                            Template::Parse(text, {.wildcards = op.has_wildcards, .variables = variables}, where));
      // What a variable brings is known later.
      const bool six_fields = std::count(text.begin(), text.end(), ':') >= kArnFields - 1;
      if (op.kind == ValueKind::kArn && !six_fields && !parsed.has_variables()) return wrong;
      return Operand(std::move(parsed));
    }
    case ValueKind::kNumber:
      if (const auto number = ParseNumber(text)) return Operand(*number);
      return wrong;
    case ValueKind::kDate:
      if (const auto time = ParseDate(text)) return Operand(*time);
      return wrong;
    case ValueKind::kBool:
    case ValueKind::kNull:
      if (const auto truth = ParseBool(text)) return Operand(*truth);
      return wrong;
    case ValueKind::kBinary: {
      std::string bytes;
      if (absl::Base64Unescape(text, &bytes)) return Operand(std::move(bytes));
      return wrong;
    }
    case ValueKind::kIp:
      if (const auto network = IpNetwork::Parse(text)) return Operand(*network);
      return wrong;
  }
  return wrong;
}

bool Condition::Holds(const Context& context) const {
  const std::vector<std::string>* values = context.Find(key_);
  if (op_->kind == ValueKind::kNull) {
    return std::any_of(operands_.begin(), operands_.end(),
                       [&](const Operand& operand) { return std::get<bool>(operand) == (values == nullptr); });
  }
  if (values == nullptr) return HoldsWithoutKey();
  for (const Operand& operand : operands_) {
    const auto* text = std::get_if<Template>(&operand);
    if (text != nullptr && !text->Fill(context).has_value()) return false;
  }
  const auto passes = [&](const std::string& value) { return Passes(value, context); };
  // Without a quantifier, "not equal" to be true of a key must be true of each of its values, as it is the opposite of "equal".
  const bool all = quantifier_ == Quantifier::kForAllValues || (quantifier_ == Quantifier::kNone && op_->negated);
  return all ? std::all_of(values->begin(), values->end(), passes) : std::any_of(values->begin(), values->end(), passes);
}

bool Condition::HoldsWithoutKey() const {
  switch (quantifier_) {
    case Quantifier::kForAllValues: return true;
    case Quantifier::kForAnyValue: return false;
    case Quantifier::kNone: return if_exists_ || op_->negated;
  }
  return false;
}

bool Condition::Passes(const std::string& value, const Context& context) const {
  const bool matches = std::any_of(operands_.begin(), operands_.end(), [&](const Operand& operand) {
    return MatchesOperand(operand, value, context);
  });
  return matches != op_->negated;
}

bool Condition::MatchesOperand(const Operand& operand, const std::string& value, const Context& context) const {
  switch (op_->kind) {
    case ValueKind::kText: {
      const auto pattern = std::get<Template>(operand).Fill(context);
      return pattern.has_value() && Matches(*pattern, value, op_->ignores_case ? LetterCase::kIgnored : LetterCase::kCounts);
    }
    case ValueKind::kArn: {
      const auto pattern = std::get<Template>(operand).Fill(context);
      return pattern.has_value() && MatchesArn(*pattern, value);
    }
    case ValueKind::kNumber: return CompareRead(op_->comparison, ParseNumber(value), std::get<double>(operand));
    case ValueKind::kDate: return CompareRead(op_->comparison, ParseDate(value), std::get<absl::Time>(operand));
    case ValueKind::kBool: return CompareRead(op_->comparison, ParseBool(value), std::get<bool>(operand));
    case ValueKind::kBinary: return value == std::get<std::string>(operand);
    case ValueKind::kIp: {
      const auto address = IpAddress::Parse(value);
      return address.has_value() && std::get<IpNetwork>(operand).Contains(*address);
    }
    case ValueKind::kNull: break;  // asks for no value
  }
  return false;
}

}  // namespace weir::policy
